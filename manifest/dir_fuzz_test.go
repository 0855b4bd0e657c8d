package manifest

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Whatever latest holds, it names a version of this artifact or nothing.
func FuzzVersionText(f *testing.F) {
	for _, s := range []string{"v2", " v2\n", "./v2/", "v02", "v²", "../m/v1", "/v1", "v1/../v2", "\ufeffv2", "v2\x1c", "v99999999999999999999", "v2\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, ok := versionText(strings.TrimFunc(s, pythonSpace))
		if !ok {
			return
		}
		if n, canonical, _ := number(Version(v).String()); n != v || v < 0 || !canonical || !strings.Contains(s, Version(v).String()) {
			t.Errorf("%q is v%d", s, v)
		}
		if strings.Contains(s, "..") || strings.HasPrefix(strings.TrimFunc(s, pythonSpace), "/") {
			t.Errorf("%q leads elsewhere, and is v%d", s, v)
		}
	})
}

// Whatever an index holds, it names artifacts that can be one's name.
func FuzzIndex(f *testing.F) {
	f.Add(`{"n": {"name": "n", "versions": [{"version": 1, "path": "/a", "metadata": {}}], "aliases": {"latest": 1, "prod": 1}}}`)
	f.Add(`{"../n": {"name": 1, "versions": [{"version": 1e3}]}, "n": {"name": null, "versions": {}}}`)
	f.Add(`[]`)
	f.Fuzz(func(t *testing.T, s string) {
		names, err := parseIndex([]byte(s))
		if err != nil {
			return
		}
		for name, a := range names {
			if err := CheckName(name); err != nil {
				t.Error(err)
			}
			for v, l := range a.versions {
				if v < 0 || l.path == "" {
					t.Errorf("%s has v%d at %q", name, v, l.path)
				}
			}
			for alias := range a.aliases {
				if err := CheckAlias(alias); err != nil {
					t.Error(err)
				}
			}
		}
	})
}

// Where a rename cannot be exclusive (NFS), a link is.
func TestLinkNew(t *testing.T) {
	dir := t.TempDir()
	a, b, final := filepath.Join(dir, "a"), filepath.Join(dir, "b"), filepath.Join(dir, "final")
	lay(t, dir, map[string]string{"a": "first", "b": "second"})
	for _, rename := range []func(string, string) error{linkNew, renameNew} {
		os.Remove(final)
		lay(t, dir, map[string]string{"a": "first", "b": "second"})
		if err := rename(a, final); err != nil {
			t.Fatal(err)
		}
		if err := rename(b, final); !errors.Is(err, fs.ErrExist) {
			t.Errorf("over a file: %v; want fs.ErrExist", err)
		}
		text, _ := os.ReadFile(final)
		if _, err := os.Lstat(a); string(text) != "first" || !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the file holds %q, its old name %v", text, err)
		}
	}
}
