//go:build linux

package nodes

import (
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// ops are the kinds of requests that are counted.
var ops = [...]string{"lookup", "getattr", "setattr", "access", "readlink", "statfs", "open", "read", "write", "flush", "release",
	"opendir", "readdir", "create", "mkdir", "rename", "unlink", "forget"}

const (
	opLookup = iota
	opGetattr
	opSetattr
	opAccess
	opReadlink
	opStatfs
	opOpen
	opRead
	opWrite
	opFlush
	opRelease
	opOpendir
	opReaddir
	opCreate
	opMkdir
	opRename
	opUnlink
	opForget
)

// outcomes: ok, and what an administrator tells errors apart by.
var outcomes = [...]string{"ok", "absent", "denied", "read_only", "timeout", "stale", "io", "other"}

func outcome(st fuse.Status) int {
	switch syscall.Errno(st) {
	case 0:
		return 0
	case syscall.ENOENT:
		return 1
	case syscall.EACCES, syscall.EPERM:
		return 2
	case syscall.EROFS:
		return 3
	case syscall.ETIMEDOUT:
		return 4
	case syscall.ESTALE:
		return 5
	case syscall.EIO:
		return 6
	}
	return 7
}

// openLanes: how an open file is served; "generated" are ours, read and written directly.
var openLanes = [...]string{"copy", "passthrough", "generated"}

// Counters count the requests of a mount. The zero value is ready. What the
// kernel serves itself, from its caches, by passthrough or in the bind lane, it does not ask for.
type Counters struct {
	ops   [len(ops)][len(outcomes)]atomic.Int64
	opens [len(openLanes)]atomic.Int64 // ever
	open  [len(openLanes)]atomic.Int64 // now
	bytes [len(openLanes)]atomic.Int64 // read
	lanes sync.Map                     // file handle to index of openLanes, copy left out
}

// Counts is what Counters hold at one time, zeros left out.
type Counts struct {
	Ops   map[[2]string]int64 // kind and outcome
	Opens map[string]int64    // by lane
	Open  map[string]int64
	Bytes map[string]int64
}

// Counts may be called at any time.
func (c *Counters) Counts() Counts {
	out := Counts{Ops: map[[2]string]int64{}, Opens: map[string]int64{}, Open: map[string]int64{}, Bytes: map[string]int64{}}
	for i, op := range ops {
		for j, o := range outcomes {
			if n := c.ops[i][j].Load(); n != 0 {
				out.Ops[[2]string{op, o}] = n
			}
		}
	}
	for i, lane := range openLanes {
		out.Opens[lane], out.Open[lane], out.Bytes[lane] = c.opens[i].Load(), c.open[i].Load(), c.bytes[i].Load()
	}
	return out
}

// Total is the number of all requests so far.
func (c *Counters) Total() int64 {
	var n int64
	for i := range c.ops {
		for j := range c.ops[i] {
			n += c.ops[i][j].Load()
		}
	}
	return n
}

func (c *Counters) note(op int, st fuse.Status) fuse.Status {
	c.ops[op][outcome(st)].Add(1)
	return st
}

func (c *Counters) opened(out *fuse.OpenOut) {
	lane := 0
	switch {
	case out.OpenFlags&fuse.FOPEN_PASSTHROUGH != 0:
		lane = 1
	case out.OpenFlags&fuse.FOPEN_DIRECT_IO != 0:
		lane = 2
	}
	if lane != 0 {
		c.lanes.Store(out.Fh, lane)
	}
	c.opens[lane].Add(1)
	c.open[lane].Add(1)
}

func (c *Counters) laneOf(fh uint64) int {
	lane, ok := c.lanes.Load(fh)
	if !ok {
		return 0
	}
	return lane.(int)
}

// Count returns inner with its requests counted.
func Count(inner fuse.RawFileSystem, c *Counters) fuse.RawFileSystem {
	return &counted{inner, c}
}

type counted struct {
	fuse.RawFileSystem
	c *Counters
}

func (r *counted) Lookup(cancel <-chan struct{}, h *fuse.InHeader, name string, out *fuse.EntryOut) fuse.Status {
	return r.c.note(opLookup, r.RawFileSystem.Lookup(cancel, h, name, out))
}

func (r *counted) GetAttr(cancel <-chan struct{}, in *fuse.GetAttrIn, out *fuse.AttrOut) fuse.Status {
	return r.c.note(opGetattr, r.RawFileSystem.GetAttr(cancel, in, out))
}

func (r *counted) SetAttr(cancel <-chan struct{}, in *fuse.SetAttrIn, out *fuse.AttrOut) fuse.Status {
	return r.c.note(opSetattr, r.RawFileSystem.SetAttr(cancel, in, out))
}

func (r *counted) Access(cancel <-chan struct{}, in *fuse.AccessIn) fuse.Status {
	return r.c.note(opAccess, r.RawFileSystem.Access(cancel, in))
}

func (r *counted) Readlink(cancel <-chan struct{}, h *fuse.InHeader) ([]byte, fuse.Status) {
	b, st := r.RawFileSystem.Readlink(cancel, h)
	return b, r.c.note(opReadlink, st)
}

func (r *counted) StatFs(cancel <-chan struct{}, h *fuse.InHeader, out *fuse.StatfsOut) fuse.Status {
	return r.c.note(opStatfs, r.RawFileSystem.StatFs(cancel, h, out))
}

func (r *counted) Open(cancel <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	st := r.c.note(opOpen, r.RawFileSystem.Open(cancel, in, out))
	if st == fuse.OK {
		r.c.opened(out)
	}
	return st
}

func (r *counted) Create(cancel <-chan struct{}, in *fuse.CreateIn, name string, out *fuse.CreateOut) fuse.Status {
	st := r.c.note(opCreate, r.RawFileSystem.Create(cancel, in, name, out))
	if st == fuse.OK {
		r.c.opened(&out.OpenOut)
	}
	return st
}

func (r *counted) Read(cancel <-chan struct{}, in *fuse.ReadIn, buf []byte) (fuse.ReadResult, fuse.Status) {
	res, st := r.RawFileSystem.Read(cancel, in, buf)
	if st == fuse.OK && res != nil {
		r.c.bytes[r.c.laneOf(in.Fh)].Add(int64(res.Size()))
	}
	return res, r.c.note(opRead, st)
}

func (r *counted) Write(cancel <-chan struct{}, in *fuse.WriteIn, data []byte) (uint32, fuse.Status) {
	n, st := r.RawFileSystem.Write(cancel, in, data)
	return n, r.c.note(opWrite, st)
}

func (r *counted) Flush(cancel <-chan struct{}, in *fuse.FlushIn) fuse.Status {
	return r.c.note(opFlush, r.RawFileSystem.Flush(cancel, in))
}

func (r *counted) Release(cancel <-chan struct{}, in *fuse.ReleaseIn) {
	lane := r.c.laneOf(in.Fh)
	r.c.lanes.Delete(in.Fh) // before the number is given to another
	r.RawFileSystem.Release(cancel, in)
	r.c.open[lane].Add(-1)
	r.c.note(opRelease, fuse.OK)
}

func (r *counted) OpenDir(cancel <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	return r.c.note(opOpendir, r.RawFileSystem.OpenDir(cancel, in, out))
}

func (r *counted) ReadDir(cancel <-chan struct{}, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	return r.c.note(opReaddir, r.RawFileSystem.ReadDir(cancel, in, out))
}

func (r *counted) ReadDirPlus(cancel <-chan struct{}, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	return r.c.note(opReaddir, r.RawFileSystem.ReadDirPlus(cancel, in, out))
}

func (r *counted) Mkdir(cancel <-chan struct{}, in *fuse.MkdirIn, name string, out *fuse.EntryOut) fuse.Status {
	return r.c.note(opMkdir, r.RawFileSystem.Mkdir(cancel, in, name, out))
}

func (r *counted) Rename(cancel <-chan struct{}, in *fuse.RenameIn, old, new string) fuse.Status {
	return r.c.note(opRename, r.RawFileSystem.Rename(cancel, in, old, new))
}

func (r *counted) Unlink(cancel <-chan struct{}, h *fuse.InHeader, name string) fuse.Status {
	return r.c.note(opUnlink, r.RawFileSystem.Unlink(cancel, h, name))
}

func (r *counted) Forget(node, lookups uint64) {
	r.RawFileSystem.Forget(node, lookups)
	r.c.note(opForget, fuse.OK)
}
