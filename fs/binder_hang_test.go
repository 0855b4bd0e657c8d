//go:build linux

package fs

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"artifactfs.dev/artifactfs/manifest"
	"artifactfs.dev/artifactfs/nodes"
	"artifactfs.dev/artifactfs/resolver"
)

// hanging returns a binder over a store with m:v1, whose data does not answer before answer is closed, once it is asked for.
func hanging(t *testing.T) (b *binder, asked <-chan bool, answer chan bool) {
	t.Helper()
	base, err := os.MkdirTemp("/tmp", "binder") // all may search it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(base) })
	record := fmt.Sprintf(`{"type": "Artifact", "path": %q}`, base+"/data")
	for _, err := range []error{
		os.Chmod(base, 0o755), os.Mkdir(base+"/data", 0o755), os.MkdirAll(base+"/store/m/v1", 0o755),
		os.WriteFile(base+"/store/m/v1/manifest.json", []byte(record), 0o644),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	dir, err := manifest.OpenDir(base+"/store", nil)
	if err != nil {
		t.Fatal(err)
	}
	tree := resolver.New(dir, nil)
	b = newBinder(base+"/mnt", tree, &nodes.Own{}, 1, slog.Default())
	_, b.lanes, b.pins = nodes.New(tree, nil)
	ask := make(chan bool, 1)
	answer = make(chan bool)
	b.source = func(*resolver.Binding) (int, error) {
		ask <- true
		<-answer
		return -1, unix.ETIMEDOUT
	}
	return b, ask, answer
}

// Data that does not answer while it is being bound keeps nobody from unmounting.
func TestReleaseWhileDataHangs(t *testing.T) {
	b, asked, answer := hanging(t)
	bound, released := make(chan error, 1), make(chan error, 1)
	go func() { bound <- b.bind(context.Background(), version{"m", 1}) }()
	select {
	case <-asked:
	case err := <-bound:
		t.Fatalf("not tried to bind: %v", err)
	}
	go func() { released <- b.release() }()
	select {
	case err := <-released:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(time.Minute):
		t.Error("release waits for the data")
	}
	close(answer)
	if err := <-bound; err != unix.ETIMEDOUT {
		t.Errorf("bind: %v", err)
	}
}

// Nor does it keep a new daemon from taking over.
func TestTakeOverWhileDataHangs(t *testing.T) {
	b, _, answer := hanging(t)
	defer close(answer)
	took := make(chan []string, 1)
	go func() {
		left, _ := b.takeOver(-1, []string{"m/v1"}, true)
		took <- left
	}()
	select {
	case left := <-took:
		if len(left) != 1 {
			t.Errorf("left %q", left)
		}
	case <-time.After(time.Minute):
		t.Error("taking over waits for the data")
	}
}
