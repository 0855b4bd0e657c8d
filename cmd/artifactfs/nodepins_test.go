package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"artifactfs.dev/artifactfs/manifest"
)

// One user cannot fill the run directory, also not by way of a daemon that dies, and sees no other job's pins.
func TestNodePins(t *testing.T) {
	ctx, dir := context.Background(), filepath.Join(t.TempDir(), "pins")
	own := fmt.Sprintf("%d.-.job-own", os.Getuid())
	open := func() *nodePins {
		return openNodePins(dir, "/store", func(context.Context) (string, bool) { return own, true }, slog.Default())
	}
	p := open()
	if _, err := p.Pin(ctx, own, "m", "latest", manifest.Target{Version: 1}); err != nil {
		t.Fatal(err)
	}
	if pin, err := p.Pin(ctx, own, "m", "latest", manifest.Target{Version: 2}); err != nil || pin.Version != 1 || pin.Where != onThisNode {
		t.Errorf("the second: %+v, %v", pin, err)
	}
	if fi, err := os.Stat(dir); err != nil || fi.Mode().Perm() != 0o700 {
		t.Errorf("the directory: %v, %v", fi.Mode(), err)
	}
	p = open()
	if n := len(p.made[fmt.Sprint(os.Getuid())]); n != 1 {
		t.Errorf("%d pins are counted after a restart, want 1", n)
	}
	if ids, err := p.Snapshots(ctx); err != nil || len(ids) != 1 || ids[0] != own {
		t.Errorf("snapshots: %q, %v", ids, err)
	}
	for i := range maxNodePins - 1 {
		p.count(nodePin{own, fmt.Sprint("n", i), "latest"})
	}
	if err := p.Move(ctx, own, "m", "latest", manifest.Target{Version: 3}, true); err != nil {
		t.Errorf("one that there is: %v", err)
	}
	if _, err := p.Pin(ctx, own, "n", "latest", manifest.Target{Version: 1}); !errors.Is(err, syscall.EDQUOT) {
		t.Errorf("one more than there may be: %v", err)
	}
	if pins, err := p.Pins(ctx, own); err != nil || len(pins) != 1 || pins[0].Where != onThisNode {
		t.Errorf("pins: %v, %v", pins, err)
	}
	own = "0.-.another"
	if _, err := p.Pins(ctx, fmt.Sprintf("%d.-.job-own", os.Getuid())); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("another job's pins: %v", err)
	}
}
