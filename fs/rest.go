//go:build linux

package fs

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"artifactfs.dev/artifactfs/nodes"
)

// A name that the kernel knows costs the daemon a kilobyte, and the kernel forgets none
// while it has memory left. So it is asked to, when it knows very many, and in long
// pauses. What it has forgotten is given back in pauses: Go's runtime by itself gives
// it back late or, where a few answers that are kept lie scattered over it, never.

const (
	lookEvery = time.Second // at how many names the kernel knows
	restEvery = 5           // looks
	fewAsk    = 100         // requests in that time which are no work: a status, a metrics scrape
	muchAsked = 4096        // requests, of which forgets are some, after which there is something to give back,
	muchHeld  = 16 << 20    // or so many bytes more than were left the last time: a read may need a MiB
	restTwice = 2           // what the first time finds dead, the second sweeps up
	longPause = 120         // rests, ten minutes, after which names are forgotten that nobody uses,
	fewNames  = 4096        // if they are more than these
	longAsk   = 64          // looks between two askings of a kernel that has nothing to forget
)

// mostNames bounds what the kernel knows: so that the daemon's memory stays below a
// thirty-second of the machine's. What is bound does not count: the kernel serves it
// without us. Where more names are in use, each walk is as slow as the first (measured,
// 300,000 names: 6 s, 0.6 s while all are known), so it is not to be a low bound.
var mostNames = sync.OnceValue(func() int {
	const perName = 1 << 10
	var si unix.Sysinfo_t
	if err := unix.Sysinfo(&si); err != nil {
		return leastNames
	}
	return max(leastNames, int(uint64(si.Totalram)*uint64(si.Unit)/32/perName))
})

// leastNames is the bound on a small machine: some 200 MB.
const leastNames = 200_000

// rest gives memory back in pauses, until the mount ends.
func (s *Server) rest() {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	p, a := pauses{held: held()}, asks{}
	most := idleThreads()
	for look := 1; ; look++ {
		select {
		case <-s.ended:
			return
		case <-tick.C:
		}
		if a.now(nodes.Known(s.root) > s.most) {
			s.prune(s.most-s.most/4, false)
		}
		if look%restEvery != 0 {
			continue
		}
		give, long := p.next(s.counts.Total(), held())
		if long && nodes.Known(s.root) > fewNames {
			s.prune(0, true)
		}
		if give {
			s.tree.Trim()
			nodes.Trim(s.root)
			debug.FreeOSMemory()
			endThreads(idleThreads() - most)
		}
	}
}

// prune has the kernel forget names, if it can.
func (s *Server) prune(keep int, unopened bool) {
	if s.noPrune {
		return
	}
	if err := nodes.Prune(s.root, keep, unopened); err != nil {
		s.noPrune = true
		s.log.Debug("the kernel forgets names when it lacks memory only", "why", err)
	}
}

// asks finds the looks at which the kernel is asked to forget. An asking sorts all names: where
// all are in use, it helps nothing, and comes ever more rarely.
type asks struct {
	left, wait int // looks: until the next, and between the last two
}

// now is told at each look whether there are too many names.
func (a *asks) now(many bool) bool {
	if !many {
		*a = asks{}
		return false
	}
	if a.left > 0 {
		a.left--
		return false
	}
	a.wait = min(max(1, 2*a.wait), longAsk)
	a.left = a.wait - 1
	return true
}

// threads is how many there are, and how many of them are in a system call: they may
// be waiting for a file system that hangs.
func threads() (all, calls int) {
	m := []metrics.Sample{{Name: "/sched/threads/total:threads"}, {Name: "/sched/goroutines/not-in-go:goroutines"}}
	metrics.Read(m)
	return int(m[0].Value.Uint64()), int(m[1].Value.Uint64())
}

func idleThreads() int {
	all, calls := threads()
	return all - calls
}

// endThreads ends n threads that do nothing, which Go's runtime keeps for ever: a
// goroutine that ends while it is locked to its thread takes it along. Beyond those that
// do nothing, it would begin others first.
func endThreads(n int) {
	var all sync.WaitGroup
	all.Add(max(0, n))
	for range n {
		go func() {
			runtime.LockOSThread()
			all.Done()
			all.Wait() // each has another thread
		}()
	}
}

// held is how many bytes Go's runtime has of the system.
func held() int64 {
	m := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(m)
	return int64(m[0].Value.Uint64() - m[1].Value.Uint64())
}

// pauses finds the times at which memory is worth giving back.
type pauses struct {
	seen, done int64 // requests, up to the last look and the last that was given back for
	held       int64 // bytes, after the last time
	gave       bool  // at the last look
	left       int   // times to come
	still      int   // looks since there was work
}

// next is told how many requests there were so far, and how many bytes are held. long is
// said once in each long pause.
func (p *pauses) next(requests, held int64) (give, long bool) {
	quiet := requests-p.seen < fewAsk
	p.seen = requests
	if p.gave {
		p.held = held
	}
	if requests-p.done >= muchAsked || held-p.held >= muchHeld {
		p.done, p.held, p.left = requests, held, restTwice
	}
	p.gave = quiet && p.left > 0
	if !quiet {
		p.still = 0
		return false, false
	}
	p.still++
	if p.gave {
		p.left--
	}
	return p.gave, p.still == longPause
}
