package wandb

import (
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

// localCache is W&B's own cache of files on this machine. The SDK looks at a file's
// size only; a file is served from here once its hash was found right.
type localCache struct {
	dir string

	mu       sync.Mutex // guards what follows
	verified *lru.Cache[string, verdict]
	running  map[string]bool
}

// verdict is what was found of a file that looked like this.
type verdict struct {
	size    int64
	modTime time.Time
	good    bool
}

// verifyAtOnce is up to what size a file is hashed before its first byte is given. A
// larger one comes from the network until that is done.
const verifyAtOnce = 16 << 20

func newLocalCache(dir string) *localCache {
	verified, err := lru.New[string, verdict](4096)
	if err != nil {
		panic(err) // the size is a constant
	}
	if dir != "" {
		dir = filepath.Join(dir, "artifacts", "obj")
	}
	return &localCache{dir: dir, verified: verified, running: make(map[string]bool)}
}

// cached returns the file of an entry that W&B's own cache has; nil if there is none, or
// none that is right. The caller closes it.
func (s *Source) cached(e *entry) *os.File {
	c := s.local
	digest, ok := e.hexDigest()
	if c.dir == "" || !ok || e.size < 0 || e.newHash() == nil {
		return nil
	}
	kind := "md5"
	if e.alg == xxh128 {
		kind = "xxh128"
	}
	path := filepath.Join(c.dir, kind, digest[:2], digest[2:])
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	fi, err := f.Stat()
	if err != nil || !fi.Mode().IsRegular() || fi.Size() != e.size || !c.good(path, f, fi, e) {
		f.Close()
		return nil
	}
	return f
}

// good reports whether a file is known to be right.
func (c *localCache) good(path string, f *os.File, fi os.FileInfo, e *entry) bool {
	c.mu.Lock()
	v, known := c.verified.Get(path)
	if known && v.size == fi.Size() && v.modTime.Equal(fi.ModTime()) {
		c.mu.Unlock()
		return v.good
	}
	if c.running[path] {
		c.mu.Unlock()
		return false
	}
	c.running[path] = true
	c.mu.Unlock()
	if e.size <= verifyAtOnce {
		return c.verify(path, f, fi, *e)
	}
	go func(e entry) {
		f, err := os.Open(path)
		if err != nil {
			c.mu.Lock()
			delete(c.running, path)
			c.mu.Unlock()
			return
		}
		defer f.Close()
		c.verify(path, f, fi, e)
	}(*e)
	return false
}

func (c *localCache) verify(path string, f io.ReaderAt, fi os.FileInfo, e entry) bool {
	good := e.verify(io.NewSectionReader(f, 0, fi.Size())) == nil
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.running, path)
	c.verified.Add(path, verdict{fi.Size(), fi.ModTime(), good})
	return good
}

// section is a range of a file that is closed with it.
func section(f *os.File, off, n int64) io.ReadCloser {
	return struct {
		io.Reader
		io.Closer
	}{io.NewSectionReader(f, off, n), f}
}
