package bucket

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"artifactfs.dev/artifactfs/internal/store/bucket/buckettest"
)

func TestFiles(t *testing.T) { each(t, testFiles) }

func testFiles(t *testing.T, b *Bucket) {
	ctx := t.Context()
	for key, text := range map[string]string{"d/a b.txt": "aaa", "d/sub/x": "xx", "d/sub/deep/y": "y", "dx": "no"} {
		if err := b.Write(ctx, key, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	f := b.Files("", 0)
	if e, err := b.Files("d/sub/", 0).Stat(ctx, "deep/y"); err != nil || e.Size != 1 {
		t.Errorf("below a base: %+v, %v; want 1 byte", e, err)
	}
	list := func(dir string) (out []string) {
		t.Helper()
		all, err := f.ReadDir(ctx, dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range all {
			if e.Dir {
				e.Name += "/"
			}
			out = append(out, e.Name)
		}
		return out
	}
	for dir, want := range map[string][]string{"": {"d/", "dx"}, "d": {"a b.txt", "sub/"}, "d/sub": {"deep/", "x"}} {
		if diff := cmp.Diff(want, list(dir)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", dir, diff)
		}
	}
	for _, name := range []string{"none", "d/none", "none/x", "d/a b.txt/x"} {
		if e, err := f.Stat(ctx, name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Stat(%s) = %+v, %v; want ErrNotExist", name, e, err)
		}
	}
	if _, err := f.ReadDir(ctx, "none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("ReadDir of nothing: %v, want ErrNotExist", err)
	}
	for _, dir := range []string{"", "d", "d/sub"} {
		if e, err := f.Stat(ctx, dir); err != nil || !e.Dir {
			t.Errorf("Stat(%q) = %+v, %v; want a directory", dir, e, err)
		}
	}
	e, err := f.Stat(ctx, "d/a b.txt")
	if err != nil || e.Size != 3 || e.Object == nil || e.Object.Key() == "" {
		t.Fatalf("Stat = %+v, %v; want 3 bytes and an object with a key", e, err)
	}
	r, err := e.Object.ReadRange(ctx, 1, 10)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(r)
	r.Close()
	if err != nil || string(got) != "aa" {
		t.Errorf("read %q, %v; want aa", got, err)
	}
	if b.rule.read == nil || b.Commits() {
		return // nothing to compare with, or the old content is there as well
	}
	if err := b.Write(ctx, "d/a b.txt", []byte("bbb")); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Object.ReadRange(ctx, 0, 3); !errors.Is(err, syscall.EIO) {
		t.Errorf("read of what was changed since: %v, want EIO", err)
	}
}

// While a store does not answer, what it answered last is what there is, and nothing is
// said of what was not in that; a right that was taken away is gone at once.
func TestFilesWhileAway(t *testing.T) {
	s, proxy := buckettest.S3(t).Through(t)
	u, err := Parse(s.URI)
	if err != nil {
		t.Fatal(err)
	}
	b, err := Open(t.Context(), u)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	for _, key := range []string{"d/a", "g/a"} {
		if err := b.Write(t.Context(), key, []byte("aaa")); err != nil {
			t.Fatal(err)
		}
	}
	f, long := b.Files("", time.Nanosecond), b.Files("", time.Hour)
	was, err := f.Stat(t.Context(), "d/a")
	if err != nil || f.Lasts() != time.Nanosecond {
		t.Fatalf("%v; a listing lasts %v", err, f.Lasts())
	}
	if _, err := long.Stat(t.Context(), "d/a"); err != nil {
		t.Fatal(err)
	}
	_, first, err := long.ReadListing(t.Context(), "d")
	if err != nil || first == 0 || long.Listing("d") != first {
		t.Errorf("a listing is named %d, and then %d; %v", first, long.Listing("d"), err)
	}
	b.SetDeadline(300 * time.Millisecond)
	mend := proxy.Down()
	old, _ := long.dirs.Peek("d")
	old.until = time.Time{}
	for _, name := range []string{"d/b", "g/a"} {
		if _, err := long.Stat(t.Context(), name); err == nil || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s, while the store is away: %v", name, err)
		}
	}
	if name := long.Listing("d"); name != 0 {
		t.Errorf("what stands in for a listing is named %d", name)
	}
	if old, _ = long.dirs.Peek("d"); time.Until(old.until) > askAgain {
		t.Errorf("an old listing is good for %v more", time.Until(old.until))
	}
	if e, err := f.Stat(t.Context(), "d/a"); err != nil || e.Object.Key() != was.Object.Key() {
		t.Errorf("what was known: %+v, %v", e, err)
	}
	if list, err := f.ReadDir(t.Context(), "d"); err != nil || len(list) != 1 || list[0].Object.Key() != was.Object.Key() {
		t.Errorf("a listing that was known: %+v, %v", list, err)
	}
	for _, name := range []string{"d/b", "e", "d/a/x"} {
		if _, err := f.Stat(t.Context(), name); err == nil || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s, of which nothing is known: %v", name, err)
		}
	}
	proxy.Break(func(*http.Request) buckettest.Fault { return buckettest.Fault{Stall: true} })
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if e, err := f.Stat(ctx, "d/a"); err != nil || e.Object.Key() != was.Object.Key() {
		t.Errorf("what was known, to who does not wait: %+v, %v", e, err)
	}
	proxy.Break(func(*http.Request) buckettest.Fault { return buckettest.Fault{Status: http.StatusForbidden} })
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) { // the listing that stalls is waited for
		_, err := f.Stat(t.Context(), "d/a")
		if errors.Is(err, fs.ErrPermission) {
			break
		} else if time.Now().After(end) {
			t.Fatalf("refused by the store: %v, want ErrPermission", err)
		}
	}
	mend()
	b.SetDeadline(0)
	if _, err := long.Stat(t.Context(), "g/a"); err != nil {
		t.Errorf("the store is back, and what it did not answer is remembered: %v", err)
	}
	old, _ = long.dirs.Peek("d")
	old.until = time.Time{}
	if _, name, err := long.ReadListing(t.Context(), "d"); err != nil || name == 0 || name == first {
		t.Errorf("a new listing is named %d, the one before %d; %v", name, first, err)
	}
	if _, name, err := f.ReadListing(t.Context(), "d"); err != nil || name != 0 || f.Listing("d") != 0 || f.Listing("never") != 0 {
		t.Errorf("a listing that is good no longer is named %d; %v", name, err)
	}
	if err := b.Write(t.Context(), "d/a", []byte("bbbb")); err != nil {
		t.Fatal(err)
	}
	if e, err := f.Stat(t.Context(), "d/a"); err != nil || e.Size != 4 || e.Object.Key() == was.Object.Key() {
		t.Errorf("what was replaced: %+v, %v", e, err)
	}
}

// Every range of S3's is asked for only of the content that was looked at, whatever else
// is checked of the answer.
func TestRangesAreConditional(t *testing.T) {
	through, proxy := buckettest.S3(t).Through(t)
	b := open(t, through.URI)
	if err := b.Write(t.Context(), "x", []byte("0123456789")); err != nil {
		t.Fatal(err)
	}
	o, err := b.Stat(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	var asked []string
	proxy.Break(func(r *http.Request) buckettest.Fault {
		asked = append(asked, r.Header.Get("If-Match"))
		return buckettest.Fault{}
	})
	for _, off := range []int64{0, 3, 9} {
		body, err := o.ReadRange(t.Context(), off, 1)
		if err != nil {
			t.Fatal(err)
		}
		body.Close()
	}
	if diff := cmp.Diff([]string{o.Tag(), o.Tag(), o.Tag()}, asked); diff != "" {
		t.Errorf("If-Match (-want +got):\n%s", diff)
	}
}
