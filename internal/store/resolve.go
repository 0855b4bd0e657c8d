package store

import (
	"context"
	"errors"
	"fmt"
	iofs "io/fs"
	"os"
	"path"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	maxLinks = 40   // as the kernel's MAXSYMLINKS
	maxSteps = 4096 // components walked in all; a path of PATH_MAX bytes has half as many
)

// Resolve follows path, and every symbolic link in it, to the place where it
// leads, as the caller. It does not step into a mount of artifactfs (ELOOP) or
// into procfs (EPERM), whichever way it is led there, and fails with EPERM if
// it ends outside the roots. What lies outside them is not told apart: a
// caller with a host's capabilities but another root must not learn by a link
// of its own making which files the host has.
func (l *Local) Resolve(ctx context.Context, path string) (Place, error) {
	until := time.Now().Add(l.Deadline())
	w, err := l.follow(ctx, l.host(), path, l.creds(ctx), until)
	if err == nil {
		if err := l.confined(ctx, path, w.at, until); err != nil {
			return Place{}, err
		}
		return Place{Path: w.at, Attr: w.attr}, nil
	}
	if errors.Is(err, errElsewhere) {
		if out := l.confined(ctx, path, w.at, until); out != nil {
			return Place{}, out
		}
		if w.at != path {
			err = fmt.Errorf("%s leads to %w", path, err)
		}
	}
	return Place{}, err
}

// errElsewhere marks errors that tell what is or is not at the place where a
// walk stopped.
var errElsewhere = errors.New("where the walk stopped")

type walkError struct{ error }

func (e walkError) Unwrap() error        { return e.error }
func (e walkError) Is(target error) bool { return target == errElsewhere }

// space is a tree of names to walk: the daemon's own, or a writer's.
type space struct {
	dir    int // directory that paths are relative to, unless it is here
	mounts *mountTable
	file   *os.File // holds dir open, for a walk that outlives its requester
}

func (l *Local) host() space { return space{here, l.mounts.current(true), nil} }

// rel returns path for a system call relative to s.dir.
func (s space) rel(path string) string {
	if s.dir == here {
		return path
	}
	if path == "/" {
		return "."
	}
	return path[1:]
}

// walk is a path half followed.
type walk struct {
	at      string   // real, so far
	attr    Attr     // of at
	todo    []string // components still to go, the next one last
	links   int
	steps   int
	wantDir bool // the path ended in a slash or a dot
}

// follow resolves path in s and returns how far it came, on errors too. Each
// stretch that lies on one mount is one job in that mount's slot: a link out of
// a healthy file system into a hung one must not use up the healthy one's.
func (l *Local) follow(ctx context.Context, s space, path string, c *creds, until time.Time) (walk, error) {
	w := walk{at: "/"}
	if !strings.HasPrefix(path, "/") || strings.IndexByte(path, 0) >= 0 {
		return w, fmt.Errorf("%q: not an absolute path: %w", path, syscall.EINVAL)
	}
	w.push(path)
	for first := true; first || len(w.todo) > 0; first = false {
		next := w.next()
		m := l.mountOf(s, next)
		if err := l.refuse(s, m, next); err != nil {
			w.at, w.todo = next, w.todo[:max(0, len(w.todo)-1)]
			return w, err
		}
		j := job{op: "resolve", path: path, mount: m, creds: c, until: until}
		from := w
		on, err := do(ctx, l, j, func() (walk, error) { return from.stretch(l, s, m) }, nil)
		if on.at != "" {
			w = on
		}
		if err != nil {
			return w, err
		}
	}
	return w, nil
}

// stretch goes on until the path is walked or leaves m.
func (w walk) stretch(l *Local, s space, m *mount) (walk, error) {
	defer runtime.KeepAlive(s.file)
	w.todo = slices.Clone(w.todo) // the requester may give up, and still holds the original
	for first := true; first || len(w.todo) > 0; first = false {
		if l.mountOf(s, w.next()) != m {
			return w, nil
		}
		if err := w.step(s); err != nil {
			return w, walkError{&iofs.PathError{Op: "resolve", Path: w.at, Err: err}}
		}
	}
	if w.wantDir && w.attr.Mode&unix.S_IFMT != unix.S_IFDIR {
		return w, walkError{&iofs.PathError{Op: "resolve", Path: w.at, Err: syscall.ENOTDIR}}
	}
	return w, nil
}

// next returns the path that the next step touches.
func (w *walk) next() string {
	if len(w.todo) == 0 || w.todo[len(w.todo)-1] == ".." {
		return w.at
	}
	return path.Join(w.at, w.todo[len(w.todo)-1])
}

// step walks one component. On an error w.at is what could not be walked.
func (w *walk) step(s space) (err error) {
	if w.steps++; w.steps > maxSteps {
		return syscall.ENAMETOOLONG
	}
	if len(w.todo) == 0 { // the path is "/"
		w.attr, _, err = lstat(s.dir, s.rel(w.at))
		return err
	}
	name := w.todo[len(w.todo)-1]
	w.todo = w.todo[:len(w.todo)-1]
	if name == ".." {
		// at is real, so its parent is what precedes the last slash; the kernel
		// wants the right to search it all the same.
		if err := searchOnly(s.dir, s.rel(w.at)); err != nil {
			return err
		}
		w.at = path.Dir(w.at)
		w.attr, _, err = lstat(s.dir, s.rel(w.at))
		return err
	}
	dir := w.at
	w.at = path.Join(w.at, name)
	var target string
	if w.attr, target, err = lstat(s.dir, s.rel(w.at)); err != nil || w.attr.Mode&unix.S_IFMT != unix.S_IFLNK {
		return err
	}
	if w.links++; w.links > maxLinks {
		return syscall.ELOOP
	}
	if target == "" {
		return syscall.ENOENT
	}
	if w.at = dir; target[0] == '/' {
		w.at = "/"
	}
	w.push(target)
	if len(w.todo) == 0 { // the target was "/" or "."
		w.attr, _, err = lstat(s.dir, s.rel(w.at))
	}
	return err
}

// rest is what is left to walk.
func (w *walk) rest() string {
	todo := slices.Clone(w.todo)
	slices.Reverse(todo)
	return strings.Join(todo, "/")
}

// push puts the components of a path in front of what is left to walk.
func (w *walk) push(p string) {
	last := len(w.todo) == 0
	parts := strings.Split(p, "/")
	if end := parts[len(parts)-1]; last && (end == "" || end == ".") {
		w.wantDir = true
	}
	for i := len(parts) - 1; i >= 0; i-- {
		if parts[i] != "" && parts[i] != "." {
			w.todo = append(w.todo, parts[i])
		}
	}
}
