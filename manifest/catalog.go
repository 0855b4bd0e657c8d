package manifest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/sync/singleflight"

	"artifactfs.dev/artifactfs/internal/store/bucket"
)

// CatalogOptions are what a Catalog can be told. The zero value is usable.
type CatalogOptions struct {
	TTL      time.Duration // how long a listing is good for; 0: 5 s, negative: not at all
	Log      *slog.Logger  // nil: slog.Default()
	ReadOnly bool          // every change fails with EROFS
}

// Catalog is a store in a bucket, in the same layout as Dir: NAME/vN/{manifest,
// metadata}.json, NAME/latest, NAME/ALIAS, and what is ours in .artifactfs.
//
// There is no mkdir in a bucket. A number is claimed by creating its sidecar,
// .artifactfs/log/NAME/vN.json, with a write that succeeds only if nothing is there;
// a number is taken if it has a sidecar or any object of its own. manifest.json is
// the commit point, and is created in the same way, so that a writer that claims
// nothing (upstream's own, past the mount) is noticed and never overwritten. latest
// is replaced only if it is what it was when it was looked at.
//
// On the Hugging Face Hub every write is a commit, and few are taken an hour: there all
// that a log writes is one, on top of the commit in which the number was free. What is
// listed is one commit too.
//
// A bucket has no users: every access is made with this process's credentials.
// Methods may be used concurrently, by any number of processes on any number of nodes.
type Catalog struct {
	b        *bucket.Bucket
	ttl      atomic.Int64 // a time.Duration
	log      *slog.Logger
	readOnly bool

	records  *recordCache
	names    *lru.Cache[string, *nameList]
	arts     *lru.Cache[string, *cataloged]
	flights  singleflight.Group
	views    singleflight.Group
	requests keyed
	turns    keyed
	gens     atomic.Uint64

	mu    sync.Mutex // guards below, and the fields of every cataloged
	since time.Time  // of failure, zero while the store answers
	tried time.Time  // when it failed last
	cause error
	held  held
	moves uint64 // raised by our own changes: what was seen before is old

	index   *bucketIndex
	namesAt time.Time // since when names may be others, by our own changes
}

// NewCatalog returns the store in b, which must outlive it. The store need not
// answer yet: that is an error of the first access, and may pass.
func NewCatalog(b *bucket.Bucket, o *CatalogOptions) *Catalog {
	if o == nil {
		o = &CatalogOptions{}
	}
	c := &Catalog{b: b, log: o.Log, readOnly: o.ReadOnly, records: newRecordCache()}
	if c.log == nil {
		c.log = slog.Default()
	}
	c.SetTTL(o.TTL)
	c.names, _ = lru.New[string, *nameList](64)
	c.arts, _ = lru.New[string, *cataloged](maxArtifacts)
	return c
}

// SetTTL changes how long a listing is good for, as CatalogOptions have it.
func (c *Catalog) SetTTL(ttl time.Duration) {
	if ttl == 0 {
		ttl = 5 * time.Second
	}
	c.ttl.Store(int64(ttl))
}

func (c *Catalog) life() time.Duration { return time.Duration(c.ttl.Load()) }

// String returns the URI of the store, without parameters.
func (c *Catalog) String() string { return c.b.String() }

// Degraded returns since when the store cannot be reached, and why; nil while it
// answers. Meanwhile the last known answers are given, and otherwise an error.
func (c *Catalog) Degraded() (time.Time, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.since, c.cause
}

// Refresh forgets what is cached about name; "" is everything.
func (c *Catalog) Refresh(name string) {
	if name == "" {
		for _, n := range c.arts.Keys() {
			c.changed(n)
		}
		c.expireNames()
		return
	}
	c.changed(name)
}

// judge keeps account of whether the store answers, and makes an *unreachable of an
// error that says it does not. Wrong credentials are such an error: they say nothing
// about what is there.
func (c *Catalog) judge(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, fs.ErrInvalid) || errors.Is(err, syscall.EROFS) {
		return err // which says nothing of the store
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !errors.Is(err, syscall.EIO) && !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, fs.ErrPermission) {
		if c.cause != nil {
			c.log.Info("store is back", "store", c.b.String(), "since", c.since)
		}
		c.since, c.tried, c.cause = time.Time{}, time.Time{}, nil
		return err
	}
	if c.cause == nil {
		c.since = time.Now()
		c.log.Warn("store cannot be read", "store", c.b.String(), "err", err)
	}
	c.cause, c.tried = err, time.Now()
	return &unreachable{c.b.String(), c.since, err}
}

// away is how long a store that did not answer is taken to be away. The vendors'
// clients ask several times, for up to half a minute: not everybody is to wait for that.
const away = 2 * time.Second

// missing returns why the store was not reached a moment ago, if so.
func (c *Catalog) missing() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cause == nil || time.Since(c.tried) > away {
		return nil
	}
	return &unreachable{c.b.String(), c.since, c.cause}
}

// enough ends the wait of who has a last answer, of a store that did not answer the last
// time: one that is back answers by then, and the first who asked has waited it out.
func (c *Catalog) enough(known bool) <-chan time.Time {
	if _, cause := c.Degraded(); cause == nil || !known {
		return nil
	}
	return time.After(away)
}

// stillAway is the error of who has waited enough.
func (c *Catalog) stillAway() error {
	if since, cause := c.Degraded(); cause != nil {
		return &unreachable{c.b.String(), since, cause}
	}
	return &unreachable{c.b.String(), time.Now(), os.ErrDeadlineExceeded}
}

// changes reports why the store may not be changed, if so.
func (c *Catalog) changes(name string) error {
	if err := CheckName(name); err != nil {
		return err
	}
	if c.readOnly {
		return fmt.Errorf("artifact %s: store %s is opened for reading only: %w", name, c, syscall.EROFS)
	}
	return nil
}

// failed says what was to be done with what where. Who may not do it is told so: that
// says nothing of whether the store can be read.
func (c *Catalog) failed(name, what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("artifact %s: %s in store %s: %w", name, what, c, c.judgeWrite(err))
}

// judgeWrite is judge for an access that changes the store, which may be refused to
// who may read it.
func (c *Catalog) judgeWrite(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return err
	}
	return c.judge(err)
}

func (c *Catalog) noArtifact(name string) error {
	return fmt.Errorf("artifact %s: store %s has none of that name: %w", name, c, fs.ErrNotExist)
}

func (c *Catalog) noVersion(name string, v int, why error) error {
	if why == nil || errors.Is(why, fs.ErrNotExist) {
		return fmt.Errorf("artifact %s: store %s has no v%d: %w", name, c, v, fs.ErrNotExist)
	}
	return fmt.Errorf("artifact %s: v%d in store %s was not logged completely, %s: %w", name, v, c, why.Error(), fs.ErrNotExist)
}

// keys of a store's objects.
func versionKey(name string, v int, file string) string {
	return name + "/" + Version(v).String() + "/" + file
}

func ownKey(kind, name string, v int) string {
	return ownDir + "/" + kind + "/" + name + "/" + Version(v).String() + ".json"
}
