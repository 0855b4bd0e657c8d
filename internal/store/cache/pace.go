package cache

import (
	"strings"
	"time"

	"artifactfs.dev/artifactfs/internal/store"
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

// answered notes how long a store took to begin an answer. Where many are asked for at
// once from the start, all of them come late: what the store took to list, or to be looked
// at, counts too.
func (c *Cache) answered(src store.Object, took time.Duration) {
	if p, ok := src.(store.Paced); ok && p.Pace() > 0 {
		took = min(took, p.Pace())
	}
	place := placeOf(src.Key())
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.answers[place]
	if p == nil {
		if len(c.answers) >= manyPlaces {
			clear(c.answers)
		}
		p = &store.Pace{}
		c.answers[place] = p
	}
	p.Note(time.Now(), took)
}

// far reports whether an object's store is far away, as far as is known. Before its first
// answer that is what it took to be asked for other things: how the first requests are cut
// is how soon there are enough of them.
func (c *Cache) far(src store.Object) bool {
	c.mu.Lock()
	p := c.answers[placeOf(src.Key())]
	c.mu.Unlock()
	if p != nil {
		return p.Least() > far
	}
	o, ok := src.(store.Paced)
	return ok && o.Pace() > far
}
