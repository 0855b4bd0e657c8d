package cache

import (
	"strings"
	"time"
)

// far is how long a store takes to begin an answer that is not nearby: as long as it
// takes to send 128 KiB at 25 MiB/s. From there many requests at once bring more than
// long ones.
const far = 5 * time.Millisecond

// placeOf is the part of a key that names the store: an URI's scheme and bucket.
func placeOf(key string) string {
	scheme, rest, ok := strings.Cut(key, "://")
	if !ok {
		before, _, _ := strings.Cut(key, ":")
		return before
	}
	host, _, _ := strings.Cut(rest, "/")
	return scheme + "://" + host
}

// manyPlaces bounds how many stores' times are kept.
const manyPlaces = 1024

// pace is how long a store takes to begin an answer: the least in a while, for a busy
// machine, a new connection, or many answers at once say nothing of the way. A mean would
// take a store nearby for one far away while much is read of it, and what is read then in
// short requests is slower still.
type pace struct {
	begun        time.Time // of this while
	least, prior time.Duration
}

// paceWhile is how long the least is believed, and half of how long after a change of the
// way a store is still taken to be near.
const paceWhile = 10 * time.Second

// note takes in one more answer.
func (p pace) note(now time.Time, took time.Duration) pace {
	if now.Sub(p.begun) > paceWhile {
		return pace{begun: now, least: took, prior: p.least}
	}
	p.least = min(p.least, took)
	return p
}

// isFar reports whether that is as long as of a store that is not nearby.
func (p pace) isFar() bool {
	return p.least > far && (p.prior == 0 || p.prior > far)
}

// answered notes how long a store took to begin an answer.
func (c *Cache) answered(key string, took time.Duration) {
	place := placeOf(key)
	c.mu.Lock()
	defer c.mu.Unlock()
	before, ok := c.answers[place]
	if !ok && len(c.answers) >= manyPlaces {
		clear(c.answers)
	}
	c.answers[place] = before.note(time.Now(), took)
}

// far reports whether an object's store is far away, as far as is known.
func (o *object) far() bool {
	o.c.mu.Lock()
	defer o.c.mu.Unlock()
	return o.c.answers[placeOf(o.key)].isFar()
}
