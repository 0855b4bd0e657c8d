package wandb

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"artifactfs.dev/artifactfs/internal/store"
)

// localCache is W&B's own cache of files on this machine. The SDK looks at a file's
// size only; here a file is served once its hash was found right. A home directory
// may lie on a file system that hangs: then the cache is left alone for a while, and
// the server has the files too.
type localCache struct {
	dir  string
	disk *store.Local

	mu       sync.Mutex // guards what follows
	verified *lru.Cache[string, verdict]
	running  map[string]bool
	skip     time.Time // until when it is left alone
}

// verdict is what was found of a file that looked like this.
type verdict struct {
	size    int64
	modTime time.Time
	good    bool
}

const (
	// verifyAtOnce is up to what size a file is hashed before its first byte is given.
	// A larger one comes from the network until that is done.
	verifyAtOnce = 16 << 20
	// diskTime is how long one access to the cache may take.
	diskTime = 2 * time.Second
	// leaveAlone is for how long it is left alone after one took longer.
	leaveAlone = time.Minute
)

func newLocalCache(dir string) *localCache {
	if dir != "" {
		dir = filepath.Join(dir, "artifacts", "obj")
	}
	return &localCache{
		dir: dir, disk: store.NewLocal(&store.Options{Deadline: diskTime}),
		verified: newLRU[string, verdict](4096), running: make(map[string]bool),
	}
}

// do makes an access to the disk.
func (c *localCache) do(ctx context.Context, path string, fn func() error) error {
	err := c.disk.Do(ctx, path, fn)
	if err != nil && ctx.Err() == nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		if !isNotExist(err) {
			c.skip = time.Now().Add(leaveAlone)
		}
	}
	return err
}

// open returns the file of an entry; nil if there is none, or none that is right. The
// caller closes it.
func (c *localCache) open(ctx context.Context, e *entry) *cachedFile {
	digest, ok := e.hexDigest()
	if c.dir == "" || !ok || e.size < 0 || e.newHash() == nil {
		return nil
	}
	c.mu.Lock()
	skip := time.Now().Before(c.skip)
	c.mu.Unlock()
	if skip {
		return nil
	}
	kind := "md5"
	if e.alg == xxh128 {
		kind = "xxh128"
	}
	file := &cachedFile{c: c, path: filepath.Join(c.dir, kind, digest[:2], digest[2:])}
	opened := make(chan *os.File, 1)
	var fi os.FileInfo
	err := c.do(ctx, file.path, func() error {
		f, err := os.Open(file.path)
		if err == nil {
			opened <- f
		}
		return err
	})
	if err != nil {
		return nil
	}
	file.f = <-opened
	if fi, err = file.f.Stat(); err != nil || !fi.Mode().IsRegular() || fi.Size() != e.size || !c.good(ctx, file, fi, e) {
		file.f.Close()
		return nil
	}
	return file
}

// good reports whether a file is known to be right.
func (c *localCache) good(ctx context.Context, file *cachedFile, fi os.FileInfo, e *entry) bool {
	c.mu.Lock()
	v, known := c.verified.Get(file.path)
	if known && v.size == fi.Size() && v.modTime.Equal(fi.ModTime()) {
		c.mu.Unlock()
		return v.good
	}
	if c.running[file.path] {
		c.mu.Unlock()
		return false
	}
	c.running[file.path] = true
	c.mu.Unlock()
	verified := make(chan bool, 1)
	go func(e entry) {
		verified <- c.verify(file.path, fi, &e)
	}(*e)
	if e.size > verifyAtOnce {
		return false
	}
	t := time.NewTimer(diskTime)
	defer t.Stop()
	select {
	case good := <-verified:
		return good
	case <-t.C:
	case <-ctx.Done():
	}
	return false
}

// verify hashes a file, however long that takes.
func (c *localCache) verify(path string, fi os.FileInfo, e *entry) bool {
	f, err := os.Open(path)
	good := err == nil
	if good {
		good = e.verify(f) == nil
		f.Close()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.running, path)
	c.verified.Add(path, verdict{fi.Size(), fi.ModTime(), good})
	return good
}

// cachedFile is an open file of the cache.
type cachedFile struct {
	c    *localCache
	path string
	f    *os.File
}

// cachedRange is a range of a file in the cache. Where the disk fails, the rest comes
// from rest.
type cachedRange struct {
	ctx      context.Context
	file     *cachedFile
	off, end int64
	rest     func(off, end int64) io.ReadCloser
	then     io.ReadCloser
}

func (r *cachedRange) Read(b []byte) (int, error) {
	if r.off >= r.end {
		return 0, io.EOF
	}
	if r.then != nil {
		return r.then.Read(b)
	}
	// What hangs goes on with its own buffer and file.
	own, n, f, off := make([]byte, min(int64(len(b)), r.end-r.off, 1<<20)), make(chan int, 1), r.file.f, r.off
	err := r.file.c.do(r.ctx, r.file.path, func() error {
		k, err := f.ReadAt(own, off)
		n <- k
		return err
	})
	if err == nil {
		k := copy(b, own[:<-n])
		r.off += int64(k)
		return k, nil
	}
	r.then = r.rest(r.off, r.end)
	return r.then.Read(b)
}

func (r *cachedRange) Close() error {
	if r.then != nil {
		r.then.Close()
	}
	go r.file.f.Close() // it waits for what hangs
	return nil
}
