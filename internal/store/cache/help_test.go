package cache

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// source is an object in memory, which fails on demand.
type source struct {
	key    string
	body   []byte
	digest []byte // an md5
	each   func(off, n int64) fault

	requests, sent atomic.Int64
}

// fault is what happens to one request.
type fault struct {
	err   error         // there is no answer
	cut   int64         // so many bytes come, and then
	after error         // this
	extra bool          // more comes than was asked for
	gate  chan struct{} // nothing comes before it is closed, or the request is given up
}

func (s *source) Key() string { return s.key }

func (s *source) ReadRange(ctx context.Context, off, n int64) (io.ReadCloser, error) {
	s.requests.Add(1)
	var f fault
	if s.each != nil {
		f = s.each(off, n)
	}
	if f.err != nil {
		return nil, f.err
	}
	end := min(off+n, int64(len(s.body)))
	part := s.body[min(off, end):end]
	if f.extra {
		part = append(bytes.Clone(part), 0)
	}
	b := &answer{ctx: ctx, s: s, f: f, Reader: bytes.NewReader(part)}
	if f.after != nil {
		b.Reader = bytes.NewReader(part[:min(f.cut, int64(len(part)))])
	}
	return b, nil
}

type answer struct {
	*bytes.Reader
	ctx context.Context
	s   *source
	f   fault
}

func (a *answer) Read(p []byte) (int, error) {
	if a.f.gate != nil {
		select {
		case <-a.f.gate:
		case <-a.ctx.Done():
			return 0, a.ctx.Err()
		}
	}
	if err := a.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := a.Reader.Read(p)
	a.s.sent.Add(int64(n))
	if err == io.EOF && a.f.after != nil {
		err = a.f.after
	}
	return n, err
}

func (a *answer) Close() error { return nil }

// digested is a source whose digest is known.
type digested struct{ *source }

func (d digested) Digest() (string, []byte) { return "md5", d.digest }

var errReset = &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}

func newSource(key string, n int) *source {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte([]byte(key + "................................")[:32])).Read(b)
	return &source{key: key, body: b}
}

func openCache(t testing.TB, dir string, size int64) *Cache {
	t.Helper()
	c, err := Open(dir, &Options{Size: size, Deadline: func() time.Duration { return 20 * time.Second }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.Scanned(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c
}

// readAt reads and compares.
func readAt(t testing.TB, f *File, body []byte, off, n int) {
	t.Helper()
	if err := tryRead(f, body, off, n); err != nil {
		t.Fatalf("ReadAt(%d bytes at %d): %v", n, off, err)
	}
}

var errWrongBytes = errors.New("wrong bytes")

func tryRead(f *File, body []byte, off, n int) error {
	p := make([]byte, n)
	k, err := f.ReadContext(context.Background(), p, int64(off))
	want := body[min(off, len(body)):min(off+n, len(body))]
	if !bytes.Equal(p[:k], want[:min(k, len(want))]) || k > len(want) {
		return errWrongBytes
	}
	if err == io.EOF && k == len(want) && k < n || err == nil && k == n {
		return nil
	}
	if err == nil || err == io.EOF {
		return errWrongBytes
	}
	return err
}

// du is what a directory takes on the disk.
func du(t testing.TB, dir string) int64 {
	t.Helper()
	total := int64(0)
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		var st syscall.Stat_t
		if err == nil {
			err = syscall.Lstat(path, &st)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil // evicted meanwhile
		}
		total += st.Blocks * 512
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return total
}

// settled waits until nothing is fetched any more.
func settled(c *Cache) { c.running.Wait() }

// kill is the end of a process as kill -9 makes it: nothing is written any more, and
// the lock is free.
func kill(c *Cache) {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.running.Wait()
	c.slot.lock.Close()
}

func files(t testing.TB, c *Cache) []string {
	t.Helper()
	names, err := os.ReadDir(c.dir)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, n := range names {
		if n.Name() != "lock" {
			list = append(list, filepath.Join(c.dir, n.Name()))
		}
	}
	return list
}
