//go:build linux

package fs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
	"golang.org/x/sys/unix"

	"artifactfs.dev/artifactfs/nodes"
	"artifactfs.dev/artifactfs/resolver"
)

const (
	askAgain  = time.Minute     // before a version that did not qualify is looked at again
	waitQuiet = 5 * time.Minute // for directories of a version to be closed and left
	usedAll   = time.Minute     // of use without a pause, which is no copying of a tree but reading of samples
	walkers   = 4               // versions that are walked at a time
)

// binder keeps versions' data directories mounted over NAME/vN in one mount, the
// bind lane, so that the kernel serves them natively. A version is bound in the
// background after something in it was opened. Its methods may be used
// concurrently, but not by request handlers, want excepted.
type binder struct {
	dir   string
	max   int
	tree  *resolver.Tree
	pins  *nodes.Pins
	own   *nodes.Own
	lanes *nodes.Lanes
	log   *slog.Logger

	noExec bool // nothing that is bound is to be run

	source func(*resolver.Binding) (int, error)   // sourceOf, but in tests
	after  func(d time.Duration) <-chan time.Time // time.After, but in tests
	inUse  func(name string, n int) bool          // the lanes', but in tests

	slots chan struct{} // of walks
	ctx   context.Context
	end   context.CancelFunc
	tasks sync.WaitGroup

	warming singleflight.Group // by version

	table sync.Mutex // one change to the mounts at a time; held across their system calls

	mu    sync.Mutex // guards what follows
	dev   uint64     // of the mount; 0 until it is there
	ended bool
	bound map[version]*bound
	again map[version]time.Time // when a version may be asked for again

	records bool // are being checked

	free    []string // directories that are no longer pinned, to be renewed
	renewed bool     // somebody is at it
	leaving bool     // the mount is about to go, and nothing is renewed
}

type version struct {
	name string
	n    int
}

type bound struct {
	*resolver.Binding
	used     time.Time // last seen
	marked   time.Time // when the kernel was last asked whether anybody used it; the table's lock guards it
	checking bool
}

func newBinder(dir string, tree *resolver.Tree, own *nodes.Own, maxBinds int, log *slog.Logger) *binder {
	b := &binder{
		dir: dir, max: maxBinds, tree: tree, own: own, log: log, source: sourceOf, after: time.After,
		slots: make(chan struct{}, walkers), bound: make(map[version]*bound), again: make(map[version]time.Time),
	}
	b.inUse = func(name string, n int) bool { return b.lanes.InUse(name, n) }
	b.ctx, b.end = context.WithCancel(context.Background())
	return b
}

// want has a version bound soon, if it can be. It returns at once.
func (b *binder) want(name string, n int) {
	v, now := version{name, n}, time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	if have := b.bound[v]; have != nil {
		have.used = now // by a namespace that does not have the bind, or a file open before it
		return
	}
	if b.ended || b.dev == 0 || now.Before(b.again[v]) {
		return
	}
	if len(b.again) > 10_000 {
		clear(b.again)
	}
	b.again[v] = now.Add(time.Hour) // while it is being looked at
	b.tasks.Go(func() {
		if err := b.bind(b.ctx, v); err != nil {
			b.log.Debug("not bound", "artifact", name, "version", n, "why", err)
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		b.again[v] = time.Now().Add(askAgain)
	})
}

// warm is bind for as long as ctx is there. A walk takes as long as it takes, and
// somebody may have a directory open for as long as he likes.
func (b *binder) warm(ctx context.Context, v version) error {
	done := b.warming.DoChan(fmt.Sprint(v), func() (any, error) {
		b.tasks.Add(1)
		defer b.tasks.Done()
		return nil, b.bind(b.ctx, v)
	})
	select {
	case r := <-done:
		return r.Err
	case <-ctx.Done():
		return fmt.Errorf("not yet: it is large, or somebody is in it, with a directory of it open perhaps; it will be: %w", ctx.Err())
	}
}

// bind binds a version, or returns why it does not.
func (b *binder) bind(ctx context.Context, v version) error {
	if b.get(v) != nil {
		return nil
	}
	bd, err := b.qualify(ctx, v)
	begun := time.Now()
	for again := true; err == nil && again; {
		err = b.quiet(ctx, v, begun)
		if err == nil {
			err = b.tree.RecheckBinding(ctx, bd, nil)
		}
		if err == nil {
			err = b.tree.RecheckRecord(ctx, bd, nil)
		}
		var r *ready
		if err == nil {
			r, err = b.prepare(ctx, bd)
		}
		if err == nil {
			err = b.hold(r)
		}
		if err == nil {
			err = b.attach(r, func() bool { return b.used(v, begun) }, b.root)
		}
		if again = errors.Is(err, errUsed); again {
			err = nil
		}
	}
	if err != nil {
		b.lanes.Bound(v.name, v.n, err.Error())
	}
	return err
}

// qualify walks a version, a few at a time.
func (b *binder) qualify(ctx context.Context, v version) (*resolver.Binding, error) {
	select {
	case b.slots <- struct{}{}:
		defer func() { <-b.slots }()
	case <-b.ctx.Done():
		return nil, errEnded
	}
	bd, err := b.tree.Bindable(ctx, v.name, v.n)
	if err == nil {
		err = b.tree.WalkBinding(ctx, bd)
	}
	return bd, err
}

// ready is a version whose data is open and whose names are pinned: attach does the
// rest, or drop undoes it.
type ready struct {
	*resolver.Binding
	src int // the data, as a mount that is nowhere yet
}

// prepare opens bd's data as it is now, and pins the names above. Either may wait for
// a file system that hangs.
func (b *binder) prepare(ctx context.Context, bd *resolver.Binding) (*ready, error) {
	src, err := b.source(bd)
	if err != nil {
		return nil, err
	}
	if b.noExec {
		if err := noExec(src); err != nil {
			unix.Close(src)
			return nil, err
		}
	}
	if err := b.pins.Pin(ctx, bd.Path()); err != nil {
		unix.Close(src)
		return nil, err
	}
	return &ready{bd, src}, nil
}

func (b *binder) drop(r *ready) {
	unix.Close(r.src)
	b.unpin(r.Path())
}

var errEnded = errors.New("the mount is going")

// attach mounts r below the root that open opens, and undoes prepare if it does not:
// errUsed if it is in use. What it waits for while the table is locked is answered by
// this machine, and so is umount.
func (b *binder) attach(r *ready, used func() bool, open func() (int, error)) error {
	attached, err := b.attachLocked(r, used, open)
	if !attached {
		b.drop(r)
		return err
	}
	unix.Close(r.src)
	return nil
}

// attachLocked does nothing if somebody else was faster.
func (b *binder) attachLocked(r *ready, used func() bool, open func() (int, error)) (attached bool, err error) {
	b.table.Lock()
	defer b.table.Unlock()
	bd := r.Binding
	v := version{bd.Name, bd.N}
	if b.get(v) != nil {
		return false, nil
	}
	if err := b.makeRoom(); err != nil {
		return false, err
	}
	err = b.own.Do(func() error {
		root, err := open()
		if err != nil {
			return err
		}
		defer unix.Close(root)
		if used() {
			return errUsed
		}
		return os.NewSyscallError("move_mount", unix.MoveMount(r.src, "", root, bd.Path(), unix.MOVE_MOUNT_F_EMPTY_PATH))
	})
	if err != nil {
		return false, err
	}
	b.mu.Lock()
	b.bound[v] = &bound{Binding: bd, used: time.Now()}
	b.mu.Unlock()
	b.lanes.Bound(v.name, v.n, "")
	b.log.Info("bound", "artifact", v.name, "version", v.n, "path", bd.Real)
	b.mark()
	return true, nil
}

func (b *binder) get(v version) *bound {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.bound[v]
}

// root opens the root of the mount. Whatever holds it keeps the mount busy.
func (b *binder) root() (int, error) {
	fd, err := unix.Open(b.dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, &os.PathError{Op: "open", Path: b.dir, Err: err}
	}
	var st unix.Statx_t
	b.mu.Lock()
	dev := b.dev
	b.mu.Unlock()
	// Whoever serves it need not be asked: it may be another daemon, which hangs.
	err = unix.Statx(fd, "", unix.AT_EMPTY_PATH|unix.AT_STATX_DONT_SYNC, unix.STATX_TYPE, &st)
	if err != nil || unix.Mkdev(st.Dev_major, st.Dev_minor) != dev {
		unix.Close(fd)
		return -1, fmt.Errorf("%s is another mount than ours", b.dir)
	}
	return fd, nil
}

// unbind takes a bind away; with MNT_DETACH also one in use, whose open files go
// on being read. The table is locked.
func (b *binder) unbind(bd *bound, flags int, why string) error {
	err := b.own.Do(func() error {
		root, err := b.root()
		if err != nil {
			return err
		}
		defer unix.Close(root)
		return unbindAt(root, bd.Path(), flags)
	})
	if err != nil && err != unix.EINVAL { // EINVAL: it is gone already
		return err
	}
	b.forget(bd, why)
	return nil
}

// forget notes that a bind is gone.
func (b *binder) forget(bd *bound, why string) {
	b.mu.Lock()
	delete(b.bound, version{bd.Name, bd.N})
	b.mu.Unlock()
	b.lanes.Bound(bd.Name, bd.N, why)
	b.unpin(bd.Path())
	b.log.Info("unbound", "artifact", bd.Name, "version", bd.N, "why", why)
}

// release unbinds everything that is not in use; EBUSY if something is. The mount is
// to go now, or stay is to be called.
func (b *binder) release() error {
	b.mu.Lock()
	b.leaving = true
	b.mu.Unlock()
	b.table.Lock()
	defer b.table.Unlock()
	b.mu.Lock()
	all := slices.Collect(maps.Values(b.bound))
	b.mu.Unlock()
	var busy error
	for _, bd := range all {
		if err := b.unbind(bd, 0, "the mount is being taken away"); err != nil {
			busy = err
		}
	}
	return busy
}

// close ends the binder, and waits a moment for what it has begun: something may
// be waiting for a file system that hangs.
func (b *binder) close() {
	b.mu.Lock()
	b.ended = true
	b.mu.Unlock()
	b.end()
	done := make(chan struct{})
	go func() {
		b.tasks.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(time.Second):
	}
}
