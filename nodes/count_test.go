//go:build linux

package nodes

import (
	"sync"
	"syscall"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// answering is a file system whose every answer is the test's.
type answering struct {
	fuse.RawFileSystem
	status fuse.Status
	flags  uint32
	fh     uint64
}

func (a *answering) Lookup(<-chan struct{}, *fuse.InHeader, string, *fuse.EntryOut) fuse.Status {
	return a.status
}

func (a *answering) Open(_ <-chan struct{}, _ *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	out.OpenFlags, out.Fh = a.flags, a.fh
	return a.status
}

func (a *answering) Release(<-chan struct{}, *fuse.ReleaseIn) {}

func (a *answering) Read(_ <-chan struct{}, _ *fuse.ReadIn, buf []byte) (fuse.ReadResult, fuse.Status) {
	return fuse.ReadResultData(buf), a.status
}

func TestCount(t *testing.T) {
	var c Counters
	inner := &answering{}
	fs := Count(inner, &c)
	for _, st := range []syscall.Errno{0, syscall.ENOENT, syscall.ENOENT, syscall.EPERM, syscall.EACCES, syscall.ENOTTY} {
		inner.status = fuse.Status(st)
		fs.Lookup(nil, nil, "x", nil)
	}
	inner.status = fuse.OK
	for i, flags := range []uint32{0, fuse.FOPEN_KEEP_CACHE, fuse.FOPEN_PASSTHROUGH, fuse.FOPEN_DIRECT_IO} {
		inner.flags, inner.fh = flags, uint64(i)
		fs.Open(nil, nil, &fuse.OpenOut{})
		fs.Read(nil, &fuse.ReadIn{Fh: uint64(i)}, make([]byte, 10))
	}
	n := c.Counts()
	for key, want := range map[[2]string]int64{{"lookup", "ok"}: 1, {"lookup", "absent"}: 2, {"lookup", "denied"}: 2, {"lookup", "other"}: 1, {"open", "ok"}: 4, {"read", "ok"}: 4} {
		if n.Ops[key] != want {
			t.Errorf("%v: %d, want %d", key, n.Ops[key], want)
		}
	}
	if n.Open["copy"] != 2 || n.Open["passthrough"] != 1 || n.Open["generated"] != 1 || n.Bytes["copy"] != 20 {
		t.Errorf("%+v", n)
	}
	for i := range 4 {
		fs.Release(nil, &fuse.ReleaseIn{Fh: uint64(i)})
	}
	n = c.Counts()
	if n.Open["copy"]+n.Open["passthrough"]+n.Open["generated"] != 0 || n.Opens["copy"] != 2 {
		t.Errorf("after all were released: %+v", n)
	}
	c.lanes.Range(func(k, v any) bool { t.Errorf("handle %v is remembered", k); return true })
}

// Counting may be concurrent, and a number that is given again is another file.
func TestCountConcurrently(t *testing.T) {
	var c Counters
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			fs := Count(&answering{flags: fuse.FOPEN_PASSTHROUGH, fh: uint64(i)}, &c)
			for range 1000 {
				fs.Open(nil, nil, &fuse.OpenOut{})
				fs.Release(nil, &fuse.ReleaseIn{Fh: uint64(i)})
			}
		})
	}
	wg.Wait()
	if n := c.Counts(); n.Open["passthrough"] != 0 || n.Opens["passthrough"] != 8000 {
		t.Errorf("%+v", n)
	}
}
