package store

import (
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// watchEvery is how often an access asks whether the mounts have changed.
// Following a path asks each time.
const watchEvery = 50 * time.Millisecond

// mounts follows this process's mount table.
type mounts struct {
	gateOf  func(dev string) *gate
	start   time.Time
	checked atomic.Int64 // since start, of the last poll
	table   atomic.Pointer[mountTable]

	mu   sync.Mutex // one reader of file at a time; procfs does not wait for storage
	file *os.File   // /proc/self/mountinfo; nil where there is none
}

func newMounts(gateOf func(string) *gate) *mounts {
	m := &mounts{gateOf: gateOf, start: time.Now()}
	m.table.Store(parseMounts(nil, gateOf))
	// Opened raw, so that the runtime's poller does not take the event away.
	if fd, err := unix.Open("/proc/self/mountinfo", unix.O_RDONLY|unix.O_CLOEXEC, 0); err == nil {
		m.file = os.NewFile(uintptr(fd), "/proc/self/mountinfo")
		m.read()
	}
	return m
}

// current returns the mounts; fresh ones if the caller is about to follow a
// path that anybody may have chosen.
func (m *mounts) current(fresh bool) *mountTable {
	now := int64(time.Since(m.start))
	if m.file == nil || !fresh && now-m.checked.Load() < int64(watchEvery) {
		return m.table.Load()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.checked.Store(now)
	p := []unix.PollFd{{Fd: int32(m.file.Fd()), Events: unix.POLLPRI}}
	if n, err := unix.Poll(p, 0); err != nil || n > 0 {
		m.read()
	}
	return m.table.Load()
}

// read keeps the last table if mountinfo cannot be read.
func (m *mounts) read() {
	b, err := io.ReadAll(io.NewSectionReader(m.file, 0, 1<<26))
	if err == nil {
		m.table.Store(parseMounts(b, m.gateOf))
	}
}
