package store

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// Options say how a Local reaches local storage.
type Options struct {
	Roots    []string        // where data may lie (data_roots); empty: anywhere
	AsCaller bool            // take the caller's credentials; the daemon must be root
	Deadline time.Duration   // of each call that may hang (not real paths on ext4, xfs, tmpfs, …); 0: 30 s
	InFlight int             // calls outstanding per file system; 0: 64
	Own      func() []string // where artifactfs is mounted, besides what mountinfo shows; may be nil
}

// Local is the local file system as a caller sees it. Its methods may be used
// concurrently. Those that take a real path expect what Resolve returned, or
// something below it: absolute, clean and without a symbolic link, which they
// verify. Errors wrap the system's, or os.ErrDeadlineExceeded, or EINTR for a
// caller that left the queue.
type Local struct {
	asCaller bool
	wait     atomic.Int64 // the deadline, a time.Duration
	own      func() []string
	self     *process
	gates    *gates
	anywhere *mount // what a path lies on where mountinfo does not say
	mounts   *mounts
	within   atomic.Pointer[roots]
	search   recent[string, bool]
	inline   func(*mount) bool // whether an access is made where it is asked for
}

// NewLocal returns access to local storage; nil options are fine.
func NewLocal(o *Options) *Local {
	if o == nil {
		o = &Options{}
	}
	l := &Local{
		asCaller: o.AsCaller,
		own:      o.Own,
		self:     newProcess(),
		gates:    &gates{slots: o.InFlight},
		search:   recent[string, bool]{size: 1 << 14, keep: 5 * time.Second},
	}
	l.inline = func(m *mount) bool { return m.prompt }
	l.Reconfigure(o.Roots, o.Deadline)
	if l.gates.slots <= 0 {
		l.gates.slots = 64
	}
	if l.own == nil {
		l.own = func() []string { return nil }
	}
	l.anywhere = &mount{point: "/", gate: l.gates.of("")}
	l.mounts = newMounts(l.gates.of)
	return l
}

// DefaultDeadline is that of each call that may hang, unless it is said.
const DefaultDeadline = 30 * time.Second

// Reconfigure changes where data may lie and the deadline of each call, as
// Options have them, for whatever is asked from now on. What is open stays open.
func (l *Local) Reconfigure(roots []string, deadline time.Duration) {
	if deadline <= 0 {
		deadline = DefaultDeadline
	}
	l.wait.Store(int64(deadline))
	l.within.Store(newRoots(roots))
}

// Trim gives back the memory of answers that are too old to be given.
func (l *Local) Trim() {
	l.search.trim()
	statuses.trim()
	jobs.trim()
}

// Deadline returns that of each call.
func (l *Local) Deadline() time.Duration { return time.Duration(l.wait.Load()) }

// Do runs fn with its system calls made as the caller, in the slot of path's
// file system. It returns when fn does or when the deadline has passed; fn then
// goes on in the background, so it must own what it writes to. fn must not
// leave its goroutine for what is to be done as the caller.
func (l *Local) Do(ctx context.Context, path string, fn func() error) error {
	p, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	j, err := l.job(ctx, "access", p)
	if err != nil {
		return err
	}
	_, err = do(ctx, l, j, func() (struct{}, error) { return struct{}{}, fn() }, nil)
	return err
}

// job prepares an access to path, which must be clean and absolute.
func (l *Local) job(ctx context.Context, op, path string) (job, error) {
	s := space{here, l.mounts.current(false), nil}
	m := l.mountOf(s, path)
	if err := l.refuse(s, m, path); err != nil {
		return job{}, err
	}
	return job{op: op, path: path, mount: m, creds: l.creds(ctx), until: time.Now().Add(l.Deadline())}, nil
}

// realJob prepares an access to a path that Resolve returned, or one below it.
func (l *Local) realJob(ctx context.Context, op, real string) (job, error) {
	if !filepath.IsAbs(real) || filepath.Clean(real) != real {
		return job{}, fmt.Errorf("%s %q: not a clean absolute path: %w", op, real, syscall.EINVAL)
	}
	j, err := l.job(ctx, op, real)
	if err != nil {
		return j, err
	}
	j.inline = l.inline(j.mount)
	return j, l.confined(ctx, real, real, j.until)
}

// creds returns what to switch to for the caller in ctx; nil: nothing.
func (l *Local) creds(ctx context.Context) *creds {
	c, ok := CallerOf(ctx)
	if !ok || !l.asCaller {
		return nil
	}
	return l.self.as(c)
}

func (l *Local) mountOf(s space, path string) *mount {
	if m := s.mounts.at(path); m != nil {
		return m
	}
	return l.anywhere
}

// OwnMounts returns where artifactfs is mounted, by real paths.
func (l *Local) OwnMounts() []string {
	all := slices.Clone(l.own())
	for _, m := range l.mounts.current(false).mounts {
		if m.fstype == ownType {
			all = append(all, m.point)
		}
	}
	return all
}

// refuse says why path, on m, must not be touched: our own mount would have the
// daemon wait for itself, beyond kill -9, and procfs is a door into other
// processes. Both are found in mountinfo, without touching the path.
func (l *Local) refuse(s space, m *mount, path string) error {
	own := m.own
	if s.dir == here {
		for _, p := range l.own() {
			own = own || within(path, p)
		}
	}
	if own {
		return ownError{path}
	}
	if m.fstype == "proc" {
		return errProcfs(path)
	}
	return nil
}

// ownError refuses a path that leads into a mount of artifactfs.
type ownError struct{ path string }

var errOwn = errors.New("a mount of artifactfs")

func (e ownError) Error() string {
	return e.path + " leads into a mount of artifactfs: " + syscall.ELOOP.Error()
}
func (e ownError) Unwrap() error        { return syscall.ELOOP }
func (e ownError) Is(target error) bool { return target == errOwn }

func errProcfs(path string) error {
	return fmt.Errorf("%s is on procfs, which holds no data: %w", path, syscall.EPERM)
}

// within reports whether clean path is dir or below it.
func within(path, dir string) bool {
	return strings.HasPrefix(path, dir) && (len(path) == len(dir) || dir == "/" || path[len(dir)] == '/')
}
