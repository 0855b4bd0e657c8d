package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// job is one access: what it is called in errors, where, as whom, until when.
type job struct {
	op, path string
	mount    *mount
	creds    *creds // nil: the process's own
	inline   bool   // run it where it is asked for: it cannot hang
	until    time.Time
}

type outcome[T any] struct {
	v   T
	err error
}

// timers are kept: a new one for every access would cost as much as its slot.
var timers = sync.Pool{New: func() any { t := time.NewTimer(time.Hour); t.Stop(); return t }}

var errUnfinished = errors.New("the access ended without an answer")

// do runs fn as the job's caller, in a slot of its file system, in a goroutine
// of its own: the kernel may keep that thread for ever, the requester waits no
// longer than the deadline. A plain goroutine that locks its thread costs no
// thread switch as long as the request's goroutine is not locked itself. The
// slot is given back when fn has really returned. A value that comes too late
// goes to late (which may be nil) instead.
//
// Where nothing but this machine answers, nothing can hang, and fn runs at once:
// measured, waking a second thread for it doubles the cost of an open.
func do[T any](ctx context.Context, l *Local, j job, fn func() (T, error), late func(T)) (T, error) {
	var zero T
	if j.inline && j.mount.gate.try() {
		defer j.mount.gate.leave()
		return as(l.self, j.creds, fn, endProcess)
	}
	timer := timers.Get().(*time.Timer)
	timer.Reset(time.Until(j.until))
	defer func() { timer.Stop(); timers.Put(timer) }()

	if err := j.mount.gate.enter(ctx, timer.C); err != nil {
		return zero, j.turnedAway(l, err)
	}
	ch := make(chan outcome[T], 1)
	var settled atomic.Bool // by the first of: the answer, the deadline
	go func() {
		r := outcome[T]{err: errUnfinished}
		defer func() {
			j.mount.gate.leave()
			if settled.CompareAndSwap(false, true) {
				ch <- r
			} else if late != nil && r.err == nil {
				late(r.v)
			}
		}()
		r.v, r.err = as(l.self, j.creds, fn, func() {}) // a lost thread ends with this goroutine
	}()
	select {
	case r := <-ch:
		return r.v, r.err
	case <-timer.C:
	}
	if settled.CompareAndSwap(false, true) {
		return zero, fmt.Errorf("%s %s: no answer from %s within %v: %w", j.op, j.path, j.mount, l.Deadline(), os.ErrDeadlineExceeded)
	}
	r := <-ch
	return r.v, r.err
}

// as runs fn on a thread with credentials c. A thread that does not come back
// to the process's own stays locked to its goroutine, and lost must see to it
// that the goroutine serves nobody else.
func as[T any](p *process, c *creds, fn func() (T, error), lost func()) (v T, err error) {
	if c == nil {
		return fn()
	}
	runtime.LockOSThread()
	defer func() {
		if p.restore(c) != nil {
			lost()
			return
		}
		runtime.UnlockOSThread()
	}()
	if err := p.assume(c); err != nil {
		return v, fmt.Errorf("taking the caller's credentials: %w", err)
	}
	return fn()
}

// endProcess is for a goroutine that goes on serving others, on a thread with
// somebody's credentials. Only the kernel out of memory in the middle of a
// switch leads here; the daemon is made to be started again. The panic is in
// another goroutine so that nobody recovers it.
func endProcess() {
	go panic("store: a thread does not come back from its caller's credentials")
	select {}
}

func (j *job) turnedAway(l *Local, err error) error {
	if errors.Is(err, errFull) {
		return fmt.Errorf("%s %s: %d calls to %s have been waiting for up to %v: %w",
			j.op, j.path, cap(j.mount.gate.slots), j.mount, l.Deadline(), os.ErrDeadlineExceeded)
	}
	return fmt.Errorf("%s %s: %w", j.op, j.path, err)
}

func (m *mount) String() string {
	if m.fstype == "" {
		return m.point
	}
	return m.point + " (" + m.fstype + ")"
}
