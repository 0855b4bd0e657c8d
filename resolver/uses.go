package resolver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"artifactfs.dev/artifactfs/internal/store"
	"artifactfs.dev/artifactfs/manifest"
)

// uses are what jobs have used: each version that one resolved by an alias or opened
// something of is noted once, in the job's snapshot, as a pin whose alias is the version
// itself. A log of the job takes them for what its version was made from.
type uses struct {
	mu    sync.Mutex
	notes *lru.Cache[pinKey, *note]     // what was noted, or is being
	asked *lru.Cache[opener, time.Time] // who opened what lately: a process opens many files
}

// note is one use on its way into the snapshot.
type note struct {
	at   time.Time
	done chan struct{} // closed when a place has it, or none took it
}

// opener is a process that opens something of a version.
type opener struct {
	pid     uint32
	name    string
	version int
}

const (
	// useWait is how long the first open waits until its use is noted, so that it is
	// not forgotten with a daemon that dies. A store that takes longer is not waited for.
	useWait = time.Second
	// logWait is how long a log waits for the job's uses that are on their way.
	logWait = 5 * time.Second
	// noteAgain is when a use is noted anew: what nobody uses is dropped with age.
	noteAgain = 24 * time.Hour
)

func newUses() *uses {
	u := &uses{}
	u.notes, _ = lru.New[pinKey, *note](1 << 16)
	u.asked, _ = lru.New[opener, time.Time](4096)
	return u
}

// Opened notes that the caller has opened something of a version's data, as
// Versioned.Which names it.
func (t *Tree) Opened(ctx context.Context, which string, n int) {
	side, name := t.named(which)
	side.opened(ctx, name, n)
}

// opened is Opened of a version of this side.
func (t *Tree) opened(ctx context.Context, name string, n int) {
	if t.opt.NoUses || t.opt.Job == nil {
		return
	}
	if c, ok := store.CallerOf(ctx); ok && t.uses.recent(opener{c.PID, whose(t.in, name), n}, t.opt.Now()) {
		return
	}
	id := t.jobOf(ctx)
	if id == "" {
		return
	}
	t.use(ctx, id, name, manifest.Target{Version: n})
}

// recent reports whether a process has opened something of a version within a second,
// so that the thousands of files of one loop cost one look at /proc.
func (u *uses) recent(o opener, now time.Time) bool {
	at, ok := u.asked.Get(o)
	if ok && now.Sub(at) < recheck {
		return true
	}
	u.asked.Add(o, now)
	return false
}

// use notes that a job uses a version of this side. It never fails: a read is worth more
// than its history.
func (t *Tree) use(ctx context.Context, id, name string, to manifest.Target) {
	if t.opt.NoUses {
		return
	}
	if to.In == "" {
		to = t.own(ctx, name, to.Version)
	}
	k := pinKey{id, name, manifest.UseOf(to)}
	n, first := t.uses.begin(k, t.opt.Now())
	if !first {
		return
	}
	go func() {
		defer close(n.done)
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), t.data.Deadline())
		defer cancel()
		t.snap.init()
		if _, _, err := t.pin(ctx, k, to, 0); err != nil {
			t.opt.Log.Warn("a use is noted on this node only", "job", id, "artifact", name, "version", to.String(), "err", err)
			t.snap.mu.Lock()
			t.snap.known.Add(k, t.inMemory(k, to))
			t.snap.mu.Unlock()
		}
	}()
	select {
	case <-n.done:
	case <-time.After(useWait):
	}
}

// begin returns the note of a use, and whether the caller is the one who makes it.
func (u *uses) begin(k pinKey, now time.Time) (*note, bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if n, ok := u.notes.Get(k); ok && now.Sub(n.at) < noteAgain {
		return n, false
	}
	n := &note{at: now, done: make(chan struct{})}
	u.notes.Add(k, n)
	return n, true
}

// settle waits for the notes of a job that are on their way.
func (u *uses) settle(id string) error {
	end := time.After(logWait)
	for _, k := range u.notes.Keys() {
		n, ok := u.notes.Peek(k)
		if !ok || k.id != id {
			continue
		}
		select {
		case <-n.done:
		case <-end:
			return fmt.Errorf("what job %s used is still being noted", id)
		}
	}
	return nil
}

// used returns the versions that the caller's job has used, as references, sorted. With
// an error it may lack some.
func (t *Tree) used(ctx context.Context) ([]string, error) {
	if t.opt.NoUses {
		return nil, nil
	}
	id := t.jobOf(ctx)
	if id == "" {
		return nil, nil
	}
	late := t.uses.settle(id)
	pins, err := t.noted(ctx, id)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	t.snap.init()
	t.snap.mu.Lock()
	for _, k := range t.snap.known.Keys() {
		if p, ok := t.snap.known.Peek(k); ok && k.id == id && p.here {
			pins = append(pins, p.pin)
		}
	}
	t.snap.mu.Unlock()
	var refs []string
	for _, p := range pins {
		if p.IsUse() {
			refs = append(refs, t.whole().refOf(ctx, p.Name, p.Target))
		}
	}
	slices.Sort(refs)
	return slices.Compact(refs), errors.Join(late, err)
}
