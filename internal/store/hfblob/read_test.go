package hfblob

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"artifactfs.dev/artifactfs/internal/store/hfblob/hfhubtest"
)

var large = strings.Repeat("0123456789", 10_000) // in LFS

// The fake refuses credentials on its second host, so that a token that travels there
// fails every read of this test.
func TestRead(t *testing.T) {
	hub, r := newHub(t, nil)
	hub.Commit("models", "org/m", "main", "files", map[string]string{"small #1%.txt": "abcdefghij", "d/large": large, "empty": ""})
	for _, c := range []struct {
		key    string
		off, n int64
		want   string
	}{
		{"small #1%.txt", 0, -1, "abcdefghij"}, {"small #1%.txt", 3, 4, "defg"}, {"small #1%.txt", 8, 10, "ij"}, {"small #1%.txt", 0, 0, ""}, {"small #1%.txt", 10, 5, ""}, {"small #1%.txt", 99, -1, ""},
		{"d/large", 0, -1, large}, {"d/large", 12_345, 10, large[12_345:12_355]}, {"d/large", 99_995, -1, "56789"}, {"d/large", 100_000, 1, ""},
		{"empty", 0, -1, ""}, {"empty", 0, 5, ""},
	} {
		e := wantRead(t, r, c.key, c.off, c.n, "", c.want)
		if full := map[string]int64{"small #1%.txt": 10, "d/large": 100_000, "empty": 0}[c.key]; e.Size != full {
			t.Errorf("%s has %d bytes, want %d", c.key, e.Size, full)
		}
	}
	if _, _, err := read(t, r, "none", 0, -1, ""); !errors.Is(err, errNotFound) {
		t.Errorf("read of nothing: %v", err)
	}
	if _, _, err := read(t, r, "d", 0, -1, ""); !errors.Is(err, errNotFound) {
		t.Errorf("read of a directory: %v", err)
	}
}

// With a tag the place of the content is asked for once, until it is refused there.
func TestReadByTag(t *testing.T) {
	hub, r := newHub(t, nil)
	hub.Commit("models", "org/m", "main", "files", map[string]string{"large": large})
	e, err := r.stat(t.Context(), "large")
	if err != nil || len(e.Tag) != 64 || e.Size != 100_000 || e.Modified.IsZero() {
		t.Fatalf("stat: %+v, %v", e, err)
	}
	hub.Requests()
	for off := int64(0); off < 50; off += 10 {
		wantRead(t, r, "large", off, 10, e.Tag, "0123456789")
	}
	if n := count(hub, "/resolve/"); n != 1 {
		t.Errorf("five reads asked %d times where the content is, want 1", n)
	}
	hub.Expire()
	wantRead(t, r, "large", 7, 3, e.Tag, "789")
	if n := count(hub, "/resolve/"); n != 1 {
		t.Errorf("a read after the URL has expired asked %d times where the content is, want 1", n)
	}
	if _, _, err := read(t, r, "large", 0, 1, strings.Repeat("0", 64)); !errors.Is(err, errCondition) {
		t.Errorf("read of other content: %v", err)
	}
	// A second process knows nothing yet.
	hub.Commit("models", "org/m", "main", "other", map[string]string{"large": large + "x"})
	if _, _, err := read(t, openRepo(t, hub, Options{}), "large", 0, 1, e.Tag); !errors.Is(err, errCondition) {
		t.Errorf("read of what was replaced: %v", err)
	}
}

// A server in trouble is asked again; one that stalls is left.
func TestReadFaults(t *testing.T) {
	hub, _ := newHub(t, nil)
	hub.Commit("models", "org/m", "main", "files", map[string]string{"f": "abc", "large": large})
	r := openRepo(t, hub, Options{Timeout: 300 * time.Millisecond})
	for _, f := range []hfhubtest.Fault{
		{Status: http.StatusServiceUnavailable, Times: 2}, {Reset: true}, {Stall: time.Hour},
		{Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"0"}}},
		{Path: "/resolve-cache/", Status: http.StatusBadGateway}, {Path: "/content/", Stall: time.Hour},
	} {
		hub.Fail(f)
		begun := time.Now()
		wantRead(t, r, "f", 0, -1, "", "abc")
		wantRead(t, r, "large", 0, 10, "", "0123456789")
		if took := time.Since(begun); took > 30*time.Second {
			t.Errorf("%+v: the reads took %v", f, took)
		}
		hub.Mend()
	}
	// One that ends in between is asked for the rest, of the same content.
	for _, f := range []hfhubtest.Fault{{Cut: 1003, Reset: true}, {Cut: 1003}} {
		f.Path = "/content/"
		hub.Fail(f)
		begun := time.Now()
		wantRead(t, r, "large", 10, 50_000, "", large[10:50_010])
		if took := time.Since(begun); took > 30*time.Second {
			t.Errorf("%+v: the read took %v", f, took)
		}
	}
	hub.Fail(hfhubtest.Fault{Status: http.StatusBadGateway, Times: 1000})
	if _, _, err := read(t, r, "f", 0, -1, ""); err == nil || errors.Is(err, errNotFound) || !strings.Contains(err.Error(), "502") {
		t.Errorf("read from a server that fails: %v", err)
	}
}
