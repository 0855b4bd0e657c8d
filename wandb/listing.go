package wandb

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"artifactfs.dev/artifactfs/manifest"
	"artifactfs.dev/artifactfs/wandb/internal/gql"
)

// A first page answers most questions; what is longer is asked for in fewer parts.
const (
	pageSize  = 100
	largePage = 1000
)

func pageAfter(cursor string) int {
	if cursor == "" {
		return pageSize
	}
	return largePage
}

// listing is a collection as the server lists it.
type listing struct {
	manifest.Listing
	at  collection
	ids map[int]string // of the artifacts, by version
}

// listVersions asks for the versions of an artifact and their aliases.
func (s *Source) listVersions(ctx context.Context, name string) (*listing, error) {
	entity, err := s.entity(ctx)
	if err != nil {
		return nil, err
	}
	at, err := s.parse(name, entity)
	if err != nil {
		return nil, err
	}
	l := &listing{at: at, ids: make(map[int]string), Listing: manifest.Listing{Latest: manifest.NoVersion, Aliases: make(map[string]int)}}
	for after, more := "", true; more; {
		r, err := ask(ctx, func(ctx context.Context) (*gql.ListVersionsResponse, error) {
			return gql.ListVersions(ctx, s.c, at.entity, at.project, at.name, after, pageAfter(after))
		})
		if err == nil && r.Project == nil {
			err = s.noProject(ctx, at)
		}
		if IsKind(err, NotFound) && s.own(at) && s.notIn(ctx, at) {
			return nil, s.absent(name)
		}
		if err != nil {
			return nil, s.elsewhere(at, err)
		}
		s.made(at)
		c := r.Project.ArtifactCollection
		// The server finds names in any case; the tree has one spelling of each.
		if c == nil || c.Name != at.name || c.State == gql.ArtifactCollectionStateDeleted {
			return nil, s.absent(name)
		}
		for _, e := range c.Artifacts.Edges {
			l.add(c.Id, e)
		}
		after, more = next(c.Artifacts.PageInfo.EndCursor, c.Artifacts.PageInfo.HasNextPage, after)
	}
	slices.Sort(l.Versions)
	l.Versions = slices.Compact(l.Versions)
	l.Claimed = l.Versions
	return l, nil
}

type versionEdge = gql.ListVersionsProjectArtifactCollectionArtifactsVersionedArtifactConnectionEdgesVersionedArtifactEdge

// add takes a version of the collection with that id. The same artifact may be in
// other collections, under other numbers and with other aliases.
func (l *listing) add(id string, e versionEdge) {
	v, ok := manifest.ParseVersion(e.Version)
	if !ok || v.String() != e.Version || e.Node.State != gql.ArtifactStateCommitted {
		return
	}
	n := int(v)
	l.Versions = append(l.Versions, n)
	l.ids[n] = e.Node.Id
	if t, err := time.Parse(time.RFC3339, e.Node.CreatedAt); err == nil && t.After(l.ModTime) {
		l.ModTime = t
	}
	for _, a := range e.Node.Aliases {
		if a.ArtifactCollection == nil || a.ArtifactCollection.Id != id {
			continue
		}
		if _, number := manifest.ParseVersion(a.Alias); number && strings.HasPrefix(a.Alias, "v") {
			continue // old servers list the version itself
		}
		if a.Alias == manifest.Latest {
			l.Latest = n
		} else if alias := escapeAlias(a.Alias); manifest.CheckAlias(alias) == nil {
			l.Aliases[alias] = n
		}
	}
}

// listCollections asks for the names in a project, as paths spell them.
func (s *Source) listCollections(ctx context.Context, key string) ([]string, error) {
	entity, project, _ := strings.Cut(key, "/")
	at := collection{entity: entity, project: project}
	var names []string
	for after, more := "", true; more; {
		r, err := ask(ctx, func(ctx context.Context) (*gql.ListCollectionsResponse, error) {
			return gql.ListCollections(ctx, s.c, entity, project, after, pageAfter(after))
		})
		if err == nil && r.Project == nil {
			if err = s.noProject(ctx, at); isNotExist(err) && s.own(at) {
				return nil, nil
			}
		}
		if err != nil {
			return nil, s.elsewhere(at, err)
		}
		s.made(at)
		c := r.Project.ArtifactCollections
		for _, e := range c.Edges {
			if n := e.Node; n != nil && n.State != gql.ArtifactCollectionStateDeleted && !reserved(n.Type.Name) && usable(n.Name) {
				names = append(names, escape(n.Name))
			}
		}
		after, more = next(c.PageInfo.EndCursor, c.PageInfo.HasNextPage, after)
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// notIn reports whether a project that can be listed has no such collection: a server
// that answers 404 does not say which of the two it does not find.
func (s *Source) notIn(ctx context.Context, at collection) bool {
	names, err := s.collections.get(ctx, at.entity+"/"+at.project)
	return err == nil && !slices.Contains(names, escape(at.name))
}

// reserved reports whether a type is W&B's own bookkeeping, of which every run makes
// some. Such artifacts can be named, but are not listed.
func reserved(typ string) bool { return typ == "job" || strings.HasPrefix(typ, "wandb-") }

// listProjects asks for the projects of an entity.
func (s *Source) listProjects(ctx context.Context, entity string) ([]string, error) {
	var names []string
	for after, more := "", true; more; {
		r, err := ask(ctx, func(ctx context.Context) (*gql.ListProjectsResponse, error) {
			return gql.ListProjects(ctx, s.c, entity, after, pageAfter(after))
		})
		if err == nil && r.Models == nil {
			err = s.absent(entity)
		}
		if err != nil {
			return nil, s.elsewhere(collection{entity: entity}, err)
		}
		for _, e := range r.Models.Edges {
			if e.Node != nil && manifest.CheckName(e.Node.Name) == nil && badProject(e.Node.Name) == "" {
				names = append(names, e.Node.Name)
			}
		}
		after, more = next(r.Models.PageInfo.EndCursor, r.Models.PageInfo.HasNextPage, after)
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// next returns where a listing goes on. A server that stands still is left.
func next(cursor string, more bool, after string) (string, bool) {
	return cursor, more && cursor != "" && cursor != after
}

// own reports whether something is in the configured project.
func (s *Source) own(at collection) bool {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	return at.entity == s.c.entity && at.project == s.c.config.Project
}

// elsewhere makes of what the key may not see an absence, where it is not in the
// configured project: any name of three components is asked for.
func (s *Source) elsewhere(at collection, err error) error {
	if (IsKind(err, Forbidden) || IsKind(err, NotFound)) && !s.own(at) {
		return fmt.Errorf("%v: %w", err, fs.ErrNotExist)
	}
	var e *Error
	if errors.As(err, &e) && e.Kind == NotFound {
		// Of the configured project, that is no answer to whether a name is there.
		other := *e
		other.Kind = Forbidden
		return &other
	}
	return err
}

// askOne bounds one question, so that a fallback has time left.
const askOne = 10 * time.Second

func ask[T any](ctx context.Context, question func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, askOne)
	defer cancel()
	return question(ctx)
}
