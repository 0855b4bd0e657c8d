//go:build linux

package fs

import (
	"runtime/debug"
	"time"

	"artifactfs.dev/artifactfs/nodes"
)

// A daemon that shows a hundred thousand names holds a hundred megabytes. When the
// kernel has forgotten them and nobody asks for anything, it gives back what Go's
// runtime by itself gives back late or, where a few answers that are kept lie
// scattered over it, never.

const (
	restEvery = 5 * time.Second
	fewAsk    = 100  // requests in that time which are no work: a status, a metrics scrape
	muchAsked = 4096 // requests, of which forgets are some, after which there is something to give back
	restTwice = 2    // what the first time finds dead, the second sweeps up
)

// rest gives memory back in pauses, until the mount ends.
func (s *Server) rest() {
	tick := time.NewTicker(restEvery)
	defer tick.Stop()
	var p pauses
	for {
		select {
		case <-s.ended:
			return
		case <-tick.C:
		}
		if p.next(s.counts.Total()) {
			s.tree.Trim()
			nodes.Trim(s.root)
			debug.FreeOSMemory()
		}
	}
}

// pauses finds the times at which memory is worth giving back.
type pauses struct {
	seen, done int64 // requests, up to the last look and the last that was given back for
	left       int   // times to come
}

// next is told how many requests there were so far.
func (p *pauses) next(requests int64) bool {
	quiet := requests-p.seen < fewAsk
	p.seen = requests
	if requests-p.done >= muchAsked {
		p.done, p.left = requests, restTwice
	}
	if !quiet || p.left == 0 {
		return false
	}
	p.left--
	return true
}
