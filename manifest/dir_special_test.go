package manifest

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"
)

// A fifo where a directory should be is waited for by nobody.
func TestFifoAsName(t *testing.T) {
	root := t.TempDir()
	lay(t, root, map[string]string{"m/v1/manifest.json": rec})
	if err := syscall.Mkfifo(filepath.Join(root, "fifo"), 0o666); err != nil {
		t.Fatal(err)
	}
	d := openT(t, root)
	ctx, stop := context.WithTimeout(bg, time.Minute)
	defer stop()
	if _, err := d.Versions(ctx, "fifo"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("its versions: %v", err)
	}
	if _, err := d.Names(ctx, "fifo"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the names below: %v", err)
	}
	if _, err := d.Manifest(ctx, "fifo", 1); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("its v1: %v", err)
	}
	if v, err := d.Publish(ctx, "fifo", crashDraft("/d")); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("published v%d, %v", v, err)
	}
}

// A socket answers with what a lost file system says, and the store is not lost.
func TestSocketsAsFiles(t *testing.T) {
	root := t.TempDir()
	lay(t, root, map[string]string{"m/v1/manifest.json": rec, "m/v2": "/"})
	for _, path := range []string{"m/v2/manifest.json", "m/v1/metadata.json", "m/latest", ".art_index.json"} {
		if err := syscall.Mknod(filepath.Join(root, path), syscall.S_IFSOCK|0o666, 0); err != nil {
			t.Skipf("needs sockets in files: %v", err)
		}
	}
	d := openT(t, root)
	if l := list(t, d, "m"); !slices.Equal(l.Versions, []int{1}) || l.Latest != 1 {
		t.Errorf("%+v; want v1", l)
	}
	if _, err := d.Versions(bg, "none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("another name: %v", err)
	}
}

// Links that lead back to where they lie would make a tree without an end.
func TestLinksBackAreNoNames(t *testing.T) {
	root := t.TempDir()
	lay(t, root, map[string]string{
		"m/v1/manifest.json": rec, "other": "-> m", "self": "-> .", "deep/er/up": "-> ../..", "deep/er/here": "-> .", "m/x": "-> v1/..",
		"a/b": "-> ../c", "c/d": "-> ../a", "a/m": "-> ../m",
	})
	d := openT(t, root)
	for prefix, want := range map[string][]string{
		"": {"a", "c", "deep", "m", "other"}, "deep/er": nil, "m": nil, "a": {"b", "m"}, "a/b": nil, "other": nil,
	} {
		got, err := d.Names(bg, prefix)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("below %q: %q, %v; want %q", prefix, got, err, want)
		}
	}
	if r, err := d.Manifest(bg, "other", 1); err != nil || r.Manifest.Path != "/d" {
		t.Errorf("by its other name: %v, %v", r, err)
	}
}

// What was read by its name alone is enough to know the root by.
func TestReplacedRoot(t *testing.T) {
	root := filepath.Join(t.TempDir(), "root")
	lay(t, root, map[string]string{"m/v1/manifest.json": rec, "m/latest": "v1"})
	d, err := OpenDir(root, &DirOptions{TTL: time.Nanosecond})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Manifest(bg, "m", 1); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Rename(root, root+".away"), os.Mkdir(root, 0o755)); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Versions(bg, "never"); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an empty directory took its place: %v", err)
	}
	if v, err := d.Publish(bg, "m", crashDraft("/d")); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("published v%d there, %v", v, err)
	}
}
