package manifest

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"artifactfs.dev/artifactfs/internal/store"
	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/sync/singleflight"
)

const (
	// maxRecord bounds every file that is read whole.
	maxRecord = 16 << 20
	// Names whose last listing is remembered, and records that are kept.
	maxArtifacts = 8192
	maxVerdicts  = 8192
)

// DirOptions are what a Dir can be told. The zero value is usable.
type DirOptions struct {
	Local    *store.Local  // unconfined; nil: NewLocal(nil)
	TTL      time.Duration // how long a listing is good for; 0: 1 s, negative: not at all
	Log      *slog.Logger  // nil: slog.Default()
	ReadOnly bool          // every change fails with EROFS
}

// Dir is a store in a directory of a local, Lustre or NFS file system, in
// upstream's own layout: NAME/vN/{manifest,metadata}.json and NAME/latest. What
// is ours beside that lies in .artifactfs of the root.
//
// A vN without a valid manifest.json does not exist for readers, but its number
// is taken. Every access is made as the caller in the context. Names and records
// are hostile: nothing outside the root is read or followed. Methods may be used
// concurrently, by any number of processes on any number of nodes.
type Dir struct {
	root     string
	local    *store.Local
	ttl      atomic.Int64 // a time.Duration
	log      *slog.Logger
	readOnly bool
	step     func(string)  // called by name at each step of a change; tests
	patience time.Duration // lockPatience, but in tests

	records   *recordCache
	verdicts  *lru.Cache[verdict, time.Time] // who was able to read which record when
	publics   *lru.Cache[recordKey, public]  // which records everybody may read
	artifacts *lru.Cache[string, *artifact]
	prefixes  *lru.Cache[string, *nameList]
	swept     *lru.Cache[string, time.Time]
	flights   singleflight.Group
	requests  keyed         // one Publish per request_id at a time
	turns     keyed         // one change of a latest at a time
	big       chan struct{} // held to read a large record
	gens      atomic.Uint64 // numbers the states of artifacts

	mu     sync.Mutex // guards below, and the fields of every artifact
	rootID fileID
	index  *legacyIndex
	since  time.Time // of failure, zero while the store answers
	cause  error
}

// OpenDir returns the store in root, an absolute path or a file:// URI. It need
// not be there or be readable yet: that is an error of the first access, and may
// pass. A root inside a mount of artifactfs is refused with ELOOP.
func OpenDir(root string, o *DirOptions) (*Dir, error) {
	if o == nil {
		o = &DirOptions{}
	}
	path, err := rootPath(root)
	if err != nil {
		return nil, fmt.Errorf("store %s: %w", quote(root), err)
	}
	d := &Dir{root: path, local: o.Local, log: o.Log, readOnly: o.ReadOnly, big: make(chan struct{}, 1)}
	if d.local == nil {
		d.local = store.NewLocal(nil)
	}
	if d.log == nil {
		d.log = slog.Default()
	}
	d.SetTTL(o.TTL)
	d.step, d.patience = func(string) {}, lockPatience
	self() // now, while this thread is not some caller's
	d.records = newRecordCache()
	d.verdicts, _ = lru.New[verdict, time.Time](maxVerdicts)
	d.publics, _ = lru.New[recordKey, public](maxVerdicts)
	d.artifacts, _ = lru.New[string, *artifact](maxArtifacts)
	d.prefixes, _ = lru.New[string, *nameList](64)
	d.swept, _ = lru.New[string, time.Time](1024)
	return d, nil
}

// rootPath returns the path that a root means, without trailing slashes.
func rootPath(root string) (string, error) {
	scheme, rest, isURI := strings.Cut(root, "://")
	switch {
	case !isURI:
		rest = root
	case scheme != "file" && scheme != "local":
		return "", fmt.Errorf("%s:// is not a directory: %w", scheme, fs.ErrInvalid)
	case !strings.HasPrefix(rest, "/"):
		return "", fmt.Errorf("the URI names a host, and should be file:///PATH: %w", fs.ErrInvalid)
	}
	if !filepath.IsAbs(rest) {
		return "", fmt.Errorf("a root is an absolute path or a URI: %w", fs.ErrInvalid)
	}
	if strings.Contains(rest, "\x00") {
		return "", fmt.Errorf("the path holds a NUL byte: %w", fs.ErrInvalid)
	}
	path := filepath.Clean(rest)
	if path == "/" {
		return "", fmt.Errorf("the root directory cannot be a store: %w", fs.ErrInvalid)
	}
	return path, nil
}

// SetTTL changes how long a listing is good for, as DirOptions have it.
func (d *Dir) SetTTL(ttl time.Duration) {
	if ttl == 0 {
		ttl = time.Second
	}
	d.ttl.Store(int64(ttl))
}

// kept is the part of what is remembered that a pause leaves.
const kept = 16

// Trim gives back the memory of all but the last answers, which it may have to give
// again: a store may be gone when somebody comes back to it.
func (d *Dir) Trim() {
	d.forgetUnlisted()
	for d.artifacts.Len() > maxArtifacts/kept {
		d.artifacts.RemoveOldest()
	}
	for d.records.Len() > maxRecords/kept || d.records.bytes.Load() > maxRecordBytes/kept {
		d.records.RemoveOldest()
	}
	d.publics.Purge()
	d.local.Trim()
}

func (d *Dir) life() time.Duration { return time.Duration(d.ttl.Load()) }

// String returns the path of the store.
func (d *Dir) String() string { return d.root }

// URI returns the store as a file:// URI.
func (d *Dir) URI() string { return (&url.URL{Scheme: "file", Path: d.root}).String() }

// ID returns the device and inode of the root, and false until it has been found.
func (d *Dir) ID() (dev, ino uint64, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.rootID.dev, d.rootID.ino, d.rootID != (fileID{})
}

// Degraded returns since when the store cannot be reached, and why; nil while it
// answers. Meanwhile Versions, Names and Manifest give the last known answer, to
// whom they gave one before, and otherwise an error.
func (d *Dir) Degraded() (time.Time, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.since, d.cause
}

// do runs fn as the caller in ctx. Its value is handed over only if fn returned
// in time, so fn must write to nothing else that a caller sees.
func do[T any](ctx context.Context, d *Dir, fn func() (T, error)) (T, error) {
	return run(ctx, d, d.local.Do, fn)
}

// change is do for what makes files: with the caller's umask.
func change[T any](ctx context.Context, d *Dir, fn func() (T, error)) (T, error) {
	return run(ctx, d, d.local.Create, fn)
}

type access func(ctx context.Context, path string, fn func() error) error

func run[T any](ctx context.Context, d *Dir, as access, fn func() (T, error)) (T, error) {
	var out atomic.Pointer[T]
	err := as(ctx, d.root, func() error {
		d.meet()
		v, err := fn()
		if err == nil {
			out.Store(&v)
		}
		return err
	})
	if err = d.judge(err); err != nil {
		var zero T
		return zero, err
	}
	return *out.Load(), nil
}

// identity tells callers apart as far as what they may read goes.
type identity struct{ uid, gid, process uint32 }

// identityOf returns who asks, and false for the daemon or a command's user.
func identityOf(ctx context.Context) (identity, bool) {
	c, ok := store.CallerOf(ctx)
	if !ok {
		return identity{}, false
	}
	return identity{c.UID, c.GID, store.TGID(c.PID)}, true
}

// audience are those who have been given an answer: few, as a rule one.
type audience []identity

func (a audience) has(who identity) bool { return slices.Contains(a, who) }

// add adds one. After so many that looking them up takes time it starts anew.
func (a *audience) add(who identity) {
	if a.has(who) {
		return
	}
	if len(*a) >= 256 {
		*a = nil
	}
	*a = append(*a, who)
}

// changes reports why the store may not be changed, if so.
func (d *Dir) changes(name string) error {
	if err := CheckName(name); err != nil {
		return err
	}
	if d.readOnly {
		return fmt.Errorf("artifact %s: store %s is opened for reading only: %w", name, d.root, syscall.EROFS)
	}
	return nil
}
