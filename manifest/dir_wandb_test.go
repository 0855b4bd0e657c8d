package manifest

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// What W&B calls a version is recorded once, read back, and found by any Dir.
func TestNoteWandB(t *testing.T) {
	root := t.TempDir()
	d := openT(t, root)
	for range 2 {
		if _, err := d.Publish(bg, "a/m", &Draft{Manifest: Manifest{Path: "/d"}}); err != nil {
			t.Fatal(err)
		}
	}
	w := WandB{Version: 0, Manifest: 2, Artifact: "e/p/m", ID: "QQ==", Digest: "64e7", URL: "https://w/e/p"}
	if err := d.NoteWandB(bg, "a/m", w); err != nil {
		t.Fatal(err)
	}
	other := openT(t, root)
	if got, err := other.FromWandB(bg, "a/m", 0); err != nil || *got != w {
		t.Errorf("FromWandB = %+v, %v; want %+v", got, err, w)
	}
	if list, err := other.WandBVersions(bg, "a/m"); err != nil || !slices.Equal(list, []int{0}) {
		t.Errorf("WandBVersions = %v, %v", list, err)
	}
	for _, name := range []string{"a/m", "none"} {
		if got, err := d.FromWandB(bg, name, 1); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("FromWandB of what is not recorded = %+v, %v", got, err)
		}
	}
	if list, err := d.WandBVersions(bg, "none"); err != nil || list != nil {
		t.Errorf("WandBVersions of another name = %v, %v", list, err)
	}

	// The same content, logged again: W&B has it as one version, which stays what it was.
	again := w
	again.Manifest = 1
	if err := d.NoteWandB(bg, "a/m", again); err != nil {
		t.Fatal(err)
	}
	if got, _ := d.FromWandB(bg, "a/m", 0); got.Manifest != 2 {
		t.Errorf("v0 became version %d", got.Manifest)
	}
	// In another project the number is another version.
	again.Artifact = "e/q/m"
	if err := d.NoteWandB(bg, "a/m", again); err != nil {
		t.Fatal(err)
	}
	if got, _ := d.FromWandB(bg, "a/m", 0); *got != again {
		t.Errorf("v0 of the other project is %+v", got)
	}
	again.Manifest = 3
	if err := d.NoteWandB(bg, "a/m", again); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a version that is not there: %v", err)
	}
	if names, err := d.Names(bg, ""); err != nil || !slices.Equal(names, []string{"a"}) {
		t.Errorf("Names = %q, %v", names, err)
	}
}

// What is recorded is read as a stranger's text, and a root that is gone is no answer.
func TestNoteWandBHostile(t *testing.T) {
	root := t.TempDir() + "/root"
	lay(t, root, map[string]string{
		"m/v1/manifest.json": rec, ".artifactfs/wandb/m/v0.json": `{"version": -1}`, ".artifactfs/wandb/m/v1.json": `[]`,
		".artifactfs/wandb/m/v2.json": `{"version": "1"}`, ".artifactfs/wandb/m/v03.json": `{"version": 1}`,
		".artifactfs/wandb/m/v4.json": "-> /etc/hostname", ".artifactfs/wandb/m/x.json": `{}`,
	})
	d := openT(t, root)
	for n := range 5 {
		if got, err := d.FromWandB(bg, "m", n); err == nil || errors.Is(err, fs.ErrNotExist) != (n == 3) {
			t.Errorf("v%d is %+v, %v", n, got, err)
		}
	}
	if list, err := d.WandBVersions(bg, "m"); err != nil || !slices.Equal(list, []int{0, 1, 2}) {
		t.Errorf("WandBVersions = %v, %v", list, err)
	}
	if err := os.Rename(root, root+".gone"); err != nil {
		t.Fatal(err)
	}
	_, err := d.FromWandB(bg, "m", 9)
	_, err2 := d.WandBVersions(bg, "m")
	_, err3 := d.Numbering(bg)
	for _, err := range []error{err, err2, err3} {
		if !errors.Is(err, syscall.EIO) || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("without the root: %v; want EIO", err)
		}
	}
}

// Whose numbers a store has is settled once: by whoever is first, on any node.
func TestNumbering(t *testing.T) {
	root := t.TempDir()
	d, other := openT(t, root), openT(t, root)
	if n, err := d.SetNumbering(bg, ByWandB, false); n != ByWandB || err != nil {
		t.Errorf("in an empty root: %q, %v", n, err)
	}
	if left, _ := os.ReadDir(root); len(left) > 0 {
		t.Errorf("an empty root, which may be a mount point, got %v", left)
	}
	if n, err := d.Numbering(bg); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("before anything is settled: %q, %v", n, err)
	}
	if n, err := d.SetNumbering(bg, ByManifest, true); n != ByManifest || err != nil {
		t.Fatalf("SetNumbering = %q, %v", n, err)
	}
	for _, d := range []*Dir{d, other} {
		if n, err := d.SetNumbering(bg, ByWandB, true); n != ByManifest || err != nil {
			t.Errorf("a second SetNumbering = %q, %v; want what is recorded", n, err)
		}
		if n, err := d.Numbering(bg); n != ByManifest || err != nil {
			t.Errorf("Numbering = %q, %v", n, err)
		}
	}
	for _, text := range []string{"", "wandb\nmanifest\n", "wandb \n", strings.Repeat("x", 100)} {
		if err := os.WriteFile(root+"/.artifactfs/numbering", []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if n, err := d.SetNumbering(bg, ByWandB, true); err == nil || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("a record that says %.20q: %q, %v; want an error", text, n, err)
		}
	}
}
