package wandb

import (
	"context"
	"fmt"
	"io/fs"
	"strings"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/singleflight"

	"artifactfs.dev/artifactfs/manifest"
	"artifactfs.dev/artifactfs/wandb/internal/gql"
)

// manyRecords is how many records are kept. They are immutable, and need no expiry.
const manyRecords = 1024

// records reads records, and keeps them by the artifact's id.
type records struct {
	s       *Source
	kept    *lru.Cache[string, *manifest.Record]
	flights singleflight.Group
}

func newRecords(s *Source) *records {
	return &records{s: s, kept: newLRU[string, *manifest.Record](manyRecords)}
}

// get returns the record of a version. The same artifact may be a version of
// several collections.
func (r *records) get(ctx context.Context, name string, version int, at collection, id string) (*manifest.Record, error) {
	key := fmt.Sprintf("%s/%s:%s", name, manifest.Version(version), id)
	if rec, ok := r.kept.Get(key); ok {
		return rec, nil
	}
	if err := r.s.health.down(r.s.opt.TTL); err != nil {
		return nil, err
	}
	flight := r.flights.DoChan(key, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askTime)
		defer cancel()
		rec, err := r.read(ctx, name, version, at, id)
		r.s.health.heard(err)
		if err == nil {
			r.kept.Add(key, rec)
		}
		return rec, err
	})
	select {
	case got := <-flight:
		rec, _ := got.Val.(*manifest.Record)
		return rec, got.Err
	case <-ctx.Done():
		return nil, r.s.health.late(ctx)
	}
}

// read asks for all that a record needs.
func (r *records) read(ctx context.Context, name string, version int, at collection, id string) (*manifest.Record, error) {
	var (
		v     *gql.Version
		used  []string
		files *files
		raw   []byte
	)
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		if v, err = r.s.version(gctx, name, version, at, id); err == nil {
			used, err = r.s.used(gctx, v)
		}
		return err
	})
	g.Go(func() (err error) {
		if files, err = r.s.filesOf(gctx, name, version, at, id); err == nil {
			raw, err = files.metadataJSON(gctx)
		}
		return err
	})
	if err := g.Wait(); err != nil {
		return nil, err
	}
	m := &manifest.Manifest{
		Name: name, Version: version, Type: v.ArtifactType.Name, CreatedAt: v.CreatedAt,
		Producer: producer(v), Metadata: metadata(v), Inputs: []string{}, UsedArtifacts: used,
	}
	e := r.s.effectivePath(ctx, m.Metadata, &files.index.refs)
	m.Path = e.path
	if it, _ := m.Metadata.Get("iteration"); it == nil && e.iteration != "" {
		m.Metadata.Set("iteration", e.iteration)
	}
	if at, _ := m.Metadata.Get("created_at"); at != nil {
		if text, ok := at.(string); ok {
			m.CreatedAt = text
		}
	}
	rec := &manifest.Record{Manifest: m, RawMeta: raw, Dir: r.s.c.webURL(at, m.Type, version)}
	if raw != nil {
		o, _ := manifest.ParseJSON(raw)
		if rec.Meta, _ = o.(manifest.Object); rec.Meta != nil {
			m.Inputs = manifest.Inputs(rec.Meta)
		}
	}
	rec.Raw = m.Bytes()
	return rec, nil
}

// version asks for a version that a listing named. It asks by the collection where it
// can: a link may be seen by those who may not see where it leads.
func (s *Source) version(ctx context.Context, name string, n int, at collection, id string) (v *gql.Version, err error) {
	if strings.Contains(at.name, ":") {
		v, err = s.artifact(ctx, id)
	} else {
		v, err = ask(ctx, func(ctx context.Context) (*gql.Version, error) {
			r, err := gql.Resolve(ctx, s.c, at.entity, at.project, at.name+":"+manifest.Version(n).String())
			if err != nil || r.Project == nil || r.Project.ArtifactCollectionMembership == nil {
				return nil, err
			}
			return r.Project.ArtifactCollectionMembership.Artifact, nil
		})
	}
	if err == nil && (v == nil || v.State != gql.ArtifactStateCommitted || v.Id != id) {
		s.listings.forget(name)
		err = fmt.Errorf("%s:%s is gone from W&B at %s: %w", name, manifest.Version(n), s.c, fs.ErrNotExist)
	}
	return v, err
}

// artifact asks for an artifact by its id; nil if there is none.
func (s *Source) artifact(ctx context.Context, id string) (*gql.Version, error) {
	r, err := ask(ctx, func(ctx context.Context) (*gql.ArtifactByIDResponse, error) { return gql.ArtifactByID(ctx, s.c, id) })
	if err != nil {
		return nil, err
	}
	return r.Artifact, nil
}

// metadata reads the metadata that a version has on the server.
func metadata(v *gql.Version) manifest.Object {
	o, _ := manifest.ParseJSON([]byte(v.Metadata))
	m, _ := o.(manifest.Object)
	if m == nil {
		m = manifest.Object{}
	}
	return m
}

// producer returns the id of the run that logged a version, or else the user.
func producer(v *gql.Version) string {
	switch by := v.CreatedBy.(type) {
	case *gql.VersionCreatedByRun:
		return by.Name
	case *gql.VersionCreatedByUser:
		return by.Username
	}
	return ""
}

// used asks for what the run that logged a version used, as references. It is empty
// where the run cannot be seen.
func (s *Source) used(ctx context.Context, v *gql.Version) ([]string, error) {
	list := []string{}
	run, ok := v.CreatedBy.(*gql.VersionCreatedByRun)
	if !ok || run.Project == nil {
		return list, nil
	}
	for after, more := "", true; more; {
		r, err := ask(ctx, func(ctx context.Context) (*gql.RunInputsResponse, error) {
			return gql.RunInputs(ctx, s.c, run.Project.Entity.Name, run.Project.Name, run.Name, after, pageAfter(after))
		})
		switch {
		case whole(err):
			return nil, err
		case err != nil || r.Project == nil || r.Project.Run == nil || r.Project.Run.InputArtifacts == nil:
			return list, nil
		}
		in := r.Project.Run.InputArtifacts
		for _, e := range in.Edges {
			if n := e.Node; n != nil && n.Id != v.Id && n.VersionIndex != nil && n.ArtifactSequence.Project != nil {
				p := n.ArtifactSequence.Project
				list = append(list, s.reference(p.Entity.Name, p.Name, n.ArtifactSequence.Name, *n.VersionIndex))
			}
		}
		after, more = next(in.PageInfo.EndCursor, in.PageInfo.HasNextPage, after)
	}
	return list, nil
}

// reference spells a version, without the project if it is the configured one.
func (s *Source) reference(entity, project, name string, n int) string {
	ref := escape(name) + ":" + manifest.Version(n).String()
	if s.own(collection{entity: entity, project: project}) {
		return ref
	}
	return entity + "/" + project + "/" + ref
}

// webURL is where people look at a version.
func (c *Client) webURL(at collection, typ string, version int) string {
	return AppURL(c.Server()) + "/" + strings.Join([]string{segment(at.entity), segment(at.project), "artifacts", segment(typ), segment(at.name), manifest.Version(version).String()}, "/")
}
