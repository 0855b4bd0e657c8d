package manifest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"artifactfs.dev/artifactfs/internal/store"
)

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

// A store that hangs costs the deadline; a log goes on, and its request_id tells
// what became of it.
func TestDeadline(t *testing.T) {
	root := t.TempDir()
	local := store.NewLocal(&store.Options{Deadline: 50 * time.Millisecond})
	d, err := OpenDir(root, &DirOptions{Local: local})
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
	local.Reconfigure(nil, time.Minute) // all is well again, if not fast
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
