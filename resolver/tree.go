package resolver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"path"
	"syscall"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"artifactfs.dev/artifactfs/internal/store"
	"artifactfs.dev/artifactfs/internal/store/cache"
	"artifactfs.dev/artifactfs/manifest"
)

// long is how long the kernel may keep what does not change.
const long = time.Hour

// shownVersions bounds how many versions keep their resolved data path.
const shownVersions = 8192

// Options configure a Tree. The zero value shows data as this process sees it.
type Options struct {
	Data  *store.Local // access to data; nil: NewLocal(nil)
	Cache *cache.Cache // of what is read from stores; nil: none
	Lane  string       // "symlink" makes vN a link to the data; else it is a directory
	Log   *slog.Logger // nil: slog.Default

	// Disabled, if not empty, says which settings switched tracking off: names do
	// not resolve and nothing can be logged.
	Disabled string

	UID, GID, Umask uint32 // of the entries that are generated

	Status   func(ctx context.Context) any    // .artifactfs/status, as JSON; nil: empty
	Config   func() []byte                    // .artifactfs/config; nil: empty
	Metrics  func(ctx context.Context) []byte // .artifactfs/metrics; nil: empty
	Events   func(ctx context.Context) []byte // .artifactfs/events; nil: empty
	Producer func(ctx context.Context) string // of a request that names none; nil: "local"
	Now      func() time.Time                 // nil: time.Now

	// Warm binds a version ahead of its first use, or says why not. May be nil.
	Warm func(ctx context.Context, name string, version int) error

	// Logged is told of every log request, how long it took and what became of it.
	// May be nil.
	Logged func(took time.Duration, err error)

	// Pusher logs to W&B what is logged; nil: W&B is off.
	Pusher Pusher

	// Writer reports whether a caller may log to a store that knows no users, beside
	// root and the user of this process. Nil: nobody else may.
	Writer func(c store.Caller) bool

	// Remote reads data behind URIs. May be nil.
	Remote Remote

	// Job returns the snapshot's id of the job that the caller belongs to, "" if it
	// is in none, and false if that cannot be seen. Nil: nobody's aliases are pinned.
	Job func(ctx context.Context) (id string, seen bool)
	// NoPins leaves aliases as they are in every job; NoUses does not note which
	// versions a job uses.
	NoPins, NoUses bool
	// Pins are the places where pins are kept, in the order in which they are tried.
	Pins []Pinner

	// Mounts returns the directories this tree is mounted at, so that a path
	// below one of them is logged as the data it stands for. May be nil.
	Mounts func() []string
}

// Tree is the namespace of one Source. It is safe for concurrent use.
type Tree struct {
	src   Source
	opt   Options
	data  *store.Local
	start time.Time

	shown  *lru.Cache[string, *Version]
	files  *lru.Cache[string, string] // records' paths that are files', by version; for the symlink lane
	lost   missing
	drafts drafts
	hollow hollow
	follow follow
	logs   logs
	snap   *snapshots
	uses   *uses

	in              manifest.Numbering // of a side: whose numbers they are
	main            *Tree              // of a side: the tree
	manifest, wandb *Tree              // the sides; nil where there is none

	refreshes seldom
}

// New returns the tree of src, which may be nil only where Options.Disabled is
// set. Nil options are fine.
func New(src Source, o *Options) *Tree {
	t := &Tree{src: src, snap: &snapshots{}, uses: newUses(), hollow: newHollow(), follow: newFollow()}
	if o != nil {
		t.opt = *o
	}
	if t.opt.Now == nil {
		t.opt.Now = time.Now
	}
	if t.opt.Log == nil {
		t.opt.Log = slog.Default()
	}
	if t.data = t.opt.Data; t.data == nil {
		t.data = store.NewLocal(nil)
	}
	t.start = t.opt.Now()
	t.shown, _ = lru.New[string, *Version](shownVersions)
	t.files, _ = lru.New[string, string](shownVersions)
	if u, ok := src.(*Union); ok {
		u.wait = t.data.Deadline
		if u.manifest != nil {
			t.manifest = t.newSide(u.manifest, manifest.ByManifest)
		}
		if u.wandb != nil {
			t.wandb = t.newSide(u.wandb, manifest.ByWandB)
		}
	}
	return t
}

// Local returns the access to data that entries were made with; files must be
// opened through it.
func (t *Tree) Local() *store.Local { return t.data }

// Content is an open file that a store keeps. Its reads end with the deadline, and
// may be made concurrently; Close comes after them.
type Content interface {
	io.ReaderAt
	io.Closer
}

// OpenStored opens the content of a Stored that has size bytes, by way of the cache if
// there is one. Whoever calls it has asked the node for access.
func (t *Tree) OpenStored(n Stored, size int64) Content {
	if t.opt.Cache != nil {
		if f, ok := n.(*storedFile); ok {
			f.in.t.follow.opened(t.opt.Cache, f.in, path.Base(f.path))
		}
		return t.opt.Cache.Object(n.Object(), size)
	}
	return store.NewReader(n.Object(), size, t.data.Deadline)
}

// Root returns the directory that is mounted.
func (t *Tree) Root() Entry { return t.dirEntry(&rootDir{t}, "/", long) }

// disabled returns why nothing resolves, nil if it does.
func (t *Tree) disabled() error {
	if t.opt.Disabled == "" {
		return nil
	}
	return fmt.Errorf("artifact tracking is switched off (%s): %w", t.opt.Disabled, fs.ErrNotExist)
}

// versions lists one artifact.
func (t *Tree) versions(ctx context.Context, name string) (*manifest.Listing, error) {
	if err := t.disabled(); err != nil {
		return nil, err
	}
	if err := manifest.CheckName(name); err != nil {
		return nil, also{err, fs.ErrNotExist}
	}
	return t.src.Versions(ctx, name)
}

// names lists the components below prefix that lead to artifacts.
func (t *Tree) names(ctx context.Context, prefix string) ([]string, error) {
	if t.opt.Disabled != "" {
		return nil, nil
	}
	names, err := t.src.Names(ctx, prefix)
	if errors.Is(err, fs.ErrNotExist) && prefix != "" {
		return nil, nil
	}
	out := names[:0:0]
	for _, n := range names {
		if manifest.CheckName(n) == nil {
			out = append(out, n)
		}
	}
	return out, err
}

// exists returns nil if name is an artifact or leads to one.
func (t *Tree) exists(ctx context.Context, name string) error {
	if n, ok := t.src.(Namer); ok && t.opt.Disabled == "" && n.Named(name) {
		return nil
	}
	_, err := t.versions(ctx, name)
	if !errors.Is(err, fs.ErrNotExist) || t.opt.Disabled != "" || manifest.CheckName(name) != nil {
		return err
	}
	below, err2 := t.names(ctx, name)
	if err2 != nil {
		return err2
	}
	if len(below) > 0 {
		return nil
	}
	return err
}

// public reports whether the kernel may keep an answer about name for everybody.
func (t *Tree) public(ctx context.Context, name string) bool {
	s, ok := t.src.(Scoped)
	return !ok || s.Public(ctx, name)
}

// kept is how long an entry that only the store decides on may be kept.
func (t *Tree) kept(ctx context.Context, name string) time.Duration {
	if t.public(ctx, name) {
		return long
	}
	return 0
}

// publicVersion reports whether every user may read a version's record: a writer's
// umask may have kept it to itself in an artifact that everybody may list.
func (t *Tree) publicVersion(ctx context.Context, name string, n int) bool {
	s, ok := t.src.(Scoped)
	return !ok || s.PublicVersion(ctx, name, n)
}

// keptVersion is how long what is made of a version's record may be kept.
func (t *Tree) keptVersion(ctx context.Context, name string, n int) time.Duration {
	if t.publicVersion(ctx, name, n) {
		return long
	}
	return 0
}

func (t *Tree) attr(mode uint32, size int) store.Attr {
	return store.Attr{
		Mode: mode &^ t.opt.Umask, Nlink: 1, UID: t.opt.UID, GID: t.opt.GID, Size: int64(size),
		Blksize: 4096, Atime: t.start, Mtime: t.start, Ctime: t.start,
	}
}

// dirEntry is a generated directory: read-only, unless names can be made in it.
// One link, as on btrfs: two would tell find that there are no directories in it.
func (t *Tree) dirEntry(d Dir, path string, valid time.Duration) Entry {
	mode := uint32(syscall.S_IFDIR | 0o555)
	if _, ok := d.(Mutable); ok {
		mode |= 0o222
	}
	return Entry{Node: d, Attr: t.attr(mode, 0), Key: path, Valid: valid}
}

func (t *Tree) linkEntry(l Link, path string, size int) Entry {
	return Entry{Node: l, Attr: t.attr(syscall.S_IFLNK|0o777, size), Key: path}
}

func (t *Tree) textEntry(x Text, path string, size int) Entry {
	return Entry{Node: x, Attr: t.attr(syscall.S_IFREG|0o444, size), Key: path}
}

func (t *Tree) controlEntry(c Control, path string, size int) Entry {
	return Entry{Node: c, Attr: t.attr(syscall.S_IFREG|0o666, size), Key: path}
}
