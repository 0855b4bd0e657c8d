//go:build linux

package nodes

import (
	"context"
	"sync"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// MaxRead is the largest read the kernel sends, in bytes: FUSE's own limit.
const MaxRead = 1 << 20

// Read serves the copy lane. What is in the page cache is copied at once
// (RWF_NOWAIT, kernel 4.14); only what must wait for a device goes through the
// gate of its file system, where the deadline bounds it.
func (h *dataHandle) Read(_ context.Context, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	if h.f == nil {
		return nil, syscall.EIO // the kernel reads it: it has the backing id
	}
	fd := int(h.f.Fd())
	k, err := unix.Preadv2(fd, [][]byte{dest}, off, unix.RWF_NOWAIT)
	if err == nil && k == len(dest) {
		return answer(dest), 0
	}
	// The buffer is not go-fuse's: past the deadline the read goes on into it.
	buf := buffers.Get().(*[]byte)
	err = h.n.sys.local.Do(context.Background(), h.n.data().Real(), func() error {
		h.readAhead(fd, off, len(dest))
		k, err = fullPread(fd, (*buf)[:len(dest)], off)
		return err
	})
	if err != nil {
		return nil, h.n.errno("read", err)
	}
	return &result{buf: buf, n: k}, 0
}

// ahead is how far a file that is read from front to back is fetched ahead, in
// bytes. The file's own file system reads 128 KiB ahead for us, who read with many
// threads: measured, half of what a program gets there that says it will read all.
const ahead = 16 << 20

// readAhead has the file's own file system fetch what comes after a read that
// found nothing cached, if the reads before it came from there too.
func (h *dataHandle) readAhead(fd int, off int64, n int) {
	end := off + int64(n)
	last := h.last.Swap(end)
	if far := off - last; far < -ahead || far > ahead || end < ahead/4 {
		return
	}
	// Half of it at a time, so that not every read asks.
	if to := h.fetched.Load(); to < end+ahead/2 || to > end+2*ahead {
		h.fetched.Store(end + ahead)
		_ = unix.Fadvise(fd, off, int64(n)+ahead, unix.FADV_WILLNEED)
	}
}

// fullPread reads until p is full or the file ends.
func fullPread(fd int, p []byte, off int64) (int, error) {
	done := 0
	for done < len(p) {
		k, err := unix.Pread(fd, p[done:], off+int64(done))
		switch {
		case err == unix.EINTR:
		case err != nil:
			return done, err
		case k == 0:
			return done, nil
		default:
			done += k
		}
	}
	return done, nil
}

var buffers = sync.Pool{New: func() any { b := make([]byte, MaxRead); return &b }}

// answer is a read's bytes in memory that nobody writes to before they are sent. go-fuse
// sends a vector as it is; what might be spliced it tries to put into a pipe first, which
// is two to four system calls for nothing.
func answer(b []byte) fuse.ReadResult { return fuse.ReadResultVector([][]byte{b}) }

// result is a read's bytes in a buffer that goes back to the pool once sent. With
// MountOptions.DisableSplice go-fuse 2.12 calls Done of what is no vector before it sends
// the bytes, which are another read's by then.
type result struct {
	buf *[]byte
	n   int
}

var _ interface {
	fuse.ReadResult
	Slices() ([][]byte, fuse.Status)
} = (*result)(nil)

func (r *result) Bytes([]byte) ([]byte, fuse.Status) { return (*r.buf)[:r.n], fuse.OK }
func (r *result) Slices() ([][]byte, fuse.Status)    { return [][]byte{(*r.buf)[:r.n]}, fuse.OK }
func (r *result) Size() int                          { return r.n }
func (r *result) Done()                              { buffers.Put(r.buf) }
