//go:build linux

package nodes

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"artifactfs.dev/artifactfs/manifest"
	"artifactfs.dev/artifactfs/resolver"
)

// everything is a source that has every artifact.
type everything struct{}

func (everything) Names(context.Context, string) ([]string, error) { return nil, nil }
func (everything) Versions(context.Context, string) (*manifest.Listing, error) {
	return &manifest.Listing{}, nil
}
func (everything) Manifest(context.Context, string, int) (*manifest.Record, error) {
	return &manifest.Record{}, nil
}

// heap is what is reachable.
func heap() int {
	var m runtime.MemStats
	for range 3 { // pools are emptied by the second collection
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// Names that the kernel knows take what they must, and leave nothing when it has forgotten them.
func TestTrim(t *testing.T) {
	const (
		names   = 50_000
		perName = 640 // bytes, 400 of them go-fuse's
		left    = 64 << 10
	)
	root, _, _ := New(resolver.New(everything{}, nil), nil)
	fs := Wrap(fusefs.NewNodeFS(root, &fusefs.Options{NullPermissions: true}), nil, nil)
	ids := make([]uint64, names)
	before := heap()
	for i := range ids {
		var out fuse.EntryOut
		if st := fs.Lookup(nil, &fuse.InHeader{NodeId: 1}, fmt.Sprintf("n%06d", i), &out); st != fuse.OK {
			t.Fatal(st)
		}
		ids[i] = out.NodeId
	}
	known := heap()
	if per := (known - before) / names; per > perName {
		t.Errorf("a name takes %d bytes, want %d at most", per, perName)
	}
	for _, id := range ids {
		fs.Forget(id, 1)
	}
	forgotten := heap()
	table := &root.(*dirNode).sys.inodes
	table.born = table.born.Add(-justHanded)
	began := time.Now()
	Trim(root)
	took := time.Since(began)
	after := heap()
	t.Logf("before %d KiB, known %d, forgotten %d, trimmed %d in %v", before>>10, known>>10, forgotten>>10, after>>10, took)
	if after > before+left {
		t.Errorf("%d KiB are left of names that are forgotten", (after-before)>>10)
	}
	if n := len(root.EmbeddedInode().Children()); n != 0 {
		t.Errorf("the root has %d children", n)
	}
	runtime.KeepAlive(fs)
	runtime.KeepAlive(ids)
}
