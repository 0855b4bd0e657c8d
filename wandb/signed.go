package wandb

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"time"

	"artifactfs.dev/artifactfs/wandb/internal/gql"
)

// signed is the addresses of the files that W&B stores of a version. They hold for a
// while, and are credentials.
type signed struct {
	f *files

	mu      sync.Mutex // guards what follows
	known   map[string]address
	pending map[string]*asking // by each name that is asked for
	ahead   int                // how many are asked for at once
}

// asking is one request for the addresses of several entries, under way or done.
type asking struct {
	names []string
	done  chan struct{} // closed when found and err are set
	found map[string]string
	err   error
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
	for {
		url, asked := g.look(ctx, e.path, refused)
		if asked == nil {
			return url, nil
		}
		select {
		case <-asked.done:
		case <-ctx.Done():
			return "", g.f.s.health.late(ctx)
		}
		switch url, ok := asked.found[e.path]; {
		case ok:
			return url, nil
		case asked.err == nil:
			return g.api(ctx, e)
		case asked.names[0] == e.path:
			return "", asked.err
		} // else what failed was asked for another entry
	}
}

// look returns an entry's address if it is known, and otherwise the request that
// brings it: the one under way or a new one.
func (g *signed) look(ctx context.Context, path, refused string) (string, *asking) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if a, ok := g.known[path]; ok && a.url != refused && time.Since(a.at) < addressAge {
		return a.url, nil
	}
	if under := g.pending[path]; under != nil {
		return "", under
	}
	asked := &asking{names: g.batch(path), done: make(chan struct{})}
	if g.pending == nil {
		g.pending = make(map[string]*asking)
	}
	for _, name := range asked.names {
		g.pending[name] = asked
	}
	go func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askTime)
		defer cancel()
		asked.found, asked.err = g.ask(ctx, asked.names)
		g.keep(asked)
		close(asked.done)
	}()
	return "", asked
}

// ask asks for the addresses of entries.
func (g *signed) ask(ctx context.Context, names []string) (map[string]string, error) {
	f := g.f
	found := make(map[string]string)
	for after, more := "", true; more; {
		r, err := ask(ctx, func(ctx context.Context) (*gql.FileURLsResponse, error) {
			return gql.FileURLs(ctx, f.s.c, f.at.entity, f.at.project, f.at.name, f.alias, names, after, len(names))
		})
		if err != nil {
			return nil, err
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
	return found, nil
}

// batch returns the name of an entry and of those stored ones that follow it and that
// nobody has asked for: more of them each time, for whoever reads on. g is locked.
func (g *signed) batch(path string) []string {
	n := max(g.ahead, 1)
	g.ahead = min(n*4, manyAddresses)
	names := []string{path}
	x := g.f.index
	first := x.search(path)
	for i := first + 1; i < x.len() && i < first+4*n && len(names) < n; i++ {
		e := x.at(i)
		if a, ok := g.known[e.path]; ok && time.Since(a.at) < addressAge || g.pending[e.path] != nil {
			continue
		}
		if e.ref == "" {
			names = append(names, e.path)
		}
	}
	return names
}

// keep ends a request.
func (g *signed) keep(asked *asking) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.known == nil || len(g.known) > keptAddresses {
		g.known = make(map[string]address)
	}
	now := time.Now()
	for _, name := range asked.names {
		if u, ok := asked.found[name]; ok {
			g.known[name] = address{u, now}
		}
		if g.pending[name] == asked {
			delete(g.pending, name)
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
