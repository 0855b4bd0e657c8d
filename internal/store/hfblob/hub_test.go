package hfblob

import (
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"gocloud.dev/blob/driver"

	"artifactfs.dev/artifactfs/internal/store/hfblob/hfhubtest"
)

// newHub is a Hub with one empty repository, and that.
func newHub(t *testing.T, o *hfhubtest.Options) (*hfhubtest.Server, *Repo) {
	t.Helper()
	hub := hfhubtest.New(o)
	t.Cleanup(hub.Close)
	hub.AddUser("me", "hf_me", "org")
	hub.CreateRepo("models", "org/m", &hfhubtest.RepoOptions{Private: true})
	return hub, openRepo(t, hub, Options{})
}

// openRepo opens it as a process of its own does.
func openRepo(t *testing.T, hub *hfhubtest.Server, o Options) *Repo {
	t.Helper()
	o.Endpoint, o.Token = hub.URL, "hf_me"
	if o.Timeout == 0 {
		o.Timeout = 5 * time.Second
	}
	r, err := Open(URI{Kind: "models", ID: "org/m"}, &o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// read reads n bytes at off of an object, or says why not.
func read(t *testing.T, r *Repo, key string, off, n int64, tag string) (string, Entry, error) {
	t.Helper()
	c, err := (&bucket{r}).NewRangeReader(t.Context(), key, off, n, &driver.ReaderOptions{BeforeRead: func(as func(any) bool) error {
		var o *ReadOptions
		as(&o)
		o.Tag = tag
		return nil
	}})
	if err != nil {
		return "", Entry{}, err
	}
	defer c.Close()
	var e Entry
	c.As(&e)
	b, err := io.ReadAll(c)
	return string(b), e, err
}

func wantRead(t *testing.T, r *Repo, key string, off, n int64, tag, want string) Entry {
	t.Helper()
	got, e, err := read(t, r, key, off, n, tag)
	if err != nil || got != want {
		t.Errorf("%d bytes at %d of %s are %.40q, %v; want %.40q", n, off, key, got, err, want)
	}
	return e
}

// count returns how many requests a part of a path was in, since the last count.
func count(hub *hfhubtest.Server, part string) (n int) {
	for _, r := range hub.Requests() {
		if strings.Contains(r, part) {
			n++
		}
	}
	return n
}

// list lists a prefix through gocloud's type, in pages of two.
func list(t *testing.T, r *Repo, prefix, delimiter string, between func()) (keys []string) {
	t.Helper()
	b := r.Bucket()
	defer b.Close()
	for token := []byte("first page"); len(token) > 0; {
		page, next, err := b.ListPage(t.Context(), token, 2, listOptions(prefix, delimiter))
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page {
			keys = append(keys, o.Key)
		}
		if between != nil {
			between()
		}
		token = next
	}
	if !slices.IsSorted(keys) {
		t.Errorf("the list of %s is not sorted: %q", prefix, keys)
	}
	return keys
}
