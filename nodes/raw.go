//go:build linux

package nodes

import (
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// raw wraps go-fuse's RawFileSystem for the two things its nodes cannot do: answer
// an open with a backing id, and see a request of the daemon's own.
//
// A path that leads back into the mount (a bind mount made after the record was
// checked) would have the daemon wait for itself, beyond kill -9. Such a request
// is ELOOP before anything is touched.
type raw struct {
	fuse.RawFileSystem
	pid     int
	pass    *Passthrough
	threads *Own
}

// Wrap returns inner as it is to be served. pass and own may be nil.
func Wrap(inner fuse.RawFileSystem, pass *Passthrough, own *Own) fuse.RawFileSystem {
	if own == nil {
		own = &Own{}
	}
	return &raw{RawFileSystem: inner, pid: unix.Getpid(), pass: pass, threads: own}
}

func (r *raw) Init(s *fuse.Server) {
	if r.pass != nil {
		r.pass.start(s)
	}
	r.RawFileSystem.Init(s)
}

// own reports whether a thread is one of this process: the kernel gives the
// thread's id, and signal 0 asks whether it is ours.
func (r *raw) own(h *fuse.InHeader) bool {
	return h.Pid != 0 && unix.Tgkill(r.pid, int(h.Pid), 0) == nil && !r.threads.may(int(h.Pid))
}

const loop = fuse.Status(syscall.ELOOP)

func (r *raw) Lookup(cancel <-chan struct{}, h *fuse.InHeader, name string, out *fuse.EntryOut) fuse.Status {
	if r.own(h) {
		return loop
	}
	return r.RawFileSystem.Lookup(cancel, h, name, out)
}

func (r *raw) GetAttr(cancel <-chan struct{}, in *fuse.GetAttrIn, out *fuse.AttrOut) fuse.Status {
	if r.own(&in.InHeader) {
		return loop
	}
	return r.RawFileSystem.GetAttr(cancel, in, out)
}

func (r *raw) Access(cancel <-chan struct{}, in *fuse.AccessIn) fuse.Status {
	if r.own(&in.InHeader) {
		return loop
	}
	return r.RawFileSystem.Access(cancel, in)
}

func (r *raw) Readlink(cancel <-chan struct{}, h *fuse.InHeader) ([]byte, fuse.Status) {
	if r.own(h) {
		return nil, loop
	}
	return r.RawFileSystem.Readlink(cancel, h)
}

func (r *raw) StatFs(cancel <-chan struct{}, h *fuse.InHeader, out *fuse.StatfsOut) fuse.Status {
	if r.own(h) {
		return loop
	}
	return r.RawFileSystem.StatFs(cancel, h, out)
}

func (r *raw) Open(cancel <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	if r.own(&in.InHeader) {
		return loop
	}
	st := r.RawFileSystem.Open(cancel, in, out)
	if st == fuse.OK && r.pass != nil {
		r.pass.redeem(out)
	}
	return st
}

// OpenDir lets the kernel keep a listing without keeping the one it has: go-fuse
// sets FOPEN_CACHE_DIR and FOPEN_KEEP_CACHE together.
func (r *raw) OpenDir(cancel <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	if r.own(&in.InHeader) {
		return loop
	}
	st := r.RawFileSystem.OpenDir(cancel, in, out)
	if st == fuse.OK && out.OpenFlags&dropCache != 0 {
		out.OpenFlags = fuse.FOPEN_CACHE_DIR
	}
	return st
}
