package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"artifactfs.dev/artifactfs/fs"
)

// A daemon that is killed is not gone while one of its threads waits for a FUSE file
// system below a data root which has taken the request and does not answer: nothing
// ends that wait, the thread keeps /dev/fuse open, and the kernel waits for answers
// that nobody will give. So its supervisor looks whether it is dying, and then ends
// its connection.

const (
	lookDying = 500 * time.Millisecond // between two looks
	dies      = 200 * time.Millisecond // what dies in peace needs less
)

var errStuck = errors.New("it was killed, and cannot end: it waits for a file system that does not answer")

// dying reports whether a process has been killed and is not gone.
func dying(pid int) bool {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch key {
		case "State":
			if strings.HasPrefix(value, "Z") { // its first thread has ended, others have not
				return true
			}
		case "SigPnd":
			pending, _ := strconv.ParseUint(value, 16, 64)
			return pending&(1<<(unix.SIGKILL-1)) != 0
		}
	}
	return false
}

// stuck ends the connection of a daemon that is dying, if it is still that which is
// to answer for the mount.
func (v *supervisor) stuck() {
	if _, err := ask(v.s.Dir, dies); !errors.Is(err, errNoAnswer) || !v.ours() {
		return
	}
	if err := fs.Abort(v.s.Dir); err != nil {
		v.log.Error("who waits for the daemon that was killed goes on waiting", "dir", v.s.Dir, "err", err)
	}
}
