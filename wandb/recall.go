package wandb

import (
	"context"
	"errors"
	"io/fs"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/sync/singleflight"
)

// recall remembers answers for a while. One that is too old is asked for anew, by
// one request however many want it; while that fails, the last answer goes on being
// given.
type recall[V any] struct {
	health *health
	ttl    time.Duration
	ask    func(ctx context.Context, key string) (V, error)

	flights singleflight.Group
	mu      sync.Mutex // makes a change of an entry one step
	entries *lru.Cache[string, answer[V]]
}

// answer is what was last known of a key.
type answer[V any] struct {
	value V
	have  bool // value was once given, and nothing has since said that it is gone
	at    time.Time

	err error // of the last question, if it had no value for an answer
	on  time.Time
}

// now returns what needs no question: an answer that is young enough.
func (a answer[V]) now(ttl time.Duration) (V, error, bool) {
	switch {
	case a.have && time.Since(a.at) < ttl:
		return a.value, nil, true
	case a.err != nil && time.Since(a.on) < ttl:
		v, err := a.last(a.err)
		return v, err, true
	}
	return a.value, nil, false
}

// last returns the last value, or else err.
func (a answer[V]) last(err error) (V, error) {
	if a.have {
		err = nil
	}
	return a.value, err
}

const (
	// patience is how long a caller waits for a server that may be down, when there
	// is a last answer, or another backend that can answer.
	patience = 3 * time.Second
	// askTime bounds the whole of one question. A listing of many pages takes long,
	// and goes on without whoever asked first.
	askTime = 5 * time.Minute
)

func newRecall[V any](h *health, size int, ttl time.Duration, ask func(context.Context, string) (V, error)) *recall[V] {
	return &recall[V]{health: h, ttl: ttl, ask: ask, entries: newLRU[string, answer[V]](size)}
}

// newLRU returns a cache of a size that is a constant.
func newLRU[K comparable, V any](size int) *lru.Cache[K, V] {
	c, err := lru.New[K, V](size)
	if err != nil {
		panic(err)
	}
	return c
}

// get returns the answer for key.
func (r *recall[V]) get(ctx context.Context, key string) (V, error) {
	a := r.known(key)
	if v, err, ok := a.now(r.ttl); ok {
		return v, err
	}
	if err := r.health.down(r.ttl); err != nil {
		return a.last(err)
	}
	unwell := r.health.unwell()
	var enough <-chan time.Time
	if a.have || unwell {
		t := time.NewTimer(patience)
		defer t.Stop()
		enough = t.C
	}
	flight := r.flights.DoChan(key, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askTime)
		defer cancel()
		if unwell {
			ctx = once(ctx)
		}
		v, err := r.ask(ctx, key)
		r.health.heard(err)
		r.keep(key, v, err)
		return nil, nil
	})
	select {
	case <-flight:
		a = r.known(key)
		return a.last(a.err)
	case <-enough:
		r.health.slow()
		return a.last(r.health.cause())
	case <-ctx.Done():
		return a.last(r.health.late(ctx))
	}
}

func (r *recall[V]) known(key string) answer[V] {
	r.mu.Lock()
	defer r.mu.Unlock()
	if a, ok := r.entries.Get(key); ok {
		return a
	}
	return answer[V]{}
}

func (r *recall[V]) keep(key string, v V, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	a, _ := r.entries.Get(key)
	switch {
	case err == nil:
		a = answer[V]{value: v, have: true, at: time.Now()}
	case errors.Is(err, fs.ErrNotExist):
		a = answer[V]{err: err, on: time.Now()}
	default:
		a.err, a.on = err, time.Now()
	}
	r.entries.Add(key, a)
}

// forget makes the next caller ask, about one key or all. The last answer stays for
// when nobody answers.
func (r *recall[V]) forget(key string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, k := range r.entries.Keys() {
		if a, ok := r.entries.Peek(k); ok && (key == "" || k == key) {
			a.at, a.on = time.Time{}, time.Time{}
			r.entries.Add(k, a)
		}
	}
}
