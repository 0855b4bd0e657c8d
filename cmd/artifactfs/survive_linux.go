package main

import (
	"os"
	"time"
)

// startupTime is how long a daemon whose supervisor has died may take to be ready.
const startupTime = 20 * time.Second

// survived waits for what becomes of a mount whose supervisor died before it could
// say: its daemon, if there is one, gets ready and starts another supervisor. If all
// are gone, or that does not come about, the mount point is free again, or is as
// soon as the daemon sees that its state is gone: see watch.
func survived(s *state, supervisor int, lk *os.File) bool {
	lk.Close() // who else was given it holds it as well
	for end := time.Now().Add(startupTime); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		now, err := readState(s.file)
		if err != nil || !now.Started.Equal(s.Started) {
			return false
		}
		if now.Daemon != 0 && now.Supervisor != supervisor && alive(now.Supervisor) {
			return true
		}
		lk, free, err := lock(s.Dir)
		if err != nil {
			return false
		}
		if free {
			defer lk.Close()
			if check(s.Dir) == dead {
				_ = detach(s.Dir)
			}
			_ = os.Remove(s.lockFile())
			return false
		}
	}
	return false
}
