package resolver

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"artifactfs.dev/artifactfs/internal/store/cache"
	"artifactfs.dev/artifactfs/manifest"
)

// warmed writes to the control file, and waits until what that began is over.
func warmed(t *testing.T, s *site, text string) (Warmed, error) {
	t.Helper()
	e, err := s.Walk(t.Context(), ".artifactfs/warm")
	if err != nil {
		t.Fatal(err)
	}
	h, err := e.Node.(Control).Open(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	_, failed := h.Write(t.Context(), []byte(text), 0)
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		p := make([]byte, 4096)
		n, err := h.Read(t.Context(), p, 0)
		var w Warmed
		if err == nil {
			err = json.Unmarshal(p[:n], &w)
		}
		if err != nil || time.Now().After(end) {
			t.Fatalf("%q, %v", p[:n], err)
		}
		if !w.Running {
			return w, failed
		}
	}
}

// What a store keeps of a version is fetched into the cache, once, and no more than
// the cache holds.
func TestWarmStored(t *testing.T) {
	c, err := cache.Open(t.TempDir(), &cache.Options{Size: 4 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s, put := newStored(t, &Options{Cache: c})
	s.record("m", 1, manifest.Manifest{Path: "-"})
	s.record("local", 1, manifest.Manifest{Path: s.file("d/x", "local")})
	big := strings.Repeat("0123456789abcdef", 1<<16)
	put("m/v1/a", "one")
	put("m/v1/empty", "")
	put("m/v1/sub/dir/big", big)
	put("m/v1/sub/two", "two")

	for _, x := range []struct {
		text          string
		files         int
		kept, fetched int64
		err           string
	}{
		{"m:v1/a\n", 1, 0, 3, ""},
		{"m:v1\nsub/two\na\n", 2, 3, 3, ""},
		{"m\n", 4, 6, 1 << 20, ""},
		{"m:latest/sub", 2, 1<<20 + 3, 0, ""},
		{"m:v1/none", 0, 0, 0, "m:v1/none: "},
		{"m:v1/a/b", 0, 0, 0, "m:v1/a/b: "},
	} {
		w, err := warmed(t, s, x.text)
		if w.Files != x.files || w.Kept != x.kept || w.Fetched != x.fetched || !strings.HasPrefix(w.Error, x.err) || (w.Error != "") != (x.err != "") || err != nil {
			t.Errorf("%q: %+v, %v; want %+v", x.text, w, err, x)
		}
		if x.err == "" && (w.Done != x.files || w.Lane != "cache" || w.Name != "m" || w.Version != 1) {
			t.Errorf("%q: %+v", x.text, w)
		}
	}
	put("m/v1/more", strings.Repeat("x", 3<<20))
	w, err := warmed(t, s, "m:v1")
	if err != nil || w.Fetched != 0 || w.Done != 0 || !strings.Contains(w.Error, "cache_size") {
		t.Errorf("what does not fit: %+v, %v", w, err)
	}
	for text, want := range map[string]string{"none": "none", "local": "nothing binds here", "local:v1/x": "bound as a whole"} {
		if w, err := warmed(t, s, text); err == nil || !strings.Contains(w.Error, want) {
			t.Errorf("%s: %+v, %v", text, w, err)
		}
	}
	s.opt.Cache = nil
	if w, err := warmed(t, s, "m"); err == nil || !strings.Contains(w.Error, "cache_dir") {
		t.Errorf("without a cache: %+v, %v", w, err)
	}
}
