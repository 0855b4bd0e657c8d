package wandb

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/singleflight"

	"artifactfs.dev/artifactfs/wandb/internal/gql"
)

// signed is the addresses of the files that W&B stores of a version. They hold for a
// while, and are credentials.
type signed struct {
	f       *files
	flights singleflight.Group

	mu    sync.Mutex // guards what follows
	known map[string]address
	ahead int // how many are asked for at once
}

type address struct {
	url string
	at  time.Time
}

const (
	// addressAge is how long an address is tried. The server does not say how long
	// it holds; the SDK takes it for an hour.
	addressAge = 30 * time.Minute
	// manyAddresses bounds how many are asked for at once: a version's files are
	// often read one after the other.
	manyAddresses = 256
	// keptAddresses bounds how many are kept.
	keptAddresses = 4096
)

// get returns the address of an entry. One that was refused is not given again.
func (g *signed) get(ctx context.Context, e *entry, refused string) (string, error) {
	g.mu.Lock()
	a, ok := g.known[e.path]
	g.mu.Unlock()
	if ok && a.url != refused && time.Since(a.at) < addressAge {
		return a.url, nil
	}
	flight := g.flights.DoChan(e.path, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askTime)
		defer cancel()
		return g.ask(ctx, e)
	})
	select {
	case got := <-flight:
		u, _ := got.Val.(string)
		return u, got.Err
	case <-ctx.Done():
		return "", g.f.s.health.late(ctx)
	}
}

// ask asks for the address of an entry, and of some that come after it.
func (g *signed) ask(ctx context.Context, e *entry) (string, error) {
	names := g.batch(e.path)
	f := g.f
	found := make(map[string]string)
	for after, more := "", true; more; {
		r, err := ask(ctx, func(ctx context.Context) (*gql.FileURLsResponse, error) {
			return gql.FileURLs(ctx, f.s.c, f.at.entity, f.at.project, f.at.name, f.alias, names, after, len(names))
		})
		if err != nil {
			return "", err
		}
		if r.Project == nil || r.Project.ArtifactCollection == nil || r.Project.ArtifactCollection.ArtifactMembership == nil ||
			r.Project.ArtifactCollection.ArtifactMembership.Files == nil {
			break
		}
		list := r.Project.ArtifactCollection.ArtifactMembership.Files
		for _, edge := range list.Edges {
			if n := edge.Node; n != nil && n.DirectUrl != "" {
				found[n.Name] = n.DirectUrl
				if n.DisplayName != "" {
					found[n.DisplayName] = found[n.Name]
				}
			}
		}
		after, more = next(list.PageInfo.EndCursor, list.PageInfo.HasNextPage, after)
	}
	g.keep(names, found)
	if u, ok := found[e.path]; ok {
		return u, nil
	}
	return g.api(ctx, e)
}

// batch returns the name of an entry and of those stored ones that follow it: more
// of them each time, for whoever reads on.
func (g *signed) batch(path string) []string {
	g.mu.Lock()
	n := max(g.ahead, 1)
	g.ahead = min(n*4, manyAddresses)
	g.mu.Unlock()
	names := []string{path}
	x := g.f.index
	for i := x.search(path) + 1; i < x.len() && i < x.search(path)+4*n && len(names) < n; i++ {
		if e := x.at(i); e.ref == "" {
			names = append(names, e.path)
		}
	}
	return names
}

func (g *signed) keep(names []string, found map[string]string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.known == nil || len(g.known) > keptAddresses {
		g.known = make(map[string]address)
	}
	now := time.Now()
	for _, name := range names {
		if u, ok := found[name]; ok {
			g.known[name] = address{u, now}
		}
	}
}

// byIDs is the feature of servers whose addresses of files name the artifact.
const byIDs = "ARTIFACT_V2_DOWNLOAD_HANDLER_SUPPORTS_ARTIFACT_ID"

// api returns the address at which the server itself gives a file to whoever has the
// key: the last resort, as the SDK's.
func (g *signed) api(ctx context.Context, e *entry) (string, error) {
	f := g.f
	digest, ok := e.hexDigest()
	if !ok {
		return "", fmt.Errorf("W&B at %s gives no address of it: %w", f.s.c.Server(), syscall.EIO)
	}
	if f.index.layout == "V1" {
		return "/artifacts/" + segment(f.at.entity) + "/" + digest, nil
	}
	named, err := f.s.c.Has(ctx, byIDs)
	if err != nil {
		return "", err
	}
	region, birth := f.index.region, e.birth
	if region == "" {
		region = "default"
	}
	if birth == "" {
		birth = f.id
	}
	parts := []string{region, f.at.entity, f.at.project, f.at.name, f.id, birth, digest, e.path[strings.LastIndexByte(e.path, '/')+1:]}
	if !named {
		parts = append(parts[:4], parts[5:]...)
	}
	for i := range parts {
		parts[i] = segment(parts[i])
	}
	return "/artifactsV2/" + strings.Join(parts, "/"), nil
}
