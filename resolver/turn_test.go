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

	turns := &s.Tree.drafts
	turnOf := func(w writer) *turn {
		t.Helper()
		turns.mu.Lock()
		defer turns.mu.Unlock()
		if len(turns.turns) != 1 || turns.turns["a"] == nil || turns.turns["a"].by != ownerOf(w.ctx) {
			t.Fatalf("the turns are %v, want one of process %d", turns.turns, ownerOf(w.ctx).process)
		}
		return turns.turns["a"]
	}

	begun := time.Now()
	list(one)
	list(one) // its own listing does not wait for itself
	its := turnOf(one)
	turns.mu.Lock()
	if left := its.until.Sub(begun); left < turnHold {
		t.Errorf("a writer has its turn for %v", left)
	}
	its.until = time.Now().Add(time.Hour) // however slow this machine is
	turns.mu.Unlock()
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

	its = turnOf(two) // which has made nothing, and its time runs out
	turns.mu.Lock()
	if left := time.Until(its.until); left > turnHold+20*turnEntry {
		t.Errorf("a reader is waited for %v", left)
	}
	turns.mu.Unlock()
	list(one)
	turnOf(one)
}
