package store

import (
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// withUmask runs fn on a thread with that umask. Threads share it, with the working
// directory, until one unshares them; and a thread that has may share its own with
// one that the runtime makes of it later, so each time unshares again. That is no
// more than a look where there is nothing to be unshared. While the thread is locked
// the runtime makes none of it. This process's own umask has to be settled before the
// first call: it can be changed for all threads no more.
func withUmask(mask int, fn func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return fmt.Errorf("taking the caller's umask: %w", err)
	}
	old := unix.Umask(mask)
	defer unix.Umask(old)
	return fn()
}
