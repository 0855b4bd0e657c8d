package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// gate bounds the calls outstanding on one file system. When a file server
// hangs, each call holds a thread that nothing can end, and the Go runtime
// aborts at 10,000 of them.
type gate struct {
	slots chan struct{}
	used  atomic.Bool // ever
}

func newGate(slots int) *gate { return &gate{slots: make(chan struct{}, slots)} }

var errFull = errors.New("every slot is taken")

// enter takes a slot, which leave gives back. Only a caller that has to wait
// for one can be interrupted: work that has begun is never given up, and an
// access that would not have waited natively must not fail with EINTR.
func (g *gate) enter(ctx context.Context, expired <-chan time.Time) error {
	if g.try() {
		return nil
	}
	select {
	case g.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting for a slot: %w (%w)", syscall.EINTR, context.Cause(ctx))
	case <-expired:
		return errFull
	}
}

// try takes a slot if there is one.
func (g *gate) try() bool {
	if !g.used.Load() {
		g.used.Store(true)
	}
	select {
	case g.slots <- struct{}{}:
		return true
	default:
		return false
	}
}

func (g *gate) leave() { <-g.slots }

func (g *gate) inUse() int { return len(g.slots) }

// gates hands out one gate per device: all mounts of one file system share its
// fate, so they share its slots.
type gates struct {
	slots int

	mu sync.Mutex // guards by
	by map[string]*gate
}

func (g *gates) of(dev string) *gate {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.by == nil {
		g.by = make(map[string]*gate)
	}
	if g.by[dev] == nil {
		g.prune()
		g.by[dev] = newGate(g.slots)
	}
	return g.by[dev]
}

// prune forgets idle gates once there are many: devices come and go with
// containers. A table that still holds a forgotten gate goes on using it.
func (g *gates) prune() {
	if len(g.by) < 1024 {
		return
	}
	for dev, gt := range g.by {
		if gt.inUse() == 0 {
			delete(g.by, dev)
		}
	}
}

// InFlight returns how many calls are outstanding on each file system that there were any
// on, by device: the machine's other mounts, of which a container host has hundreds, have
// none.
func (l *Local) InFlight() map[string]int {
	l.gates.mu.Lock()
	defer l.gates.mu.Unlock()
	out := make(map[string]int, len(l.gates.by))
	for dev, g := range l.gates.by {
		if g.used.Load() && (dev != "" || g.inUse() > 0) {
			out[dev] = g.inUse()
		}
	}
	return out
}
