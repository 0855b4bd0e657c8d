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

// answered notes how long a store took to begin an answer. The least counts: a busy
// machine, or a new connection, says nothing of the way. What is more is believed slowly.
func (c *Cache) answered(key string, took time.Duration) {
	place := placeOf(key)
	c.mu.Lock()
	defer c.mu.Unlock()
	before, ok := c.answers[place]
	switch {
	case !ok && len(c.answers) >= manyPlaces:
		clear(c.answers)
	case ok && took > before:
		took = before + (took-before)/8
	}
	c.answers[place] = took
}

// far reports whether an object's store is far away, as far as is known.
func (o *object) far() bool {
	o.c.mu.Lock()
	defer o.c.mu.Unlock()
	return o.c.answers[placeOf(o.key)] > far
}
