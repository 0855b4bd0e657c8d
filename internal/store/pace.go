package store

import (
	"sync"
	"time"
)

// Pace is how long a store takes to begin an answer: the least in a while, for a busy
// machine, a new connection, or many answers at once say nothing of the way. A mean would
// take a store nearby for one far away while much is read of it. It is safe for concurrent
// use, and its zero value knows nothing.
type Pace struct {
	mu           sync.Mutex // guards what follows
	begun        time.Time  // of this while
	least, prior time.Duration
}

// paceWhile is how long the least is believed, and half of how long after a change of the
// way a store is still taken to be near.
const paceWhile = 10 * time.Second

// Note takes in one more answer, which came at now.
func (p *Pace) Note(now time.Time, took time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now.Sub(p.begun) > paceWhile {
		p.begun, p.least, p.prior = now, took, p.least
		return
	}
	p.least = min(p.least, took)
}

// Least returns the least in a while; 0 if there was no answer yet.
func (p *Pace) Least() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.prior == 0 {
		return p.least
	}
	return min(p.least, p.prior)
}

// Paced is an Object whose store has been asked for other things, as for a listing, when
// nothing else was under way.
type Paced interface {
	// Pace returns the least time in a while that the store took to answer; 0 if that is
	// not known.
	Pace() time.Duration
}
