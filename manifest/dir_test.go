package manifest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// lay makes files below root: path → text, or "-> target" for a link, or "/".
func lay(t testing.TB, root string, files map[string]string) {
	t.Helper()
	for path, text := range files {
		path = filepath.Join(root, path)
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		if target, ok := strings.CutPrefix(text, "-> "); ok {
			err = errors.Join(err, os.Symlink(target, path))
		} else if text == "/" {
			err = errors.Join(err, os.MkdirAll(path, 0o755))
		} else {
			err = errors.Join(err, os.WriteFile(path, []byte(text), 0o644))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

const rec = `{"path": "/d"}`

func list(t *testing.T, d *Dir, name string) *Listing {
	t.Helper()
	l, err := d.Versions(bg, name)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// A number that was removed and is used again is another version: ext4 gives its
// directory the same inode.
func TestVersionMadeAnew(t *testing.T) {
	root := t.TempDir()
	d, err := OpenDir(root, &DirOptions{TTL: time.Nanosecond})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		lay(t, root, map[string]string{"m/v1/manifest.json": fmt.Sprintf(`{"path": "/%d"}`, i)})
		list(t, d, "m")
		r, err := d.Manifest(bg, "m", 1)
		if want := fmt.Sprintf("/%d", i); err != nil || r.Manifest.Path != want {
			t.Errorf("v1 is %v, %v; want %s", r, err, want)
		}
		os.RemoveAll(root + "/m/v1")
		lay(t, root, map[string]string{"m/v1": "/"})
		if l := list(t, d, "m"); len(l.Versions) > 0 {
			t.Errorf("%+v; want none: v1 is claimed only", l)
		}
		os.RemoveAll(root + "/m/v1")
	}
	os.RemoveAll(root + "/m")
	if _, err := d.Versions(bg, "m"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a removed artifact: %v", err)
	}
}

// Fifos, sockets, devices and directories where files should be neither hang nor
// count.
func TestSpecialFiles(t *testing.T) {
	root := t.TempDir()
	lay(t, root, map[string]string{
		"m/v1/manifest.json": rec, "m/v2": "/", "m/v3/manifest.json": "/", "m/v4/manifest.json": rec, "m/v4/metadata.json": "/",
		"m/v5/manifest.json": "-> ../v1/manifest.json", "m/v6/manifest.json": "-> /dev/zero", "m/v7/manifest.json": "-> /proc/self/environ",
		"n/v1/manifest.json": rec,
	})
	for _, path := range []string{"m/v2/manifest.json", "m/latest", "m/v8", "m/alias", "n/latest", ".art_index.json"} {
		if err := syscall.Mkfifo(filepath.Join(root, path), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	d := openT(t, root)
	l := list(t, d, "m")
	if !slices.Equal(l.Versions, []int{1, 4}) || l.Latest != 4 || len(l.Claimed) != 8 || len(l.Aliases) > 0 {
		t.Errorf("%+v; want v1 and v4", l)
	}
	for v := range 9 {
		r, err := d.Manifest(bg, "m", v)
		if want := v == 1 || v == 4; (err == nil) != want {
			t.Errorf("v%d: %v, %v", v, r, err)
		}
	}
	if v, err := d.Publish(bg, "m", crashDraft("/d")); v != 9 || err != nil {
		t.Errorf("Publish = v%d, %v", v, err)
	}
	if text, _ := os.ReadFile(root + "/m/latest"); string(text) != "v9" {
		t.Errorf("latest holds %q", text)
	}
}

// An empty directory where the store's file system was is not an empty store.
func TestUnmounted(t *testing.T) {
	root := filepath.Join(t.TempDir(), "root")
	lay(t, root, map[string]string{"m/v1/manifest.json": rec})
	d, err := OpenDir(root, &DirOptions{TTL: time.Nanosecond})
	if err != nil {
		t.Fatal(err)
	}
	list(t, d, "m")
	if _, err := d.Names(bg, ""); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Rename(root, root+".mounted"), os.Mkdir(root, 0o755)); err != nil {
		t.Fatal(err)
	}
	if l, err := d.Versions(bg, "m"); err != nil || l.Latest != 1 || !strings.Contains(l.Warning, "mounted") {
		t.Errorf("%+v, %v; want the last answer, and why", l, err)
	}
	if names, err := d.Names(bg, ""); err != nil || !slices.Equal(names, []string{"m"}) {
		t.Errorf("Names = %q, %v; want the last answer", names, err)
	}
	if _, err := d.Versions(bg, "none"); !errors.Is(err, syscall.EIO) {
		t.Errorf("an unknown name: %v; want EIO", err)
	}
	if v, err := d.Publish(bg, "n", crashDraft("/d")); err == nil {
		t.Errorf("logged as v%d below the mount point", v)
	}
	if err := errors.Join(os.RemoveAll(root), os.Rename(root+".mounted", root)); err != nil {
		t.Fatal(err)
	}
	if l := list(t, d, "m"); l.Warning != "" {
		t.Errorf("mounted again: %+v", l)
	}
}

// A root may be reached through links, and its links may spell it either way.
func TestLinkedRoot(t *testing.T) {
	base := t.TempDir()
	root := base + "/real/store"
	lay(t, base, map[string]string{
		"real/store/m/v1/manifest.json": rec, "link": "-> real", "real/store/n": "-> " + root + "/m",
		"real/store/o": "-> " + base + "/link/store/m", "real/store-2/x/v1/manifest.json": rec, "real/store/p": "-> " + base + "/real/store-2/x",
	})
	d := openT(t, base+"/link/store")
	for _, name := range []string{"m", "n", "o"} {
		if l, err := d.Versions(bg, name); err != nil || l.Latest != 1 {
			t.Errorf("%s: %+v, %v", name, l, err)
		}
	}
	if l, err := d.Versions(bg, "p"); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("a link to the store's neighbour: %+v, %v; want a refusal", l, err)
	}
}

// Hostile records cost a bounded amount of memory, however many are read at once.
func TestLargeRecords(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	root := t.TempDir()
	big := []byte(`{"path": "/d", "x": [` + strings.Repeat("1,", 7<<20) + "1]}")
	for v := range 8 {
		lay(t, root, map[string]string{fmt.Sprintf("m/v%d/manifest.json", v): string(big)})
	}
	d := openT(t, root)
	done := make(chan struct{})
	for v := range 8 {
		go func() {
			d.Manifest(bg, "m", v)
			done <- struct{}{}
		}()
	}
	var top uint64
	for n := 0; n < 8; {
		select {
		case <-done:
			n++
		case <-time.After(5 * time.Millisecond):
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			top = max(top, m.HeapInuse)
		}
	}
	if limit := uint64(300 << 20); top > limit {
		t.Errorf("reading 8 records of 14 MiB at once took %d MiB; want less than %d", top>>20, limit>>20)
	}
}
