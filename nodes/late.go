//go:build linux

package nodes

import (
	"sync"
	"time"
)

// asksAgain is how long after an error the kernel may ask again by itself.
const asksAgain = time.Second

// late is what was not there by its deadline, of one open file. When a read of several
// pages fails, the kernel asks for each page that is wanted once more before it says so
// to the reader, who would wait for another deadline.
type late struct {
	mu       sync.Mutex
	from, to int64
	at       time.Time
	err      error
}

// note keeps that these bytes did not come. Requests that failed together count as one.
func (l *late) note(off int64, n int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	from, to := off, off+int64(n)
	if l.err != nil && time.Since(l.at) < asksAgain {
		from, to = min(from, l.from), max(to, l.to)
	}
	l.from, l.to, l.at, l.err = from, to, time.Now(), err
}

// again is the error of what did not come a moment ago, if some of these bytes are of that.
func (l *late) again(off int64, n int) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil || time.Since(l.at) >= asksAgain || off >= l.to || off+int64(n) <= l.from {
		return nil
	}
	return l.err
}
