package bucket

import (
	"errors"
	"io"
	"io/fs"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFiles(t *testing.T) { each(t, testFiles) }

func testFiles(t *testing.T, b *Bucket) {
	ctx := t.Context()
	for key, text := range map[string]string{"d/a b.txt": "aaa", "d/sub/x": "xx", "d/sub/deep/y": "y", "dx": "no"} {
		if err := b.Write(ctx, key, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	f := b.Files("")
	if e, err := b.Files("d/sub/").Stat(ctx, "deep/y"); err != nil || e.Size != 1 {
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
