package store

import (
	"sync"
	"time"
)

// recent remembers answers for a while, and at most about 2*size of them: when
// the young half is full it becomes the old half and the old half is dropped,
// so what is used stays and nothing has to be scanned.
type recent[K comparable, V any] struct {
	size int
	keep time.Duration

	mu         sync.Mutex // guards the halves, never held across I/O
	young, old map[K]aged[V]
}

type aged[V any] struct {
	v  V
	at time.Time
}

func (r *recent[K, V]) get(k K) (v V, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	a, ok := r.young[k]
	if !ok {
		if a, ok = r.old[k]; ok {
			r.insert(k, a)
		}
	}
	if !ok || time.Since(a.at) >= r.keep {
		return v, false
	}
	return a.v, true
}

func (r *recent[K, V]) put(k K, v V) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.insert(k, aged[V]{v, time.Now()})
}

// trim drops what is too old to be given, and the older half.
func (r *recent[K, V]) trim() {
	r.mu.Lock()
	defer r.mu.Unlock()
	young := make(map[K]aged[V])
	for k, a := range r.young {
		if time.Since(a.at) < r.keep {
			young[k] = a
		}
	}
	r.young, r.old = young, nil
}

func (r *recent[K, V]) insert(k K, a aged[V]) {
	if r.young == nil || len(r.young) >= r.size {
		r.young, r.old = make(map[K]aged[V]), r.young
	}
	r.young[k] = a
}
