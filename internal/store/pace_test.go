package store

import (
	"testing"
	"time"
)

// A store nearby that answers late while it is busy stays near; the way to it may become
// long, and is found out in a while.
func TestPace(t *testing.T) {
	const near, late = time.Millisecond, 20 * time.Millisecond
	now := time.Now()
	var p Pace
	say := func(after, took, want time.Duration) {
		t.Helper()
		now = now.Add(after)
		if p.Note(now, took); p.Least() != want {
			t.Errorf("after an answer in %v: the least is %v, want %v", took, p.Least(), want)
		}
	}
	say(0, late, late)
	say(0, near, near) // it was a new connection
	for range 100 {
		say(10*time.Millisecond, late, near)
	}
	say(paceWhile, late, near)
	say(paceWhile+1, late, late)
	say(time.Second, near, near)
}
