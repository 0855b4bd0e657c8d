//go:build linux

package acceptance

import (
	"sync/atomic"
	"time"
)

const (
	// soon is how long what must come at last may take, and no promise says when: on a busy machine.
	soon = 30 * time.Second

	beat    = 10 * time.Millisecond
	longest = 50 * time.Millisecond // that a beat may count for
)

// running is how long this machine has run since the tests began. It stands still while the machine does, as one of CI's may for a second:
// what is promised in seconds is promised of one that runs.
var running atomic.Int64

func keepTime() {
	for was := time.Now(); ; {
		time.Sleep(beat)
		now := time.Now()
		running.Add(int64(min(now.Sub(was), longest)))
		was = now
	}
}

// ran returns that time; what something took is the difference of two.
func ran() time.Duration { return time.Duration(running.Load()) }
