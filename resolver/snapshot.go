package resolver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"artifactfs.dev/artifactfs/manifest"
)

// snapshots are what jobs see as latest and other aliases: for each job, NAME and
// ALIAS a version that is pinned when the job first resolves it, for all nodes.
// Places that take no pins are passed over; after the last one there is this memory.
type snapshots struct {
	once  sync.Once
	blind atomic.Bool // a caller was seen whose process was not

	mu      sync.Mutex // guards below; not held across I/O
	moves   uint64     // counts changes of ours: what was read before one is old
	known   *lru.Cache[pinKey, knownPin]
	refused *lru.Cache[string, string] // why a snapshot's pins are not in the store, by id
}

type pinKey struct{ id, name, alias string }

type knownPin struct {
	pin  *manifest.Pin
	at   time.Time
	here bool // no place took it: it is on this node only
}

// expire has every pin that lies in some place read there at its next use.
func (s *snapshots) expire() {
	s.init()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range s.known.Keys() {
		if p, ok := s.known.Peek(key); ok && !p.here {
			p.at = time.Time{}
			s.known.Add(key, p)
		}
	}
}

func (s *snapshots) init() {
	s.once.Do(func() {
		s.known, _ = lru.New[pinKey, knownPin](1 << 16)
		s.refused, _ = lru.New[string, string](1024)
	})
}

// here is where a pin says that it lies if no place took it.
const here = "this node's memory"

// snapshotOf returns the id of the snapshot of the job that asks, "" if none does or
// aliases are not pinned.
func (t *Tree) snapshotOf(ctx context.Context) string {
	if t.opt.NoPins {
		return ""
	}
	return t.jobOf(ctx)
}

// jobOf returns the snapshot's id of the job that asks, "" if it is in none.
func (t *Tree) jobOf(ctx context.Context) string {
	if t.opt.Job == nil {
		return ""
	}
	t.snap.init()
	id, seen := t.opt.Job(ctx)
	if !seen {
		t.snap.blind.Store(true)
	}
	return id
}

// alias returns the version that latest or an alias is for the caller. With pin,
// a job that resolves it for the first time goes on seeing it; without, one only
// looks.
func (t *Tree) alias(ctx context.Context, l *manifest.Listing, name, alias string, pin bool) (to manifest.Target, ok bool, err error) {
	to, ok = aliasIn(l, alias)
	id := t.jobOf(ctx)
	if id == "" || alias != manifest.Latest && manifest.CheckAlias(alias) != nil {
		return to, ok, nil
	}
	if !t.opt.NoPins {
		to, ok, err = t.frozen(ctx, pinKey{id, t.pinned(name), alias}, to, ok && pin, ok)
	}
	if pin && ok && err == nil {
		t.use(ctx, id, name, to)
	}
	return to, ok, err
}

// frozen returns what a snapshot has for an alias; if that is nothing, to, which
// with pin it has from then on.
func (t *Tree) frozen(ctx context.Context, k pinKey, to manifest.Target, pin, ok bool) (manifest.Target, bool, error) {
	s := t.snap
	s.mu.Lock()
	old, known := s.known.Get(k)
	moves := s.moves
	s.mu.Unlock()
	if known && t.opt.Now().Sub(old.at) < recheck {
		return old.pin.Target, true, nil
	}
	p, err := t.readPin(ctx, k)
	switch {
	case err == nil:
		s.remember(k, knownPin{p, t.opt.Now(), false}, moves)
		return p.Target, true, nil
	case !errors.Is(err, fs.ErrNotExist):
		if known {
			return old.pin.Target, true, nil
		}
		return to, false, err
	case known && old.here:
		return old.pin.Target, true, nil
	case known:
		s.forget(k) // artifactfs snapshot rm
	}
	if !pin {
		return to, ok, nil
	}
	return t.pin(ctx, k, to, moves)
}

// readPin looks in each place: fs.ErrNotExist if none has it.
func (t *Tree) readPin(ctx context.Context, k pinKey) (*manifest.Pin, error) {
	for _, place := range t.opt.Pins {
		p, err := place.Pinned(ctx, k.id, k.name, k.alias)
		if err == nil {
			return p, nil
		}
		if unreachable(err) {
			return nil, fmt.Errorf("%s of %s as job %s sees it: %w", k.alias, k.name, k.id, err)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			t.refuse(k.id, err)
		}
	}
	return nil, fs.ErrNotExist
}

// unreachable reports whether a place did not answer. What it holds is not known
// then, and a version that may not be the job's must not be given.
func unreachable(err error) bool {
	for _, e := range []error{os.ErrDeadlineExceeded, syscall.EIO, syscall.ESTALE, syscall.ETIMEDOUT, syscall.EINTR} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// pin makes to what the snapshot has, unless another process of the job is faster.
func (t *Tree) pin(ctx context.Context, k pinKey, to manifest.Target, moves uint64) (manifest.Target, bool, error) {
	for _, place := range t.opt.Pins {
		p, err := place.Pin(ctx, k.id, k.name, k.alias, to)
		if err == nil {
			t.snap.remember(k, knownPin{p, t.opt.Now(), false}, moves)
			return p.Target, true, nil
		}
		if unreachable(err) {
			return to, false, fmt.Errorf("pin %s of %s for job %s: %w", k.alias, k.name, k.id, err)
		}
		t.refuse(k.id, err)
	}
	s := t.snap
	s.mu.Lock()
	defer s.mu.Unlock()
	if first, ok := s.known.Get(k); ok && first.here {
		return first.pin.Target, true, nil
	}
	s.known.Add(k, t.inMemory(k, to))
	return to, true, nil
}

func (t *Tree) inMemory(k pinKey, to manifest.Target) knownPin {
	now := t.opt.Now()
	return knownPin{&manifest.Pin{ID: k.id, Name: k.name, Alias: k.alias, Target: to, Since: now, Used: now, Where: here}, now, true}
}

// refuse notes, and says once, that a place does not take a snapshot's pins.
func (t *Tree) refuse(id string, err error) {
	s := t.snap
	s.mu.Lock()
	before, _ := s.refused.Get(id)
	s.refused.Add(id, err.Error())
	s.mu.Unlock()
	if before != err.Error() {
		t.opt.Log.Warn("a pin is not kept there", "job", id, "err", err)
	}
}

func (s *snapshots) remember(k pinKey, p knownPin, moves uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.moves == moves {
		s.known.Add(k, p)
	}
}

func (s *snapshots) forget(k pinKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known.Remove(k)
}

// wrote moves the caller's own pin after it has made to what alias names, so that a
// job reads what it wrote. latest is pinned by that, and moves forward only; other
// aliases move if they are pinned. The version is logged whatever becomes of this.
func (t *Tree) wrote(ctx context.Context, name, alias string, to manifest.Target) {
	id := t.snapshotOf(ctx)
	if id == "" {
		return
	}
	k := pinKey{id, t.pinned(name), alias}
	latest := alias == manifest.Latest
	if !latest {
		if _, ok, err := t.frozen(ctx, k, to, false, false); err == nil && !ok {
			return
		}
	}
	s := t.snap
	moved := false
	for _, place := range t.opt.Pins {
		err := place.Move(ctx, id, k.name, alias, to, latest)
		if moved = err == nil; moved {
			break
		}
		t.refuse(id, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.moves++
	old, known := s.known.Get(k)
	switch {
	case moved:
		s.known.Remove(k)
	case !known || !latest || to.In != old.pin.In || to.Version > old.pin.Version:
		s.known.Add(k, t.inMemory(k, to))
	}
}
