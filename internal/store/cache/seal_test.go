package cache

import (
	"context"
	"errors"
	"os"
	"testing"

	"artifactfs.dev/artifactfs/internal/store"
)

// What was found right is passed through at the first open after a restart, and what has
// changed since is not.
func TestSeal(t *testing.T) {
	if bootID() == "" {
		t.Skip("this system does not say when it was started")
	}
	for _, size := range []int{100, 3 << 20} {
		dir := t.TempDir()
		src := newSource("a", size)
		c := openCache(t, dir, 64<<20)
		f := c.Object(src, int64(size))
		readAt(t, f, src.body, 0, size)
		settled(c)
		f.Close()
		kill(c)

		c = openCache(t, dir, 64<<20)
		f = c.Object(src, int64(size))
		whole, err := f.Ready()
		if err != nil {
			t.Fatalf("%d bytes: after a restart: %v", size, err)
		}
		whole.Close()
		f.Close()
		c.Close()

		file, err := os.OpenFile(files(t, c)[0], os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := file.WriteAt([]byte{src.body[7] + 1}, 7); err != nil {
			t.Fatal(err)
		}
		file.Close()
		c = openCache(t, dir, 64<<20)
		f = c.Object(src, int64(size))
		if _, err := f.Ready(); !errors.Is(err, ErrIncomplete) {
			t.Errorf("%d bytes: after a change: %v", size, err)
		}
		readAt(t, f, src.body, 0, size)
		f.Close()
		c.Close()
	}
}

// Soon brings a file before it is opened.
func TestSoon(t *testing.T) {
	c := openCache(t, t.TempDir(), 64<<20)
	src := newSource("a", 3<<20)
	if !c.Soon(func(context.Context) (store.Object, int64, error) { return src, int64(len(src.body)), nil }) {
		t.Fatal("refused")
	}
	settled(c)
	before := src.requests.Load()
	f := c.Object(src, int64(len(src.body)))
	defer f.Close()
	readAt(t, f, src.body, 0, len(src.body))
	if src.requests.Load() != before || before == 0 {
		t.Errorf("%d requests, then %d", before, src.requests.Load())
	}
	c.Close()
	if c.Soon(nil) {
		t.Error("a closed cache fetches")
	}
}

func TestPlaceOf(t *testing.T) {
	for key, want := range map[string]string{"s3://bench/data/x#tag": "s3://bench", "https://host/a": "https://host", "wandb:md5:00:1": "wandb", "": ""} {
		if got := placeOf(key); got != want {
			t.Errorf("placeOf(%q) = %q, want %q", key, got, want)
		}
	}
}

// Of a store that is far away more is fetched at once, and in shorter requests.
func TestFar(t *testing.T) {
	a, b := &ahead{}, &ahead{}
	_, near := a.next(0, 128<<10, 1<<30, false)
	_, away := b.next(0, 128<<10, 1<<30, true)
	if near != 0 || away < 1<<20 {
		t.Errorf("after 128 KiB of a file up to %d and %d are fetched", near, away)
	}
	if n := requestLength(128<<20, true); n != longestFar {
		t.Errorf("requests of %d", n)
	}
	if n := requestLength(128<<20, false); n != longest {
		t.Errorf("requests of %d", n)
	}
}
