//go:build linux

package fs

import (
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
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
		if got, _ := p.next(requests, 0); got != step.want {
			t.Errorf("step %d, %d requests: %v", i, step.asked, got)
		}
	}
}

// So it is after few requests that took much memory, but what stays is not given back again and again.
func TestPausesOfMemory(t *testing.T) {
	p := pauses{held: 20 << 20}
	requests := int64(0)
	for i, step := range []struct {
		asked, held int64
		want        bool
	}{
		{0, 20 << 20, false}, {1, 20<<20 + muchHeld - 1, false}, // it is little
		{fewAsk, 80 << 20, false}, {0, 80 << 20, true}, {0, 60 << 20, true}, // and 50 MiB stay
		{0, 50 << 20, false}, {0, 50<<20 + muchHeld - 1, false}, {0, 50<<20 + muchHeld, true}, {0, 50 << 20, true}, {0, 50 << 20, false},
	} {
		requests += step.asked
		if got, _ := p.next(requests, step.held); got != step.want {
			t.Errorf("step %d, %d bytes: %v", i, step.held, got)
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
		if _, long := p.next(requests, 0); long {
			told = append(told, i)
		}
	}
	if want := []int{longPause/2 + longPause}; !slices.Equal(told, want) {
		t.Errorf("told at %v, want %v", told, want)
	}
}

// Threads that do nothing end: not those in system calls, and no others are begun for them.
func TestEndThreads(t *testing.T) {
	const more, waiting, few = 20, 60, 6
	waits(t, waiting)
	var begun, busy sync.WaitGroup
	gate := make(chan struct{})
	begun.Add(more)
	for range more {
		busy.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			begun.Done()
			<-gate
		})
	}
	begun.Wait()
	close(gate)
	busy.Wait()
	before, _ := threads()
	for most, end := before, time.Now().Add(30*time.Second); ; {
		endThreads(idleThreads() - few)
		for next := time.Now().Add(time.Second); idleThreads() > few+4 && time.Now().Before(next); { // another may begin at any time
			n, _ := threads()
			most = max(most, n)
		}
		if most > before+waiting/2 {
			t.Fatalf("%d threads, were %d", most, before)
		}
		if idleThreads() <= few+4 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%d threads do nothing, want %d", idleThreads(), few)
		}
	}
	endThreads(-1)
	endThreads(0)
}

// waits has n threads wait in a system call until the test ends.
func waits(t *testing.T, n int) {
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	var waiting sync.WaitGroup
	t.Cleanup(func() {
		unix.Close(p[1])
		waiting.Wait()
		unix.Close(p[0])
	})
	for range n {
		waiting.Go(func() { _, _ = unix.Read(p[0], make([]byte, 1)) })
	}
	for _, calls := threads(); calls < n; _, calls = threads() {
		runtime.Gosched()
	}
}

// A kernel that is asked to forget, and has nothing to, is asked ever more rarely; one that forgot, at once again.
func TestAsks(t *testing.T) {
	var a asks
	var at []int
	for look := range 300 {
		if a.now(look != 250) {
			at = append(at, look)
		}
	}
	if want := []int{0, 1, 3, 7, 15, 31, 63, 127, 191, 251, 252, 254, 258, 266, 282}; !slices.Equal(at, want) {
		t.Errorf("asked at looks %v, want %v", at, want)
	}
}
