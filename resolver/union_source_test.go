package resolver_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"artifactfs.dev/artifactfs/manifest"
	"artifactfs.dev/artifactfs/resolver"
	"artifactfs.dev/artifactfs/resolver/sourcetest"
	"artifactfs.dev/artifactfs/wandb"
	"artifactfs.dev/artifactfs/wandb/wandbtest"
)

// logging is a Union that logs to its store, as a tree over it does.
type logging struct {
	*resolver.Union
	resolver.Publisher
	resolver.Claimer
	resolver.Indexer
}

// The store is a Source through a Union too, with W&B on or off. While W&B is down it
// cannot be: whether a name is unknown cannot be said then.
func TestUnionSource(t *testing.T) {
	for _, c := range []struct {
		name string
		on   bool
	}{{"without W&B", false}, {"beside W&B", true}} {
		t.Run(c.name, func(t *testing.T) {
			sourcetest.Run(t, func(t *testing.T) *sourcetest.Backend {
				root := filepath.Join(t.TempDir(), "root")
				must(t, os.Mkdir(root, 0o755))
				var srv *wandbtest.Server
				if c.on {
					srv = wandbtest.New(t, nil)
				}
				return &sourcetest.Backend{
					TTL: 50 * time.Millisecond,
					Open: func(t testing.TB) resolver.Source {
						return openUnion(t, root, srv)
					},
					Write: func(t testing.TB, path, content string) {
						path = filepath.Join(root, path)
						must(t, os.MkdirAll(filepath.Dir(path), 0o755))
						must(t, os.WriteFile(path, []byte(content), 0o644))
					},
					Link: func(t testing.TB, path, target string) { must(t, os.Symlink(target, filepath.Join(root, path))) },
					Break: func(t testing.TB) func() {
						must(t, os.Rename(root, root+".gone"))
						return func() { must(t, os.Rename(root+".gone", root)) }
					},
				}
			})
		})
	}
}

func openUnion(t testing.TB, root string, srv *wandbtest.Server) resolver.Source {
	t.Helper()
	d, err := manifest.OpenDir(root, &manifest.DirOptions{TTL: 50 * time.Millisecond, Log: slog.New(slog.DiscardHandler)})
	must(t, err)
	var w resolver.Source
	if srv != nil {
		c, err := wandb.NewClient(wandb.Config{BaseURL: srv.URL, Key: wandb.Key(srv.Key), Entity: "team"})
		must(t, err)
		w = wandb.NewSource(c, &wandb.SourceOptions{TTL: 50 * time.Millisecond, Dir: t.TempDir()})
	}
	u, err := resolver.NewUnion(d, w, manifest.ByManifest)
	must(t, err)
	must(t, u.Settle(context.Background(), false))
	return logging{u, d, d, d}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
