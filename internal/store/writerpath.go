package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"
)

// WriterPath returns the host's path for what path is to the process that
// wrote it (CallerOf): its root and mounts may be others than the daemon's, as
// in a container. The file is compared by device and inode, and looked at as
// the caller. Where nothing here is the same file the error is EXDEV and names
// both; where the writer has no such file it is ENOENT (EACCES, …). A path into
// a mount of artifactfs is translated by its mount alone, without touching it.
// A writer that lives where the daemon lives gets path back, unexamined.
func (l *Local) WriterPath(ctx context.Context, path string) (string, error) {
	if !strings.HasPrefix(path, "/") || strings.IndexByte(path, 0) >= 0 {
		return "", fmt.Errorf("%q: not an absolute path: %w", path, syscall.EINVAL)
	}
	c, ok := CallerOf(ctx)
	if !ok {
		return path, nil
	}
	w, err := l.writerOf(c.PID)
	if err != nil {
		return "", fmt.Errorf("%s: which file process %d means cannot be seen from here: %v: %w", path, c.PID, err, syscall.EXDEV)
	}
	if w == nil {
		return path, nil
	}
	host, err := l.translate(ctx, w, path)
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		w.space.file.Close() // else the walk that hangs still needs it
	}
	return host, err
}

func (l *Local) translate(ctx context.Context, w *writer, name string) (string, error) {
	until := time.Now().Add(l.Deadline())
	creds := l.creds(ctx)
	theirs, err := l.follow(ctx, w.space, name, creds, until)
	if errors.Is(err, errOwn) {
		return l.intoOwn(w, name, theirs)
	}
	if err != nil {
		return "", fmt.Errorf("%s, as process %d sees it: %w", name, w.pid, err)
	}
	for _, p := range append([]string{name}, l.hostNames(w, theirs.at)...) {
		ours, e := l.follow(ctx, l.host(), p, creds, until)
		if errors.Is(e, os.ErrDeadlineExceeded) {
			return "", e
		}
		if e == nil && ours.attr.Dev == theirs.attr.Dev && ours.attr.Ino == theirs.attr.Ino {
			return p, nil
		}
	}
	return "", fmt.Errorf("%s of process %d (there %s, device %x inode %d) is not %s of this host, and no mount here leads to it: %w",
		name, w.pid, theirs.at, theirs.attr.Dev, theirs.attr.Ino, name, syscall.EXDEV)
}

// PathFor returns what is, to another process, the file that path is to this one: the
// way back from WriterPath. It fails with EXDEV where that process does not have the
// file, and otherwise where it cannot be seen. It is for a process that has another
// root or other mounts than this one.
func (l *Local) PathFor(ctx context.Context, pid uint32, name string) (string, error) {
	w, err := l.openWriter(pid)
	if err != nil {
		return "", err
	}
	defer w.space.file.Close()
	until := time.Now().Add(l.Deadline())
	host := l.host()
	ours, err := l.follow(ctx, host, name, nil, until)
	if err != nil {
		return "", err
	}
	names := []string{name}
	if m := host.mounts.at(ours.at); m != nil {
		names = append(names, w.space.mounts.names(m.dev, m.inFS(ours.at))...)
	}
	for _, p := range names {
		theirs, err := l.follow(ctx, w.space, p, nil, until)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return "", err
		}
		if err == nil && theirs.attr.Dev == ours.attr.Dev && theirs.attr.Ino == ours.attr.Ino {
			return p, nil
		}
	}
	return "", fmt.Errorf("%s here (device %x inode %d) is not %[1]s to process %[4]d, and no mount leads it there: %[5]w", name, ours.attr.Dev, ours.attr.Ino, pid, syscall.EXDEV)
}

// hostNames returns where a real path of the writer's may lie here: those in
// the roots first, then the shortest.
func (l *Local) hostNames(w *writer, real string) []string {
	names := w.inHostRoot(real)
	if m := w.space.mounts.at(real); m != nil {
		names = append(names, l.host().mounts.names(m.dev, m.inFS(real))...)
	}
	rank := func(p string) int {
		if l.within.Load().lexically(p) {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(names, func(a, b string) int {
		if d := rank(a) - rank(b); d != 0 {
			return d
		}
		return len(a) - len(b)
	})
	return names
}

// intoOwn translates a path of the writer's that came to a mount of artifactfs
// as far as stop. What follows in the path is left as it is.
func (l *Local) intoOwn(w *writer, name string, stop walk) (string, error) {
	if m := w.space.mounts.at(stop.at); m != nil {
		host := l.host().mounts
		for _, p := range host.names(m.dev, m.inFS(stop.at)) {
			if host.at(p).own {
				return strings.TrimSuffix(p+"/"+stop.rest(), "/"), nil // not joined: ".." after a link is not ours to fold
			}
		}
	}
	return "", fmt.Errorf("%s of process %d lies on an artifactfs, at %s, that is not mounted here: %w", name, w.pid, stop.at, syscall.EXDEV)
}

// names returns every path of this table for a directory or file of a device's
// file system, given by its path in that file system.
func (t *mountTable) names(dev, inFS string) []string {
	var all []string
	for _, m := range t.mounts {
		if m.dev != dev || !within(inFS, m.root) {
			continue
		}
		p := path.Join(m.point, strings.TrimPrefix(inFS, m.root))
		if t.at(p) == m { // else another mount hides it
			all = append(all, p)
		}
	}
	return all
}
