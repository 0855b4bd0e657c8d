//go:build linux

package acceptance

import (
	"sync/atomic"
	"testing"
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

// eventually polls until ok, and fails the test with what is said when that takes longer than allowed of a machine that runs.
func eventually(t *testing.T, within time.Duration, what string, ok func() error) time.Duration {
	t.Helper()
	start := ran()
	for {
		asked, err := ran(), ok()
		if err == nil {
			return ran() - start
		}
		if asked-start > within {
			t.Fatalf("%s: not within %v: %v", what, within, err)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
