//go:build linux

package store

import (
	"context"
	"encoding/binary"
	"os"
	"slices"
	"testing"
	"time"
)

func TestSearchable(t *testing.T) {
	needRoot(t)
	dir := openDir(t)
	for name, mode := range map[string]os.FileMode{"all": 0o755, "x": 0o711, "o": 0o754, "g": 0o705, "u": 0o655, "acl": 0o755, "mask": 0o755, "default": 0o755} {
		mkfile(t, dir+"/"+name+"/sub/f", 0o600)
		must(t, os.Chmod(dir+"/"+name, mode))
	}
	run(t, "setfacl", "-m", "u:1234:-", dir+"/acl")
	run(t, "setfacl", "-d", "-m", "u:1234:-", dir+"/default")
	must(t, os.Symlink("all", dir+"/link"))
	l := NewLocal(&Options{AsCaller: true, Roots: []string{dir}})
	for p, want := range map[string]bool{
		"": true, "/all": true, "/all/sub": true, "/all/sub/f": true, "/x/sub/f": true, "/default/sub": true, "/link": true,
		"/o": false, "/o/sub/f": false, "/g/sub": false, "/u/sub": false, "/acl": false, "/acl/sub/f": false,
		"/all/none": false, "/none/x": false, "/link/sub": false, "/all/../all": false, "/../x": false,
	} {
		for range 2 { // looked at, and remembered
			if got := l.Searchable(ctxOf(nobody, 0), dir+p); got != want {
				t.Errorf("%s: %v, want %v", p, got, want)
			}
		}
	}
	if l.Searchable(context.Background(), "/etc") {
		t.Error("/etc, outside the roots, is called searchable")
	}
}

// TestSearchableForgets: a right taken away is noticed when what was seen of
// that directory is old, however young the answers made from it are.
func TestSearchableForgets(t *testing.T) {
	dir := openDir(t)
	mkfile(t, dir+"/d/f", 0o644)
	l := NewLocal(nil)
	l.search.keep = 200 * time.Millisecond
	if !l.Searchable(context.Background(), dir+"/d") {
		t.Fatal("not searchable")
	}
	must(t, os.Chmod(dir+"/d", 0o700))
	end := time.Now().Add(l.search.keep)
	for asked := time.Now(); l.Searchable(context.Background(), dir+"/d/f"); asked = time.Now() {
		if asked.After(end) {
			t.Fatal("still searchable after its time")
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func TestPrefixes(t *testing.T) {
	for path, want := range map[string][]string{"/": {"/"}, "/a": {"/", "/a"}, "/a/bc/d": {"/", "/a", "/a/bc", "/a/bc/d"}} {
		if got := slices.Collect(prefixes(path)); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}

func TestTrivialNFS4(t *testing.T) {
	acl := func(who ...string) []byte {
		b := binary.BigEndian.AppendUint32(nil, uint32(len(who)))
		for _, w := range who {
			b = append(b, make([]byte, 12)...)
			b = binary.BigEndian.AppendUint32(b, uint32(len(w)))
			b = append(b, w...)
			b = append(b, make([]byte, (4-len(w)%4)%4)...)
		}
		return b
	}
	for _, c := range []struct {
		b    []byte
		want bool
	}{
		{acl("OWNER@", "GROUP@", "EVERYONE@"), true}, {acl(), true},
		{acl("OWNER@", "alice@example.org", "EVERYONE@"), false}, {acl("EVERYONE"), false},
		{nil, false}, {acl("OWNER@")[:18], false}, {[]byte{0xff, 0xff, 0xff, 0xff}, false}, {append(make([]byte, 15), 0xff, 0xff, 0xff, 0xff, 0xff), true},
	} {
		if got := trivialNFS4(c.b); got != c.want {
			t.Errorf("%x: %v, want %v", c.b, got, c.want)
		}
	}
}
