package outbox

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"artifactfs.dev/artifactfs/manifest"
	"artifactfs.dev/artifactfs/wandb/wandbtest"
)

func TestPush(t *testing.T) {
	srv := wandbtest.New(t, nil)
	var told []manifest.Push
	o := patient(open(t, t.TempDir(), srv, func(opt *Options) {
		opt.Done = func(_ context.Context, p *manifest.Push) error { told = append(told, *p); return nil }
	}))
	running(t, o)
	dir := tree(t, "train/00.bin", "a b")
	d := draft(t, "data", `{"path": "`+dir+`", "type": "SFTDataArtifact", "pack_size": 4096, "description": "words", "aliases": ["prod"],
		"source_datasets": [{"uri": "hf://org/ds", "weight": 0.5}, "`+dir+`"], "tokenizer_uri": "https://huggingface.co/org/tok", "used_artifacts": ["raw:latest", "gone:v3"]}`)
	if _, err := srv.Log(wandbtest.Version{Name: "raw", Files: map[string][]byte{"x": nil}}); err != nil {
		t.Fatal(err)
	}
	p := pushed(t, o, "data", 1, d)
	p = ended(t, o, p.ID)
	v := version(t, srv, "data:latest")
	want := manifest.Push{
		ID: p.ID, State: manifest.PushDone, Name: "team/nemotron/data", Version: "v0", Manifest: "data:v1", ArtifactID: v.Id,
		URL: srv.URL + "/team/nemotron/artifacts/SFTDataArtifact/data/v0", Run: "team/nemotron/afs" + p.ID[:24], Digest: v.Digest,
	}
	if diff := cmp.Diff(want, *p); diff != "" {
		t.Errorf("the result (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]manifest.Push{want}, told); diff != "" {
		t.Errorf("the store was told (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"v0 latest prod"}, versions(t, srv, "data")); diff != "" {
		t.Errorf("versions (-want +got):\n%s", diff)
	}
	if v.Description != "words" || v.ArtifactType.Name != "SFTDataArtifact" {
		t.Errorf("version %+v", v)
	}
	var m map[string]any
	if err := json.Unmarshal([]byte(v.Metadata), &m); err != nil || m["pack_size"] != 4096.0 || m["created_at"] == nil || m["absolute_path"] != nil {
		t.Errorf("metadata %s %v", v.Metadata, err)
	}
	var entries []string
	for name, e := range storedManifest(t, srv, v.Id) {
		entries = append(entries, strings.TrimSpace(name+" "+strings.ReplaceAll(e.Ref, dir, "D")))
		if (e.Birth == v.Id) != (e.Ref == "") {
			t.Errorf("%s was born in %q", name, e.Birth)
		}
	}
	if diff := cmp.Diff([]string{"metadata.json", "output/a b file://D/a b", "output/train/00.bin file://D/train/00.bin"}, sorted(entries)); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"org-ds", "org-tok", "raw", uriName(dir, "")}, usedBy(t, srv, "afs"+p.ID[:24])); diff != "" {
		t.Errorf("used (-want +got):\n%s", diff)
	}
	if left, err := o.List(); len(left) != 0 || err != nil {
		t.Errorf("left in the outbox: %v %v", left, err)
	}
	// It is pushed once, also by another process.
	if again := pushed(t, open(t, o.box.dir, srv), "data", 1, d); again.State != manifest.PushDone || again.Version != "v0" {
		t.Errorf("pushed again: %+v", again)
	}
}

// A store whose writers count from 0 has its v0 pushed once too, and by its number; what
// is in no store has none.
func TestVersionZero(t *testing.T) {
	srv := wandbtest.New(t, nil)
	o := open(t, t.TempDir(), srv)
	running(t, o)
	d := draft(t, "data", `{"path": "`+tree(t, "a")+`"}`)
	for range 2 {
		if p := ended(t, o, pushed(t, o, "data", 0, d).ID); p.Manifest != "data:v0" || p.Version != "v0" {
			t.Errorf("%+v", p)
		}
	}
	if p := ended(t, o, pushed(t, o, "other", manifest.NoVersion, d).ID); p.Manifest != "" || p.Version != "v0" {
		t.Errorf("of no store: %+v", p)
	}
}

// A directory that was written over makes another version, every time; so does the
// same record logged again, to the microsecond.
func TestChangedDirectory(t *testing.T) {
	srv := wandbtest.New(t, nil)
	o := patient(open(t, t.TempDir(), srv))
	running(t, o)
	dir := tree(t, "x")
	d := draft(t, "data", dir)
	for i := range 3 {
		p := pushed(t, o, "data", i+1, d)
		if p = ended(t, o, p.ID); p.State != manifest.PushDone || p.Version != manifest.Version(i).String() {
			t.Fatalf("push %d: %+v", i, p)
		}
	}
	if diff := cmp.Diff([]string{"v0", "v1", "v2 latest"}, versions(t, srv, "data")); diff != "" {
		t.Errorf("versions (-want +got):\n%s", diff)
	}
}

// What W&B would never take is refused before it is on disk.
func TestPushRefused(t *testing.T) {
	o := open(t, t.TempDir(), wandbtest.New(t, nil))
	if _, err := o.Push(bg, "embed/model", 1, draft(t, "n", "/d")); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("a slash: %v", err)
	}
	if left, _ := o.List(); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	if _, err := o.Pushed(bg, "../lock"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a path for an id: %v", err)
	}
}

// A type that is another than the collection's is failed in words, kept, and tried
// again when somebody asks for it.
func TestWrongType(t *testing.T) {
	srv := wandbtest.New(t, nil)
	if _, err := srv.Log(wandbtest.Version{Name: "data", Type: "other"}); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	o := patient(open(t, dir, srv))
	running(t, o)
	p := ended(t, o, pushed(t, o, "data", 1, draft(t, "data", "/d")).ID)
	if p.State != manifest.PushFailed || !strings.Contains(p.Error, "of type other") {
		t.Errorf("%+v", p)
	}
	// The next version of the name does not wait for it.
	next := draft(t, "data", "/d")
	next.Manifest.Type = "other"
	if p := ended(t, o, pushed(t, o, "data", 2, next).ID); p.State != manifest.PushDone {
		t.Errorf("the next: %+v", p)
	}
	if p, err := o.Try(bg, p.ID); err != nil || p.State != manifest.PushFailed || p.Tries != 2 {
		t.Errorf("tried again: %+v %v", p, err)
	}
}
