package cache

import (
	"testing"
	"time"
)

// A store nearby that answers late while it is busy is not taken for one far away; one to
// which the way has become long is, in a while.
func TestPace(t *testing.T) {
	const near, late = time.Millisecond, 20 * time.Millisecond
	now := time.Now()
	var p pace
	say := func(after, took time.Duration, want bool) {
		t.Helper()
		now = now.Add(after)
		if p = p.note(now, took); p.isFar() != want {
			t.Errorf("after an answer in %v: far is %v, want %v", took, !want, want)
		}
	}
	say(0, late, true)
	say(0, near, false) // it was a new connection
	for range 100 {
		say(10*time.Millisecond, late, false)
	}
	say(paceWhile, late, false)
	say(paceWhile+1, late, true)
	say(time.Second, near, false)
}
