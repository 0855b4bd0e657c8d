package main

import (
	"errors"
	"io/fs"
	"strings"
	"testing"
	"time"

	"artifactfs.dev/artifactfs/cmd/artifactfs/config"
	"artifactfs.dev/artifactfs/internal/store"
	"artifactfs.dev/artifactfs/manifest"
)

// A store of commits keeps no pins: those that a mount of this node keeps are shown and
// taken away all the same.
func TestPinsBesideHub(t *testing.T) {
	t.Setenv("HF_ENDPOINT", "http://127.0.0.1:9") // it is not asked
	root := "hf://datasets/org/x"
	k, err := openCore(&config.Config{Root: root}, coreOptions{Log: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, id := t.Context(), "0.-.slurm-1"
	if _, err := k.pinsOf(ctx, id); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a snapshot that is nowhere: %v", err)
	}
	k.pins = append(k.pins, manifest.OpenPins(t.TempDir(), root, store.NewLocal(nil), quiet()))
	if err := k.setPin(ctx, id, "m", manifest.Latest, manifest.Target{Version: 2}); err != nil {
		t.Fatal(err)
	}
	ids, err := k.snapshots(ctx)
	if err != nil || len(ids) != 1 || ids[0] != id {
		t.Errorf("snapshots: %q, %v", ids, err)
	}
	pins, err := k.pinsOf(ctx, id)
	if err != nil || len(pins) != 1 || pins[0].Version != 2 {
		t.Errorf("pins: %v, %v", pins, err)
	}
	if err := k.unpin(ctx, id, "m", manifest.Latest); err != nil {
		t.Error(err)
	}
	if err := k.unpin(ctx, id, "m", manifest.Latest); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a pin that is gone: %v", err)
	}
}

// Where a pin lies says who sees it, and who may take it away.
func TestPinWords(t *testing.T) {
	for where, want := range map[string]string{
		"/store/.artifactfs/snapshots/i/m@latest":        "; to unpin: artifactfs snapshot rm",
		"s3://bucket/.artifactfs/snapshots/i/m@latest":   "; to unpin: artifactfs snapshot rm",
		"azblob://bucket/.artifactfs/snapshots/i/m@prod": "; to unpin: artifactfs snapshot rm",
		onThisNode:           "; on this node only, until the mount ends, or who mounted runs artifactfs snapshot rm",
		"this node's memory": "; on this node only, until the mount ends",
	} {
		s := pinStatus{Version: 2, Since: time.Now(), Where: where}
		if onAllNodes(where) || where == onThisNode {
			s.Unpin = "artifactfs snapshot rm i m@latest"
		}
		if got := s.words(); !strings.Contains(got, want) || strings.Contains(got, "this node") != strings.Contains(want, "this node") {
			t.Errorf("%s: %q; want %q", where, got, want)
		}
	}
}
