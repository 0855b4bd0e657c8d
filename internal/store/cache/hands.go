package cache

import (
	"sync"
	"sync/atomic"
)

// hands tells whether all that lies in an object's new files was written by this process:
// while nobody writes, their stamp must not change. What another does in between the
// writes of one burst goes unseen here, as it does in a file that is passed through once
// its pages have left memory.
type hands struct {
	ours atomic.Bool // set when the files are made, and never again

	mu      sync.Mutex // guards what follows; held while the disk is asked for a stamp
	writers int        // fetches
	last    stamp      // of the data file, when the last of them ended
}

// begin is called before something is written.
func (d *disk) begin() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.writers++; d.writers > 1 || !d.ours.Load() {
		return
	}
	if now, err := stampOf(d.data); err != nil || now != d.last {
		d.ours.Store(false)
	}
}

// end is called after that.
func (d *disk) end() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.writers--; d.writers > 0 || !d.ours.Load() {
		return
	}
	var err error
	if d.last, err = stampOf(d.data); err != nil {
		d.ours.Store(false)
	}
}

// untouched returns the data file's stamp after the last write. It is false while anybody
// writes, and if somebody else has, or what was written was found damaged.
func (d *disk) untouched() (stamp, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.last, d.ours.Load() && d.writers == 0
}
