package cache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"artifactfs.dev/artifactfs/internal/store"
)

// piece is how much of a request's answer is in memory at a time.
const piece = 4 * unit

// errNotKept is that the bytes can only be had from the store: there is no room for
// them, or the disk failed.
var errNotKept = errors.New("not kept")

// errStalled is why a fetch ends of which nothing arrives.
var errStalled = errors.New("nothing arrives")

// fetch is one request for consecutive units of a block, on its way to the disk. It
// belongs to nobody: who waits for it may leave.
type fetch struct {
	b        *block
	src      store.Object
	from, to int
	ahead    bool // nobody has asked for it yet
	paid     bool // its memory is acquired
	batch    *batch
	allotted bool // its room on the disk is taken at once
	ctx      context.Context
	cancel   context.CancelFunc

	// The cache's mutex guards what follows.
	next     int           // the units before it can be read
	written  int           // the units before it may have been written
	reserved int64         // of the disk
	moved    chan struct{} // closed, and another put here, with each step
	over     bool
	err      error
	waiters  int
}

// fetching returns the fetch that will bring unit i, if there is one. The cache's
// mutex is held.
func (b *block) fetching(i int) *fetch {
	for _, f := range b.fetches {
		if !f.over && f.next <= i && i < f.to {
			return f
		}
	}
	return nil
}

// begin fetches unit i and those after it, up to want of them, that are not there
// and not on their way. Unit i is neither. The mutex is held.
func (c *Cache) begin(ctx context.Context, b *block, src store.Object, i, want int) *fetch {
	to := i + 1
	for to < min(i+want, b.units()) && !b.have.has(to) && b.fetching(to) == nil {
		to++
	}
	f := &fetch{b: b, src: src, from: i, to: to, next: i, written: i, moved: make(chan struct{})}
	f.ctx, f.cancel = context.WithCancel(context.WithoutCancel(ctx))
	b.fetches = append(b.fetches, f)
	c.useBlock(b)
	b.o.claims++
	c.running.Add(1)
	return f
}

// run does a fetch.
func (f *fetch) run() {
	c, o := f.b.o.c, f.b.o
	defer c.running.Done()
	err := f.do()
	f.cancel()
	c.mu.Lock()
	c.settle(f)
	f.over, f.err = true, err
	close(f.moved)
	full := f.b.have.count() == f.b.units()
	c.letGo(f.b)
	c.mu.Unlock()
	if full && !c.complete(o, f.src) {
		c.checkLater(o, f.src)
	}
	c.disclaim(o)
}

func (f *fetch) do() error {
	c := f.b.o.c
	ctx, cancel := context.WithTimeout(f.ctx, c.deadline())
	defer cancel()
	if !f.paid {
		if err := c.memory.Acquire(ctx, piece); err != nil {
			return fmt.Errorf("no memory for it: %w", os.ErrDeadlineExceeded)
		}
	}
	defer c.memory.Release(piece)
	if !f.reserve() {
		return errNotKept
	}
	c.chargeObject(f)
	var d *disk
	err := c.on(func() (err error) {
		d, err = f.open()
		return err
	})
	if err != nil {
		c.failed(err)
		return errNotKept
	}
	defer c.on(func() error {
		f.giveBack(d)
		d.end()
		return nil
	})
	return f.stream(d)
}

// stream asks for what is still missing until all of it is there, anew when a
// connection breaks.
func (f *fetch) stream(d *disk) error {
	pool := &pieces
	switch {
	case f.to-f.from == 1: // as of each of many small files
		pool = &unitBuffers
	case f.b.o.c.far(f.src): // there are many, and each brings little at a time
		pool = &halves
	}
	b := pool.Get().(*[]byte)
	defer pool.Put(b)
	buf := *b
	for tries := 0; ; {
		before := f.next
		err := f.request(d, buf)
		if f.next > before {
			tries = 0
		}
		if tries++; err == nil || tries == 2 || f.ctx.Err() != nil || !store.Retryable(err) {
			return err
		}
	}
}

// request sends one request, and keeps what comes.
func (f *fetch) request(d *disk, buf []byte) error {
	wait := f.b.o.c.deadline() / 2
	ctx, cancel := context.WithCancelCause(f.ctx)
	defer cancel(nil)
	timer := time.AfterFunc(wait, func() { cancel(errStalled) })
	defer timer.Stop()
	err := f.receive(ctx, d, buf, func() { timer.Reset(wait) })
	if err != nil && context.Cause(ctx) == errStalled {
		return fmt.Errorf("the store sent nothing for %v: %w", wait, os.ErrDeadlineExceeded)
	}
	return err
}

func (f *fetch) receive(ctx context.Context, d *disk, buf []byte, came func()) error {
	at := (f.b.first() + int64(f.next)) * unit
	end := min((f.b.first()+int64(f.to))*unit, d.size)
	asked := time.Now()
	body, err := f.src.ReadRange(ctx, at, end-at)
	if err != nil {
		return err
	}
	f.b.o.c.answered(f.src, time.Since(asked))
	defer body.Close()
	in := &noticed{body, came}
	for n := int64(unit); at < end; n = int64(len(buf)) { // the first byte's reader waits for little
		part := buf[:min(n, end-at)]
		if _, err := io.ReadFull(in, part); err != nil {
			return tooShort(err)
		}
		if err := f.keep(d, part); err != nil {
			return err
		}
		at += int64(len(part))
	}
	if k, _ := io.ReadFull(in, buf[:1]); k > 0 {
		f.disown()
		return fmt.Errorf("the store sent more than the %d bytes it was asked for", end)
	}
	return nil
}

// tooShort is what an answer means that ends early.
func tooShort(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("the store sent fewer bytes than it was asked for: %w", io.ErrUnexpectedEOF)
	}
	return err
}

// keep writes whole units, and then lets them be read.
func (f *fetch) keep(d *disk, p []byte) error {
	c := f.b.o.c
	n := (len(p) + unit - 1) / unit
	c.mu.Lock()
	f.written = f.next + n
	c.mu.Unlock()
	if err := c.on(func() error { return d.write(f.b.first()+int64(f.next), p) }); err != nil {
		c.failed(err)
		return errNotKept
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for range n {
		f.b.have.set(f.next)
		f.next++
	}
	f.b.written++
	close(f.moved)
	f.moved = make(chan struct{})
	return nil
}

// disown forgets what was fetched: it was the answer to something else.
func (f *fetch) disown() {
	f.b.o.c.mu.Lock()
	defer f.b.o.c.mu.Unlock()
	for i := f.from; i < f.next; i++ {
		f.b.have.unset(i)
	}
}

// noticed tells of each read that brought something.
type noticed struct {
	io.Reader
	came func()
}

func (n *noticed) Read(p []byte) (int, error) {
	k, err := n.Reader.Read(p)
	if k > 0 {
		n.came()
	}
	return k, err
}

var (
	pieces = sync.Pool{New: func() any { b := make([]byte, piece); return &b }}
	halves = sync.Pool{New: func() any { b := make([]byte, piece/2); return &b }}
)
