package resolver

import (
	"testing"
	"time"
)

// Between one writer's listing and its mkdir the others' listings wait, and see
// what it made; one that makes nothing is not waited for long.
func TestListersWaitForAWriter(t *testing.T) {
	s := newSite(t, nil)
	s.file("d/x", "1")
	s.log("a", "d")
	one, _ := s.writer()
	two, _ := s.writer()
	d := s.dirAt(".manifest/a")
	list := func(w writer) (names int) {
		l, err := d.ReadDir(w.ctx)
		if err != nil {
			t.Error(err)
		}
		for _, e := range l {
			if _, version := canonical(e.Name); version {
				names++
			}
		}
		return names
	}

	list(one)
	list(one) // its own listing does not wait for itself
	got := make(chan int)
	go func() { got <- list(two) }()
	select {
	case n := <-got:
		t.Fatalf("another lists %d versions while a writer has its turn", n)
	case <-time.After(turnHold / 4):
	}
	_, err := d.Mkdir(one.ctx, "v2")
	ok(t, err)
	if n := <-got; n != 2 {
		t.Errorf("it lists %d versions after the mkdir, want 2", n)
	}

	start := time.Now()
	list(one) // two has made nothing, and its time runs out
	if took := time.Since(start); took > turnWait {
		t.Errorf("waited %v for a reader", took)
	}
}
