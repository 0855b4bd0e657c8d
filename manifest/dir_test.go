package manifest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"artifactfs.dev/artifactfs/internal/store"
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

// Inside the TTL what others log is not looked for, but latest is read each time.
func TestLatestAtOnce(t *testing.T) {
	root := t.TempDir()
	lay(t, root, map[string]string{"m/v1/manifest.json": rec, "m/latest": "v1"})
	d, err := OpenDir(root, &DirOptions{TTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	list(t, d, "m")
	lay(t, root, map[string]string{"m/v2/manifest.json": rec})
	if l := list(t, d, "m"); l.Latest != 1 || len(l.Versions) != 1 {
		t.Errorf("inside the TTL: %+v", l)
	}
	lay(t, root, map[string]string{"m/latest": "v2"})
	if l := list(t, d, "m"); l.Latest != 2 || len(l.Versions) != 2 {
		t.Errorf("once latest says so: %+v; want v2", l)
	}
	// One that names nothing does not have every call list again.
	lay(t, root, map[string]string{"m/latest": "v9"})
	list(t, d, "m")
	lay(t, root, map[string]string{"m/v3/manifest.json": rec})
	if l := list(t, d, "m"); len(l.Versions) != 2 || l.Latest != 2 {
		t.Errorf("while latest names nothing: %+v", l)
	}
}

// latest moves back by retiring alone, whatever is written into it.
func TestLatestNeverGoesBack(t *testing.T) {
	root := t.TempDir()
	lay(t, root, map[string]string{"m/v1/manifest.json": rec, "m/v2/manifest.json": rec, "m/v3/manifest.json": rec, "m/latest": "v2"})
	d := openT(t, root)
	if l := list(t, d, "m"); l.Latest != 2 || l.Warning != "" {
		t.Fatalf("%+v; want v2, as the file says", l)
	}
	lay(t, root, map[string]string{"m/latest": "v1"})
	if l := list(t, d, "m"); l.Latest != 2 || !strings.Contains(l.Warning, "retire") {
		t.Errorf("%+v; want v2 still, and a warning", l)
	}
	os.Remove(root + "/m/latest")
	if l := list(t, d, "m"); l.Latest != 3 {
		t.Errorf("%+v; want the highest", l)
	}
	lay(t, root, map[string]string{"m/latest": "v2"})
	if err := d.Retire(bg, "m", 3, "", false); err != nil {
		t.Fatal(err)
	}
	if l := list(t, d, "m"); l.Latest != 2 || l.Warning != "" {
		t.Errorf("after retiring v3: %+v; want v2", l)
	}
	if text, _ := os.ReadFile(root + "/m/latest"); string(text) != "v2" {
		t.Errorf("the file holds %q", text)
	}
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

// Numbers never wrap.
func TestHugeNumbers(t *testing.T) {
	root := t.TempDir()
	d := openT(t, root)
	lay(t, root, map[string]string{"m/v99999999999999999999": "/", "m/v18446744073709551617": "/", "m/v" + strings.Repeat("9", 200): "/"})
	if v, err := d.Publish(bg, "m", crashDraft("/d")); v != 1 || err != nil {
		t.Errorf("beside numbers that do not fit: v%d, %v; want v1", v, err)
	}
	lay(t, root, map[string]string{fmt.Sprintf("m/v%d", math.MaxInt): "/"})
	if v, err := d.Publish(bg, "m", &Draft{Manifest: Manifest{Path: "/d"}}); err == nil || !strings.Contains(err.Error(), "no higher number") {
		t.Errorf("after the highest number: v%d, %v; want an error", v, err)
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

// A store that hangs costs the deadline; a log goes on, and its request_id tells
// what became of it.
func TestDeadline(t *testing.T) {
	root := t.TempDir()
	d, err := OpenDir(root, &DirOptions{Local: store.NewLocal(&store.Options{Deadline: 50 * time.Millisecond})})
	if err != nil {
		t.Fatal(err)
	}
	hung := make(chan struct{})
	d.step = func(name string) {
		if name == "claimed" {
			<-hung
		}
	}
	dr := &Draft{Manifest: Manifest{Path: "/d"}, Metadata: Object{}, RequestID: "r"}
	v, err := d.Publish(bg, "m", dr)
	if !errors.Is(err, os.ErrDeadlineExceeded) || v != 0 {
		t.Fatalf("Publish = v%d, %v; want the deadline's error", v, err)
	}
	if _, err := d.Degraded(); err == nil {
		t.Error("not degraded")
	}
	go func() {
		time.Sleep(20 * time.Millisecond)
		close(hung)
	}()
	if v, err := openT(t, root).Publish(bg, "m", dr); v != 1 || err != nil {
		t.Errorf("the same request from elsewhere = v%d, %v; want v1", v, err)
	}
	if l := list(t, d, "m"); !slices.Equal(l.Versions, []int{1}) || l.Latest != 1 {
		t.Errorf("%+v; want v1 alone", l)
	}
}

// Upstream's writer enters a directory that it found taken. Its record stays, and
// ours gets a number of its own.
func TestSquatter(t *testing.T) {
	root := t.TempDir()
	d := openT(t, root)
	entered := false
	d.step = func(name string) {
		if name == "synced" && !entered {
			entered = true
			lay(t, root, map[string]string{"m/v1/manifest.json": `{"path": "/theirs"}`})
		}
	}
	v, err := d.Publish(bg, "m", crashDraft("/ours"))
	if v != 2 || err != nil {
		t.Fatalf("Publish = v%d, %v; want v2", v, err)
	}
	for v, want := range map[int]string{1: "/theirs", 2: "/ours"} {
		if r, err := d.Manifest(bg, "m", v); err != nil || r.Manifest.Path != want {
			t.Errorf("v%d: %v, %v; want %s", v, r, err, want)
		}
	}
}

// What would take a number and then not exist for readers is refused before.
func TestUnreadableDrafts(t *testing.T) {
	root := t.TempDir()
	d := openT(t, root)
	var deep any = "x"
	for range 2000 {
		deep = []any{deep}
	}
	for what, dr := range map[string]*Draft{
		"without a path": {Metadata: Object{}},
		"nested deep":    {Manifest: Manifest{Path: "/d", Metadata: Object{{"x", deep}}}},
		"long":           {Manifest: Manifest{Path: "/d"}, Metadata: Object{{"x", strings.Repeat("x", maxRecord)}}},
		"a bad alias":    {Manifest: Manifest{Path: "/d"}, Aliases: []string{"v3"}},
	} {
		v, err := d.Publish(bg, "m", dr)
		if v != 0 || !errors.Is(err, fs.ErrInvalid) && !errors.Is(err, syscall.EFBIG) {
			t.Errorf("a draft %s: v%d, %v; want a refusal", what, v, err)
		}
	}
	if list, _ := os.ReadDir(root); len(list) > 0 {
		t.Errorf("left behind: %v", list)
	}
}

// A failure after the claim says which number is lost, and leaves no files.
func TestLostNumber(t *testing.T) {
	root := t.TempDir()
	d := openT(t, root)
	d.step = func(name string) {
		if name == "metadata written" {
			os.Rename(root+"/m/v1", root+"/elsewhere")
		}
	}
	v, err := d.Publish(bg, "m", &Draft{Manifest: Manifest{Path: "/d"}})
	if v != 0 || err == nil || !strings.Contains(err.Error(), "v1 was claimed") {
		t.Errorf("Publish = v%d, %v; want which number is lost", v, err)
	}
	if list, _ := os.ReadDir(root + "/m"); len(list) > 0 {
		t.Errorf("left behind: %v", list)
	}
}

// A writer of upstream's that passes ours between its look and its rename does
// not leave latest behind.
func TestLatestPassed(t *testing.T) {
	root := t.TempDir()
	d := openT(t, root)
	passed := false
	d.step = func(name string) {
		if name == "latest written" && !passed {
			passed = true
			lay(t, root, map[string]string{"m/v2/manifest.json": rec, "m/latest": "v2"})
		}
	}
	if v, err := d.Publish(bg, "m", crashDraft("/d")); v != 1 || err != nil {
		t.Fatalf("Publish = v%d, %v", v, err)
	}
	if text, _ := os.ReadFile(root + "/m/latest"); string(text) != "v2" {
		t.Errorf("latest holds %q; want v2", text)
	}
}

// A directory in latest's place is moved away with what is in it, and a lock that
// is never given back delays only.
func TestLatestObstructed(t *testing.T) {
	root := t.TempDir()
	lay(t, root, map[string]string{"m/latest/precious": "text"})
	d := openT(t, root)
	if v, err := d.Publish(bg, "m", crashDraft("/d")); v != 1 || err != nil {
		t.Fatalf("Publish = v%d, %v", v, err)
	}
	moved, _ := filepath.Glob(root + "/m/.latest-was-a-directory-*/precious")
	if text, _ := os.ReadFile(root + "/m/latest"); string(text) != "v1" || len(moved) != 1 {
		t.Errorf("latest holds %q, and what was there is in %q", text, moved)
	}
	locks, _ := filepath.Glob(root + "/.artifactfs/locks/*")
	if len(locks) != 1 {
		t.Fatalf("locks: %q", locks)
	}
	f, err := os.OpenFile(locks[0], os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := flock(f); err != nil {
		t.Fatal(err)
	}
	d.patience = 30 * time.Millisecond
	if v, err := d.Publish(bg, "m", &Draft{Manifest: Manifest{Path: "/d"}}); v != 2 || err != nil {
		t.Fatalf("Publish = v%d, %v", v, err)
	}
	if text, _ := os.ReadFile(root + "/m/latest"); string(text) != "v2" {
		t.Errorf("latest holds %q; want v2", text)
	}
}

// Aliases are links or files that name a version of this artifact.
func TestAliasForms(t *testing.T) {
	root := t.TempDir()
	lay(t, root, map[string]string{
		"m/v1/manifest.json": rec, "m/v2/manifest.json": rec, "other/v1/manifest.json": rec,
		"m/link": "-> v1", "m/slash": "-> ./v2/", "m/file": " v2\n", "m/chain": "-> file", "m/loop": "-> loop",
		"m/out": "-> ../other/v1", "m/abs": "-> /etc", "m/none": "-> v9", "m/README": "read me", "m/v3x": "v1",
		"m/big": strings.Repeat("v1 ", 1<<20), "m/sub/v1/manifest.json": rec, "m/.hidden": "v1", "m/7": "v1",
	})
	d := openT(t, root)
	want := map[string]int{"link": 1, "slash": 2, "file": 2, "chain": 2, "v3x": 1}
	if l := list(t, d, "m"); fmt.Sprint(l.Aliases) != fmt.Sprint(want) {
		t.Errorf("aliases %v; want %v", l.Aliases, want)
	}
	if names, err := d.Names(bg, "m"); err != nil || !slices.Equal(names, []string{"sub"}) {
		t.Errorf("Names(m) = %q, %v; want sub", names, err)
	}
	if err := d.SetAlias(bg, "m", "sub", 1); !errors.Is(err, fs.ErrExist) {
		t.Errorf("an alias in an artifact's place: %v", err)
	}
	if err := d.RemoveAlias(bg, "m", "sub"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("removing an artifact as an alias: %v", err)
	}
	if err := d.RemoveAlias(bg, "m", "README"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("removing a file as an alias: %v", err)
	}
	if err := d.SetAlias(bg, "m", "file", 1); err != nil {
		t.Fatal(err)
	}
	if target, err := os.Readlink(root + "/m/file"); target != "v1" {
		t.Errorf("the alias is %q, %v; want a link to v1", target, err)
	}
}

// An index store takes aliases, retirements and new versions, which follow its
// numbers.
func TestLegacyWrites(t *testing.T) {
	root := t.TempDir()
	lay(t, root, map[string]string{".art_index.json": `{"m": {"name": "m", "versions": [{"version": 4, "path": "` + root + `/m/v4"}], "aliases": {"prod": 4}},
		"a/b": {"name": "a/b", "versions": [{"version": 1, "path": "/x"}]}, "../up": {"name": "", "versions": []}}`})
	d := openT(t, root)
	if names, err := d.Names(bg, ""); err != nil || !slices.Equal(names, []string{"a", "m"}) {
		t.Errorf("Names = %q, %v", names, err)
	}
	if names, err := d.Names(bg, "a"); err != nil || !slices.Equal(names, []string{"b"}) {
		t.Errorf("Names(a) = %q, %v", names, err)
	}
	if l := list(t, d, "m"); l.Latest != 4 || l.Aliases["prod"] != 4 || !slices.Equal(l.Claimed, []int{4}) {
		t.Errorf("%+v", l)
	}
	if err := d.SetAlias(bg, "m", "best", 4); err != nil {
		t.Error(err)
	}
	if v, err := d.Publish(bg, "m", crashDraft("/d")); v != 5 || err != nil {
		t.Errorf("Publish = v%d, %v; want v5", v, err)
	}
	if err := d.Claim(bg, "m", 4); !errors.Is(err, fs.ErrExist) {
		t.Errorf("Claim of the index's number: %v", err)
	}
	if err := d.Retire(bg, "m", 5, "", false); err != nil {
		t.Error(err)
	}
	if l := list(t, d, "m"); l.Latest != 4 || !slices.Equal(l.Versions, []int{4}) || l.Warning != "" {
		t.Errorf("%+v; want v4", l)
	}
}

// A store opened for reading refuses changes.
func TestReadOnly(t *testing.T) {
	root := t.TempDir()
	lay(t, root, map[string]string{"m/v1/manifest.json": rec})
	d, err := OpenDir(root, &DirOptions{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{
		"Publish": func() error { _, err := d.Publish(bg, "m", crashDraft("/d")); return err }(),
		"Claim":   d.Claim(bg, "m", 2), "Put": d.Put(bg, "m", 1, "metadata.json", nil), "Advance": d.Advance(bg, "m", 1),
		"SetAlias": d.SetAlias(bg, "m", "a", 1), "RemoveAlias": d.RemoveAlias(bg, "m", "a"), "Retire": d.Retire(bg, "m", 1, "", false),
	} {
		if !errors.Is(err, syscall.EROFS) {
			t.Errorf("%s: %v; want EROFS", what, err)
		}
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

// Callers that give up leave the work to the others.
func TestCanceled(t *testing.T) {
	root := t.TempDir()
	lay(t, root, map[string]string{"m/v1/manifest.json": rec})
	d := openT(t, root)
	ctx, cancel := context.WithCancel(bg)
	cancel()
	if v, err := d.Publish(ctx, "m", crashDraft("/d")); v != 2 || err != nil {
		t.Errorf("a log that was interrupted = v%d, %v; want its result", v, err)
	}
	d.Versions(ctx, "m") // may be either
	if l := list(t, d, "m"); l.Latest != 2 {
		t.Errorf("%+v", l)
	}
	if _, err := d.Degraded(); err != nil {
		t.Errorf("degraded by an interrupted caller: %v", err)
	}
}
