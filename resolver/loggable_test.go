package resolver

import (
	"errors"
	"io/fs"
	"pgregory.net/rapid"
	"strings"
	"testing"

	"artifactfs.dev/artifactfs/manifest"
)

// A name that a reference would read as another is not logged.
func TestNamesNoReferenceReachesAreNotLogged(t *testing.T) {
	s := newSite(t, nil)
	s.file("d/x", "1")
	req, err := manifest.NewRequest(s.data + "/d")
	ok(t, err)
	for _, name := range []string{"data:v3", "a:b", "p:1/data", ":x"} {
		_, err := s.Tree.Log(ctx, name, req, LogOptions{})
		if !errors.Is(err, fs.ErrInvalid) || !strings.Contains(err.Error(), name) {
			t.Errorf("log of %q: %v", name, err)
		}
		if _, _, err := s.walk1(".log").Node.(Mutable).Create(ctx, name, false); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("create of %q: %v", name, err)
		}
	}
	for _, name := range []string{"m/v²", "m/v٣"} {
		if _, err := s.Tree.Log(ctx, name, req, LogOptions{}); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("log of %q: %v", name, err)
		}
		if _, err := s.walk1(".manifest").Node.(Mutable).Mkdir(ctx, "m"); err != nil && !errors.Is(err, fs.ErrExist) {
			t.Fatal(err)
		}
		if _, err := s.walk1(".manifest/m").Node.(Mutable).Mkdir(ctx, name[2:]); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("mkdir of %q: %v", name, err)
		}
	}
	s.record("old:v3", 1, manifest.Manifest{Path: s.data + "/d"})
	s.want("one that exists", s.read("old:v3/v1/x"), "1")
}

// Whatever can be logged can be referred to by its name alone.
func TestLoggableNamesAreReferences(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringMatching(`[a-zA-Z0-9:@ v./_%-]{1,12}`).Draw(t, "name")
		if loggable(name) != nil {
			return
		}
		r, err := manifest.ParseRef(name)
		if err != nil || r.Name != name || r.Version != manifest.Latest || r.Sub != "" {
			t.Fatalf("%q can be logged, and as a reference it is %+v, %v", name, r, err)
		}
	})
}
