package cache

import "sync"

// Of reading ahead. Nothing is fetched ahead for the first readOn bytes of a run: a
// random read of 256 KiB may come as two of 128 KiB. After them, as much as was read of
// the run, so that no pattern of reads fetches more than twice what it reads; who
// began at the start of the file, or has read on for long, is likelier to go on, and
// gets startFactor times that. Of a store that is far away a file's start
// brings more, and earlier: with each round trip that is waited for half a file of 5 MiB
// could have come.
const (
	readOn         = 512 << 10
	readOnStart    = 256 << 10
	readOnStartFar = 64 << 10
	startFactor    = 4
	startFactorFar = 8
	readLong       = 8 << 20
	farthest       = 128 << 20 // sixteen requests of 8 MiB
	nearby         = 256 << 10 // the kernel asks out of order
	wholeBelow     = 1 << 20   // files up to it are fetched with one request
	runsKept       = 4         // threads that read one open file
)

// Of requests. At 20 ms and 25 MiB/s one of 4 MiB has nine tenths of its connection,
// and thirty-two of them nearly twice what sixteen of 8 MiB have (measured: 675 MiB/s,
// 361). On a short way a request costs more than it waits.
const (
	longest     = maxUnits * unit
	longestFar  = 4 << 20
	shortest    = 4 << 20
	shortestFar = 512 << 10
	farDemand   = 256 << 10
)

// requestLength is how long the requests are that fetch n bytes ahead: a few at once,
// as soon as they are long enough to be worth it.
func requestLength(n int64, isFar bool) int64 {
	if isFar {
		return min(max(n/16, shortestFar), longestFar) / unit * unit
	}
	return min(max(n/2, shortest), longest) / unit * unit
}

// ahead sees the reads of one open file, and says what to fetch before it is asked for.
type ahead struct {
	mu   sync.Mutex // guards what follows
	runs [runsKept]run
	tick int
}

// run is reading from front to back.
type run struct {
	start, end int64
	until      int64 // what was said to be fetched
	used       int   // when, in ticks; 0: never
}

// next notes a read, and returns the range to fetch now; an empty one as a rule.
// most is how far ahead it may be.
func (a *ahead) next(off, n, most int64, isFar bool) (from, to int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.tick++
	r := a.run(off)
	r.used = a.tick
	r.end = max(r.end, off+n)
	window := min(r.window(isFar), most, farthest)
	r.until = max(r.until, r.end)
	if window == 0 || r.until-r.end > window/2 {
		return 0, 0
	}
	from, to = r.until, r.end+window
	r.until = to
	return from, to
}

// window is how far ahead of the run's end to fetch.
func (r *run) window(isFar bool) int64 {
	length := r.end - r.start
	switch {
	case isFar && r.start == 0 && length > readOnStartFar:
		return length * startFactorFar
	case r.start == 0 && length > readOnStart, length > readLong:
		return length * startFactor
	case length > readOn:
		return length
	}
	return 0
}

// run returns the run that a read at off goes on with, or a new one in place of the
// one that was unused the longest.
func (a *ahead) run(off int64) *run {
	oldest := &a.runs[0]
	for i := range a.runs {
		r := &a.runs[i]
		if r.used > 0 && off >= r.start && off >= r.end-r.slack() && off <= r.end+r.slack() {
			return r
		}
		if r.used < oldest.used {
			oldest = r
		}
	}
	*oldest = run{start: off, end: off, until: off}
	return oldest
}

// slack is how far from a run's end a read may be that belongs to it: a short run says
// little.
func (r *run) slack() int64 {
	if length := r.end - r.start; length < nearby {
		return length / 2
	}
	return nearby
}
