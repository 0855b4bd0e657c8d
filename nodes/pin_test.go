//go:build linux

package nodes

import (
	"context"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"artifactfs.dev/artifactfs/manifest"
	"artifactfs.dev/artifactfs/resolver"
)

// lateFailure is a store that answers the first question late, and with EIO.
type lateFailure struct {
	*manifest.Dir
	first  atomic.Bool
	asked  chan bool
	answer chan bool
}

func (l *lateFailure) Versions(ctx context.Context, name string) (*manifest.Listing, error) {
	if l.first.CompareAndSwap(false, true) {
		close(l.asked)
		<-l.answer
		return nil, syscall.EIO
	}
	return l.Dir.Versions(ctx, name)
}

// A LOOKUP that fails after its name has been pinned would take away what is mounted below: it is answered by the pin.
func TestPinnedDuringLookup(t *testing.T) {
	root := t.TempDir()
	record := filepath.Join(root, "m/v1/manifest.json")
	if err := os.MkdirAll(filepath.Dir(record), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(record, []byte(`{"type": "Artifact", "path": "/data"}`), 0o644); err != nil {
		t.Fatal(err)
	}
	dir, err := manifest.OpenDir(root, nil)
	if err != nil {
		t.Fatal(err)
	}
	src := &lateFailure{Dir: dir, asked: make(chan bool), answer: make(chan bool)}
	node, _, pins := New(resolver.New(src, nil), nil)
	raw := fusefs.NewNodeFS(node, &fusefs.Options{})
	var out fuse.EntryOut
	status := make(chan fuse.Status)
	go func() { status <- raw.Lookup(nil, &fuse.InHeader{NodeId: fuse.FUSE_ROOT_ID}, "m", &out) }()
	<-src.asked
	if err := pins.Pin(t.Context(), "m/v1"); err != nil {
		t.Fatal(err)
	}
	close(src.answer)
	if s := <-status; !s.Ok() || out.EntryValid < 1<<30 {
		t.Errorf("%v, kept for %v; want the pinned entry, for ever", s, out.EntryTimeout())
	}
}
