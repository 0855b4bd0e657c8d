package hfblob

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What the driver wrote is what huggingface_hub downloads; what that has downloaded is
// read from its cache, and is all there is where the Hub may not be asked.
func TestLocalCache(t *testing.T) {
	hub, r := newHub(t, nil)
	home := t.TempDir()
	head, err := r.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	sha, err := r.Commit(t.Context(), head.SHA, "files", []File{Bytes("m/v1/a", []byte("a")), Bytes("m/large", []byte(large)), Bytes("m//b\n", []byte("b"))})
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]string
	if err := json.Unmarshal(hub.Python(t, home, "hf_me", "testdata/snapshot.py", "org/m"), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(hub.Files("models", "org/m", sha), got); diff != "" {
		t.Errorf("huggingface_hub has downloaded (-want +got):\n%s", diff)
	}

	e, err := r.stat(t.Context(), "m/large")
	if err != nil {
		t.Fatal(err)
	}
	near := openRepo(t, hub, Options{CacheDir: filepath.Join(home, "hub")})
	hub.Requests()
	wantRead(t, near, "m/large", 5, 10, e.Tag, "5678901234")
	wantRead(t, near.At(Head{SHA: sha}), "m/v1/a", 0, -1, "", "a")
	if got := list(t, near.At(Head{SHA: sha}), "m/", "/", nil); len(got) != 3 {
		t.Errorf("the list of what is in the cache is %q", got)
	}
	if got := hub.Requests(); len(got) != 0 {
		t.Errorf("reading from the cache asks %q", got)
	}
	wantRead(t, near, "m/large", 0, 1, "", "0")
	if n := count(hub, ""); n != 1 {
		t.Errorf("a read of the latest, which is in the cache, makes %d requests; want 1", n)
	}

	off := openRepo(t, hub, Options{CacheDir: filepath.Join(home, "hub"), Offline: true})
	wantRead(t, off, "m/v1/a", 0, -1, "", "a")
	wantRead(t, off, "m//b\n", 0, -1, "", "b")
	wantRead(t, off, "m/large", 99_990, 20, "", "0123456789")
	if diff := cmp.Diff([]string{".gitattributes", "m/"}, list(t, off, "", "/", nil)); diff != "" {
		t.Errorf("list (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"m//b\n", "m/large", "m/v1/a"}, list(t, off, "m", "", nil)); diff != "" {
		t.Errorf("list (-want +got):\n%s", diff)
	}
	if _, _, err := read(t, off, "m/none", 0, -1, ""); !errors.Is(err, errNotFound) {
		t.Errorf("read of what the tree in the cache does not have: %v", err)
	}
	if err := off.Bucket().WriteAll(t.Context(), "x", nil, nil); !errors.Is(err, ErrReadOnly) {
		t.Errorf("write without a Hub: %v", err)
	}
	for rev, want := range map[string]bool{sha: true, head.SHA: false} { // of a repository's URI that names a commit
		uri := off.URI()
		uri.Rev = rev
		pinned, err := Open(uri, &off.c.o)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := pinned.Head(t.Context()); (err == nil) != want || err != nil && !errors.Is(err, errOffline) {
			t.Errorf("without a Hub, commit %s: %v", rev, err)
		}
	}
	if n := count(hub, ""); n != 0 {
		t.Errorf("without a Hub, it is asked %d times", n)
	}

	// A cache that has only some files says nothing of the others.
	if err := os.RemoveAll(filepath.Join(home, "hub", "models--org--m", "trees")); err != nil {
		t.Fatal(err)
	}
	off = openRepo(t, hub, Options{CacheDir: filepath.Join(home, "hub"), Offline: true})
	wantRead(t, off, "m/v1/a", 0, -1, "", "a")
	if _, _, err := read(t, off, "m/none", 0, -1, ""); !errors.Is(err, errOffline) {
		t.Errorf("read of what is not in the cache: %v", err)
	}
	if _, _, err := off.Bucket().ListPage(t.Context(), []byte("first page"), 10, nil); !errors.Is(err, errOffline) {
		t.Errorf("list of what is not in the cache: %v", err)
	}
}
