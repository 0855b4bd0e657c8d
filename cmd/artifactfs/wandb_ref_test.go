package main

import (
	"errors"
	"io/fs"
	"testing"

	"artifactfs.dev/artifactfs/manifest"
)

func TestWandBRef(t *testing.T) {
	ctx := t.Context()
	dir, err := manifest.OpenDir(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := dir.Publish(ctx, "data", &manifest.Draft{Manifest: manifest.Manifest{Path: "/d"}, Metadata: manifest.Object{}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := dir.NoteWandB(ctx, "data", manifest.WandB{Version: 7, Manifest: 2, Artifact: "team/p/data", ID: "x"}); err != nil {
		t.Fatal(err)
	}
	check := func(ref, want string) {
		t.Helper()
		got, err := wandbRef(ctx, dir, "", ref)
		if want == "" && !errors.Is(err, fs.ErrNotExist) || want != "" && (err != nil || got != want) {
			t.Errorf("%s is %q (%v), want %q", ref, got, err, want)
		}
	}
	check("data:v2", "data:v2") // W&B numbers
	check(".manifest/data:v2", "team/p/data:v7")
	check(".manifest/data:v1", "")
	check(".wandb/data:v2", "data:v2")
	if _, err := dir.SetNumbering(ctx, manifest.ByManifest, true); err != nil {
		t.Fatal(err)
	}
	check("data:v2", "team/p/data:v7")
	check("data:v1", "")
	check(".wandb/data:v2", "data:v2")
	check("data:prod", "data:prod")
	check("e/p/data:v2", "e/p/data:v2")
}
