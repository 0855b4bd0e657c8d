package cache

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

// A disk may hang: a file server that is gone, a device that is suspended. Nothing ends a
// system call that waits for one, so whoever must not wait has it done by a goroutine
// of its own, and leaves when any access takes longer than patience. Until all of those
// have come back the disk is left alone, and reads go to the store.

// errHung is that the disk does not answer.
var errHung = errors.New("the disk does not answer")

// gateSlots is how many accesses are begun for others at a time: each may keep a thread.
const gateSlots = 128

// patience is how long the disk may take: what is left of a read's deadline is for the store.
func (c *Cache) patience() time.Duration { return c.deadline() / 4 }

// watched notes that the disk is used, until the function it returns is called.
func (c *Cache) watched() (end func()) {
	late, over := false, false // the mutex guards both
	timer := time.AfterFunc(c.patience(), func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if over {
			return
		}
		if late = true; c.hung == 0 {
			close(c.stuck)
			c.log.Warn("cache: the disk does not answer; nothing is kept until it does, and reads go to the store", "dir", c.dir)
		}
		c.hung++
	})
	return func() {
		if timer.Stop() {
			return
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if over = true; !late {
			return
		}
		if c.hung--; c.hung == 0 {
			c.stuck = make(chan struct{})
			c.log.Info("cache: the disk answers again", "dir", c.dir)
		}
	}
}

// on runs fn, which uses the disk, for somebody who may wait for that.
func (c *Cache) on(fn func() error) error {
	defer c.watched()()
	return fn()
}

// apart runs fn, which uses the disk, in a goroutine, and leaves it there when the disk
// hangs: errHung. Late, which may be nil, is run after fn when that has been left. begun is
// whether fn will have run at some time.
func (c *Cache) apart(ctx context.Context, fn func() error, late func()) (begun bool, err error) {
	stuck := c.stuckNow()
	select {
	case <-stuck:
		return false, errHung
	default:
	}
	select {
	case c.gate <- struct{}{}:
	case <-stuck:
		return false, errHung
	case <-ctx.Done():
		return false, ctx.Err()
	}
	done := make(chan error, 1)
	var settled atomic.Bool // by the first of: the answer, who leaves
	go func() {
		err := c.on(fn)
		<-c.gate
		if settled.CompareAndSwap(false, true) {
			done <- err
		} else if late != nil {
			late()
		}
	}()
	select {
	case err := <-done:
		return true, err
	case <-stuck:
		err = errHung
	case <-ctx.Done():
		err = ctx.Err()
	}
	if settled.CompareAndSwap(false, true) {
		return true, err
	}
	return true, <-done
}

// stuckNow returns what is closed when the disk hangs, and closed while it does.
func (c *Cache) stuckNow() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stuck
}

// until waits for what a goroutine that uses the disk will close; errHung if that hangs.
func (c *Cache) until(ctx context.Context, done <-chan struct{}) error {
	select {
	case <-done:
		return nil
	case <-c.stuckNow():
		return errHung
	case <-ctx.Done():
		return ctx.Err()
	}
}
