package store

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// roots are the directories that data may lie in, as configured and as they
// are once their own links are followed.
type roots struct {
	given []string

	mu    sync.Mutex // guards known
	known map[string]knownRoot
}

type knownRoot struct {
	real string
	err  error
	at   time.Time
}

func newRoots(given []string) *roots {
	r := &roots{known: make(map[string]knownRoot)}
	for _, g := range given {
		if abs, err := filepath.Abs(g); err == nil {
			r.given = append(r.given, abs)
		}
	}
	return r
}

// lexically reports whether a real path lies in a root as it is written. That
// is enough to admit it: a real path has no link in it, so neither has a root
// that is a prefix of it.
func (r *roots) lexically(real string) bool {
	for _, g := range r.given {
		if within(real, g) {
			return true
		}
	}
	return len(r.given) == 0
}

// confined returns nil if real lies in a root, else EPERM naming path, which is
// how the caller knows it.
func (l *Local) confined(ctx context.Context, path, real string, until time.Time) error {
	roots := l.within.Load()
	if roots.lexically(real) {
		return nil
	}
	var why strings.Builder
	for _, g := range roots.given {
		root := l.root(ctx, roots, g, until)
		if root.err != nil {
			fmt.Fprintf(&why, "; %v", root.err)
		} else if within(real, root.real) {
			return nil
		}
	}
	return fmt.Errorf("%s is outside data_roots (%s%s): %w", path, strings.Join(roots.given, ", "), why.String(), syscall.EPERM)
}

// root resolves a root as the daemon, once. One that cannot be resolved is
// tried again after a second: it may be mounted later.
func (l *Local) root(ctx context.Context, roots *roots, given string, until time.Time) knownRoot {
	roots.mu.Lock()
	k, ok := roots.known[given]
	roots.mu.Unlock()
	if ok && (k.err == nil || time.Since(k.at) < time.Second) {
		return k
	}
	w, err := l.follow(ctx, l.host(), given, nil, until)
	k = knownRoot{real: w.at, err: err, at: time.Now()}
	roots.mu.Lock()
	roots.known[given] = k
	roots.mu.Unlock()
	return k
}
