//go:build linux

package fs

import (
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"
)

// Memory is given back in pauses after much was asked for, twice, and then not before much has been asked for again.
func TestPauses(t *testing.T) {
	var p pauses
	requests := int64(0)
	for i, step := range []struct {
		asked int64
		want  bool
	}{
		{0, false}, {fewAsk - 1, false}, // nothing to give back
		{muchAsked, false}, {fewAsk, false}, // busy
		{fewAsk - 1, true}, {0, true}, {0, false},
		{fewAsk - 1, false}, {0, false}, // somebody asks for the status
		{muchAsked, false}, {0, true}, {muchAsked, false}, {0, true}, {1, true}, {1, false},
	} {
		requests += step.asked
		if got, _ := p.next(requests); got != step.want {
			t.Errorf("step %d, %d requests: %v", i, step.asked, got)
		}
	}
}

// A long pause is told of once, when it has lasted.
func TestLongPause(t *testing.T) {
	var p pauses
	requests, told := int64(0), []int{}
	for i := range 4 * longPause {
		if i == longPause/2 || i == 3*longPause {
			requests += fewAsk
		}
		if _, long := p.next(requests); long {
			told = append(told, i)
		}
	}
	if want := []int{longPause/2 + longPause}; !slices.Equal(told, want) {
		t.Errorf("told at %v, want %v", told, want)
	}
}

// Threads that do nothing end, and no more of them.
func TestEndThreads(t *testing.T) {
	const more = 20
	before := threads()
	var busy sync.WaitGroup
	gate := make(chan struct{})
	for range more {
		busy.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			<-gate
		})
	}
	for threads() < before+more {
		runtime.Gosched()
	}
	close(gate)
	busy.Wait()
	for start := time.Now(); threads() > before+2; { // another may begin at any time
		if time.Since(start) > 30*time.Second {
			t.Fatalf("%d threads, were %d", threads(), before)
		}
		endThreads(threads() - before)
		time.Sleep(time.Millisecond)
	}
	endThreads(-1)
	endThreads(0)
}
