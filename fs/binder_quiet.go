//go:build linux

package fs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A version turns into another directory when it is bound, to whoever is in it:
//   - A walk that climbs by ".." steps into what has been bound above it meanwhile:
//     fts(3), and so find, du and rm -r, then finds another directory than it left.
//     Such a walk always has a directory open.
//   - cp finds another file than the one it has just looked at, rsync another directory
//     than the one it has just changed to (ELOOP).
//   - A shell that has changed to it is below the bind, and `rsync ./` there finds
//     that for as long as the shell stays.

// errUsed is that somebody came since it was quiet.
var errUsed = errors.New("somebody uses it")

// used reports whether somebody is in the middle of something in a version that was
// to be bound at begun.
func (b *binder) used(v version, begun time.Time) bool {
	if time.Since(begun) >= usedAll {
		return b.lanes.OpenDirs(v.name, v.n) > 0
	}
	return b.inUse(v.name, v.n)
}

// quiet waits until nobody is in the version by way of FUSE.
func (b *binder) quiet(ctx context.Context, v version, begun time.Time) error {
	const pace = 20 * time.Millisecond
	wait := pace
	for {
		why := "somebody has a directory of it open for long"
		if !b.used(v, begun) {
			pid := b.inside(v)
			if pid == 0 {
				return nil
			}
			why = fmt.Sprintf("process %d has it as its working directory", pid)
			wait = min(2*wait, time.Second)
		} else {
			wait = pace
		}
		if time.Since(begun) >= waitQuiet {
			return errors.New(why + ": to be tried again")
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		case <-b.ctx.Done():
			return errEnded
		}
	}
}

// inside returns a process whose working directory is in the version, 0 if there is
// none. The kernel tells without asking anybody; where the mount is seen by another
// path, and where processes are not seen, it does not.
func (b *binder) inside(v version) int {
	proc, err := os.Open("/proc")
	if err != nil {
		return 0
	}
	defer proc.Close()
	names, _ := proc.Readdirnames(-1)
	b.mu.Lock()
	dev := b.dev
	b.mu.Unlock()
	path := fmt.Sprintf("/%s/v%d", v.name, v.n)
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		cwd := "/proc/" + name + "/cwd"
		var st unix.Statx_t
		err = unix.Statx(unix.AT_FDCWD, cwd, unix.AT_STATX_DONT_SYNC|unix.AT_NO_AUTOMOUNT, unix.STATX_TYPE, &st)
		if err != nil || unix.Mkdev(st.Dev_major, st.Dev_minor) != dev {
			continue
		}
		if at, err := os.Readlink(cwd); err == nil && strings.Contains(at+"/", path+"/") {
			return pid
		}
	}
	return 0
}
