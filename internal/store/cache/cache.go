package cache

import (
	"container/list"
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"artifactfs.dev/artifactfs/internal/store"
)

// Options of a Cache; nil and zero values are fine.
type Options struct {
	Size     int64                // bytes on disk at most; 0: DefaultSize
	Memory   int64                // bytes in buffers at most; 0: 64 MiB
	Deadline func() time.Duration // of one read; nil: store.DefaultDeadline
	Log      *slog.Logger         // nil: slog.Default
}

// Of Options.
const (
	DefaultSize   = 10 << 30
	MinSize       = 1 << 20
	defaultMemory = 64 << 20
)

// Cache is a directory of objects' contents. It is safe for concurrent use.
type Cache struct {
	dir      string // the slot, which is this process's own
	slot     *slot
	unitsPer int // of a block
	deadline func() time.Duration
	log      *slog.Logger
	memory   *semaphore.Weighted
	gate     chan struct{}   // of accesses to the disk for who must not wait
	inMemory bool            // there is no disk
	scanned  chan struct{}   // closed when it is known what an earlier process left
	running  sync.WaitGroup  // fetches and checks
	ctx      context.Context // of checks, until Close
	cancel   context.CancelFunc

	mu       sync.Mutex         // guards what follows, and all of objects and blocks that says so
	objects  map[string]*object // by file name
	idle     list.List          // of *block, those that nobody uses, the longest unused first
	limit    int64
	used     int64                  // bytes on disk, with those reserved
	open     int                    // Files
	soon     int                    // files that Soon fetches
	answers  map[string]*store.Pace // of each store
	rests    int                    // files of which the rest is being fetched
	closed   bool
	broken   time.Time     // until then nothing is kept: the disk failed
	cause    error         // with this
	scanning bool          // what an earlier process left is not known yet
	hung     int           // accesses that the disk does not answer
	stuck    chan struct{} // closed while there are any
}

// Open opens the cache in dir, which is made if need be. If another process has it
// open, this one gets a cache of its own beside the other's.
func Open(dir string, o *Options) (*Cache, error) { return open(dir, o, scanWait) }

func open(dir string, o *Options, wait time.Duration) (*Cache, error) {
	if o == nil {
		o = &Options{}
	}
	c := &Cache{
		dir: dir, deadline: o.Deadline, log: o.Log, limit: o.Size,
		objects: make(map[string]*object), answers: make(map[string]*store.Pace), gate: make(chan struct{}, gateSlots), stuck: make(chan struct{}),
	}
	if c.limit == 0 {
		c.limit = DefaultSize
	}
	if c.limit < MinSize {
		return nil, fmt.Errorf("cache %s: a size of %d bytes is less than %d", dir, o.Size, MinSize)
	}
	if c.deadline == nil {
		c.deadline = func() time.Duration { return store.DefaultDeadline }
	}
	if c.log == nil {
		c.log = slog.Default()
	}
	memory := o.Memory
	if memory == 0 {
		memory = defaultMemory
	}
	c.memory = semaphore.NewWeighted(max(memory, piece))
	c.scanning, c.scanned = true, make(chan struct{})
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.unitsPer = unitsPerBlock(c.limit)
	if err := c.take(dir); err != nil {
		c.cancel()
		return nil, fmt.Errorf("cache %s: %w", dir, err)
	}
	c.running.Go(c.scan)
	select {
	case <-c.scanned: // there is little, as a rule
	case <-time.After(wait):
	}
	return c, nil
}

// scanWait is how long Open waits until it is known what an earlier process left.
const scanWait = 250 * time.Millisecond

// take takes a directory of its own for this process, if the disk answers.
func (c *Cache) take(dir string) error {
	var s *slot
	_, err := c.apart(c.ctx, func() (err error) {
		s, err = takeSlot(dir, c.log)
		c.inMemory = err == nil && isMemory(dir)
		return err
	}, func() {
		if s != nil {
			s.release()
		}
	})
	if err != nil {
		return err
	}
	c.slot, c.dir = s, s.dir
	return nil
}

// Scanned returns when it is known what an earlier process left: before that nothing
// new is kept.
func (c *Cache) Scanned(ctx context.Context) error {
	select {
	case <-c.scanned:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-c.ctx.Done():
		return c.ctx.Err()
	}
}

// Dir returns the directory in use.
func (c *Cache) Dir() string { return c.dir }

// First reports whether the directory is the one that a process gets which is alone.
func (c *Cache) First() bool { return filepath.Base(c.dir) == "0" }

// Usage says how much the cache holds, and what it may hold.
type Usage struct {
	Objects     int
	Used, Limit int64
	Trouble     string // why nothing is kept for now, in words; "": it is
}

// Usage returns how much is kept, with what is reserved for requests under way.
func (c *Cache) Usage() Usage {
	c.mu.Lock()
	defer c.mu.Unlock()
	u := Usage{Objects: len(c.objects), Used: c.used, Limit: c.limit}
	switch {
	case c.hung > 0:
		u.Trouble = "its disk does not answer"
	case time.Now().Before(c.broken):
		u.Trouble = c.cause.Error()
	case c.scanning:
		u.Trouble = "what it holds is still being looked at"
	}
	return u
}

// Resize sets how many bytes may lie on the disk. What is too much goes at once,
// but for what is being read.
func (c *Cache) Resize(limit int64) {
	c.mu.Lock()
	c.limit = max(limit, MinSize)
	c.mu.Unlock()
	c.shrink()
}

// Close ends what is being fetched, and gives the directory to others. Files that are
// still open read from the store.
func (c *Cache) Close() error {
	c.cancel()
	c.mu.Lock()
	c.closed = true
	for _, o := range c.objects {
		for _, b := range o.blocks {
			for _, f := range b.fetches {
				f.cancel()
			}
		}
	}
	c.mu.Unlock()
	_, err := c.apart(context.Background(), func() error {
		c.running.Wait()
		return c.slot.release()
	}, nil)
	return err
}

// failed notes that the disk refused to keep something. Trying again at every read
// would cost more than it could gain.
func (c *Cache) failed(err error) {
	const rest = 5 * time.Second
	c.mu.Lock()
	news := time.Now().After(c.broken)
	c.broken, c.cause = time.Now().Add(rest), err
	c.mu.Unlock()
	if news {
		c.log.Warn("cache: nothing is kept for now, reads go to the store", "dir", c.dir, "cause", err)
	}
}

// keeping reports whether anything is kept. The mutex is held.
func (c *Cache) keeping() bool {
	return !c.closed && !c.scanning && c.hung == 0 && time.Now().After(c.broken)
}
