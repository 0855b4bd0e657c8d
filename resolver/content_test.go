package resolver

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"artifactfs.dev/artifactfs/manifest"
)

func TestContentRoundTrip(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a"), []byte("abc"), 0o644); err != nil {
		t.Fatal(err)
	}
	c, err := look(dir, 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	text := manifest.AppendJSON(nil, manifest.Object{{Key: "data", Value: c.object()}}, 2)
	v, err := manifest.ParseJSON(text)
	if err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	got := contentOf(v.(manifest.Object))
	if got == nil || got.files != 1 || got.bytes != 3 {
		t.Fatalf("%s is read as %+v", text, got)
	}
	if what := got.changedTo(c); what != nil {
		t.Errorf("changed at once: %q", what)
	}
	for _, hostile := range []manifest.Object{nil, {{Key: "data", Value: 1}}, {{Key: "data", Value: manifest.Object{{Key: "path", Value: "/x"}}}}} {
		if c := contentOf(hostile); c != nil {
			t.Errorf("%v is read as %+v", hostile, c)
		}
	}
}

// What a log looks at is bounded: then it keeps the directory's identity alone.
func TestContentIsBounded(t *testing.T) {
	dir := t.TempDir()
	for i := range 20 {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		budget time.Duration
		limit  int
	}{{0, 10}, {1, 100}} {
		got, err := look(dir, c.budget, c.limit)
		if err != nil || !got.partial {
			t.Fatalf("%+v: %+v, %v; want a part", c, got, err)
		}
		side := manifest.Object{{Key: "data", Value: got.object()}}
		v, err := manifest.ParseJSON(manifest.AppendJSON(nil, side, 0))
		if err != nil {
			t.Fatal(err)
		}
		back := contentOf(v.(manifest.Object))
		if back == nil || !back.partial || back.ino != got.ino || back.changedTo(got) != nil {
			t.Fatalf("read back as %+v", back)
		}
		if err := os.Chtimes(dir, time.Time{}, time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		later, err := look(dir, 0, 1)
		if err != nil || len(back.changedTo(later)) != 1 {
			t.Errorf("a name was added: %v, %v", back.changedTo(later), err)
		}
	}
}

func TestPairs(t *testing.T) {
	for text, want := range map[string][]string{
		`{"train": [["0.7", "/d/cc"], ["0.3", "/d/code"]], "valid": [["1.0", "rel"]]}`: {"/d/cc", "/d/code"},
		`[["1.0", "part"]]`:       nil,
		`[["1.0", "/x"], [], 17]`: {"/x"},
		`null`:                    nil,
	} {
		v, err := manifest.ParseJSON([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, pairs(v)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
}

// FuzzContentOf: a sidecar may have been written by anybody. What is read of it is
// what would be written.
func FuzzContentOf(f *testing.F) {
	f.Add(`{"data": {"path": "/d", "ino": 7, "mtime": "2026-08-21T12:00:00Z", "files": 1, "bytes": 3, "newest": "", "digest": "00"}}`)
	f.Add(`{"data": {"path": "/d", "ino": 18446744073709551615, "partial": true}}`)
	f.Add(`{"data": {"path": "/d", "ino": -1, "files": 1e9, "bytes": NaN, "digest": []}}`)
	f.Add(`{"data": null}`)
	f.Fuzz(func(t *testing.T, text string) {
		v, err := manifest.ParseJSON([]byte(text))
		side, ok := v.(manifest.Object)
		if err != nil || !ok {
			return
		}
		c := contentOf(side)
		if c == nil {
			return
		}
		again := contentOf(manifest.Object{{Key: "data", Value: c.object()}})
		if again == nil || again.changedTo(c) != nil || c.changedTo(again) != nil {
			t.Errorf("%s: read as %+v, and that as %+v", text, c, again)
		}
	})
}
