package cache

import (
	"context"
	"io"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// answering is a source that counts the answers that are open.
type answering struct {
	*source
	open, most *atomic.Int64
}

type openAnswer struct {
	io.ReadCloser
	over func()
}

func (a answering) ReadRange(ctx context.Context, off, n int64) (io.ReadCloser, error) {
	body, err := a.source.ReadRange(ctx, off, n)
	if err != nil {
		return nil, err
	}
	for now := a.open.Add(1); ; {
		if most := a.most.Load(); now <= most || a.most.CompareAndSwap(most, now) {
			break
		}
	}
	return &openAnswer{body, sync.OnceFunc(func() { a.open.Add(-1) })}, nil
}

func (a *openAnswer) Close() error {
	a.over()
	return a.ReadCloser.Close()
}

// However many read, there are never more answers on their way than memory was set aside
// for: of what is asked for, and of what is fetched ahead.
func TestMemoryOfFetches(t *testing.T) {
	const may, readers, size = 4, 32, 8 << 20
	c, err := Open(t.TempDir(), &Options{Size: 1 << 30, Memory: may * piece, Deadline: func() time.Duration { return 20 * time.Second }})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var open, most atomic.Int64
	gate := make(chan struct{})
	var wg sync.WaitGroup
	for i := range readers {
		src := newSource(string(rune('A'+i)), size)
		src.each = func(int64, int64) fault { return fault{gate: gate} }
		wg.Go(func() {
			f := c.Object(answering{src, &open, &most}, size)
			defer f.Close()
			if err := tryRead(f, src.body, 0, 512<<10); err != nil { // with as much ahead
				t.Error(err)
			}
		})
	}
	for end := time.Now().Add(20 * time.Second); waiting(c) < readers && time.Now().Before(end); time.Sleep(time.Millisecond) {
	}
	close(gate)
	wg.Wait()
	settled(c)
	if most.Load() > may {
		t.Errorf("%d answers at a time, and memory for %d", most.Load(), may)
	}
	if open.Load() != 0 {
		t.Errorf("%d answers are still open", open.Load())
	}
}

// Who reads past the disk gets memory for a stream if there is any, and else does without; it
// comes back with the file, and the store's answer is closed.
func TestMemoryPastDisk(t *testing.T) {
	const may, readers, size = 3, 10, 8 << 20
	c, err := Open(t.TempDir(), &Options{Size: 1 << 30, Memory: may * directMemory, Deadline: func() time.Duration { return 20 * time.Second }})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.failed(syscall.EIO)
	c.mu.Lock()
	c.broken = time.Now().Add(time.Hour)
	c.mu.Unlock()
	var open, most atomic.Int64
	src := newSource("a", size)
	var list []*File
	streams := 0
	for range readers {
		f := c.Object(answering{src, &open, &most}, size)
		list = append(list, f)
		for off := 0; off < 1<<20; off += 128 << 10 {
			readAt(t, f, src.body, off, 128<<10)
		}
		if f.direct != nil {
			streams++
		}
	}
	if streams != may || open.Load() != may {
		t.Errorf("%d streams, %d answers open; there is memory for %d", streams, open.Load(), may)
	}
	for _, f := range list {
		f.Close()
	}
	if open.Load() != 0 {
		t.Errorf("%d answers are still open", open.Load())
	}
	if !c.memory.TryAcquire(may * directMemory) {
		t.Error("memory is still reserved")
	}
}
