package resolver

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// However many ask, it is done once a second; nobody is answered by what was begun
// before they asked, and who comes alone does not wait.
func TestSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s seldom
		var begun atomic.Int64
		do := func() { begun.Add(1) }
		start := time.Now()
		ok(t, s.ask(ctx, do))
		if waited := time.Since(start); waited != 0 || begun.Load() != 1 {
			t.Errorf("the first waited %v, and it was done %d times", waited, begun.Load())
		}
		const users, each = 100, 5
		var asking sync.WaitGroup
		for range users {
			asking.Go(func() {
				for range each {
					before := begun.Load()
					ok(t, s.ask(ctx, do))
					if begun.Load() == before {
						t.Error("answered by what was done before")
					}
				}
			})
		}
		asking.Wait()
		if n, took := begun.Load(), time.Since(start); n != 1+each || took != each*seldomEvery {
			t.Errorf("%d users asked %d times, and it was done %d times in %v", users, each, n, took)
		}
		gone, cancel := context.WithTimeout(ctx, seldomEvery/2)
		defer cancel()
		if err := s.ask(gone, do); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("who left got %v", err)
		}
		time.Sleep(10 * seldomEvery)
		start = time.Now()
		ok(t, s.ask(ctx, do))
		if waited := time.Since(start); waited != 0 {
			t.Errorf("after a pause one waited %v", waited)
		}
	})
}

func TestRefreshFile(t *testing.T) {
	s := newSite(t, nil)
	s.file("d/x", "1")
	s.log("a", "d")
	h, err := s.walk1(".artifactfs/refresh").Node.(Control).Open(ctx, 0)
	ok(t, err)
	for range 2 {
		s.want("data", s.read("a/v1/x"), "1")
		if s.shown.Len() == 0 {
			t.Fatal("nothing is remembered of a version that was read")
		}
		if n, err := h.Write(ctx, []byte("1\n"), 0); n != 2 || err != nil {
			t.Errorf("Write = %d, %v", n, err)
		}
		if n := s.shown.Len(); n != 0 {
			t.Errorf("%d versions are remembered", n)
		}
	}
}
