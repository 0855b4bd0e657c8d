package manifest_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"artifactfs.dev/artifactfs/manifest"
	"artifactfs.dev/artifactfs/resolver"
	"artifactfs.dev/artifactfs/resolver/sourcetest"
)

// A directory passes what every backend must.
func TestDirSource(t *testing.T) {
	sourcetest.Run(t, func(t *testing.T) *sourcetest.Backend {
		root := filepath.Join(t.TempDir(), "root")
		ok(t, os.Mkdir(root, 0o755))
		return &sourcetest.Backend{
			TTL: 50 * time.Millisecond,
			Open: func(t testing.TB) resolver.Source {
				return open(t, root, &manifest.DirOptions{TTL: 50 * time.Millisecond})
			},
			Write: func(t testing.TB, path, content string) {
				path = filepath.Join(root, path)
				ok(t, os.MkdirAll(filepath.Dir(path), 0o755))
				ok(t, os.WriteFile(path, []byte(content), 0o644))
			},
			Link: func(t testing.TB, path, target string) { ok(t, os.Symlink(target, filepath.Join(root, path))) },
			Break: func(t testing.TB) func() {
				ok(t, os.Rename(root, root+".gone"))
				return func() { ok(t, os.Rename(root+".gone", root)) }
			},
		}
	})
}

func open(t testing.TB, root string, o *manifest.DirOptions) *manifest.Dir {
	t.Helper()
	d, err := manifest.OpenDir(root, o)
	ok(t, err)
	return d
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
