package manifest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

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

// latest names v0 where that is all there is, and is no more where nothing is left.
func TestLatestZero(t *testing.T) {
	root := t.TempDir()
	lay(t, root, map[string]string{"m/v0/manifest.json": rec, "m/v1/manifest.json": rec, "m/latest": "v1"})
	d := openT(t, root)
	if err := d.Retire(bg, "m", 1, "", false); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(root + "/m/latest"); string(text) != "v0" {
		t.Errorf("latest holds %q, %v; want v0", text, err)
	}
	if err := d.Retire(bg, "m", 0, "", false); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(root + "/m/latest"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("latest holds %q, %v; want none", text, err)
	}
}
