package store

import (
	"bytes"
	"math"
	"os"
	"strconv"
	"time"
)

const anyID = math.MaxUint32 // an id that no process has

// statuses is kept for the whole process: what /proc says of a pid does not
// depend on who asks. Reading it costs about 40 µs, keeping it makes the
// caller's switch affordable.
var statuses = statusCache{recent[Caller, status]{size: 2048, keep: time.Second}}

type statusCache struct{ recent[Caller, status] }

// status is what /proc/PID/status adds to the ids that FUSE gives.
type status struct {
	tgid   uint32
	groups []uint32 // supplementary
	caps   uint64   // effective, if they count in this user namespace
	umask  int      // -1: it cannot be seen
}

// of returns c's status. A process that cannot be seen, or is no longer who it
// was, has no groups and no capabilities.
func (s *statusCache) of(c Caller) status {
	if c.PID == 0 {
		return status{umask: -1}
	}
	if st, ok := s.get(c); ok {
		return st
	}
	st := readStatus(c)
	s.put(c, st)
	return st
}

func readStatus(c Caller) status {
	dir := "/proc/" + strconv.FormatUint(uint64(c.PID), 10)
	b, err := os.ReadFile(dir + "/status")
	if err != nil {
		return status{umask: -1}
	}
	st, uid, gid := parseStatus(b)
	if c.UID != uid || c.GID != gid {
		// The pid was used again, or the kernel reports ids that were
		// overridden for this access (overlayfs does): not its groups then.
		st.groups, st.caps, st.umask = nil, 0, -1
	}
	if st.caps != 0 && !sameUserNamespace(dir) {
		// Capabilities in a user namespace of its own say nothing of files here.
		st.caps = 0
	}
	return st
}

func sameUserNamespace(dir string) bool {
	theirs, err := os.Readlink(dir + "/ns/user")
	if err != nil {
		return false
	}
	ours, err := os.Readlink("/proc/self/ns/user")
	return err == nil && ours == theirs
}

// parseStatus returns the status and the fsuid and fsgid in b; ids it cannot
// find are anyID.
func parseStatus(b []byte) (st status, uid, gid uint32) {
	uid, gid = anyID, anyID
	st.umask = -1
	for line := range bytes.Lines(b) {
		key, rest, _ := bytes.Cut(line, []byte(":"))
		f := bytes.Fields(rest)
		switch string(key) {
		case "Tgid":
			st.tgid = id(f, 0)
			if st.tgid == anyID {
				st.tgid = 0
			}
		case "Uid":
			uid = id(f, 3)
		case "Gid":
			gid = id(f, 3)
		case "Groups":
			for i := range f {
				if g := id(f, i); g != anyID {
					st.groups = append(st.groups, g)
				}
			}
		case "Umask": // since Linux 4.7
			if len(f) == 1 {
				if n, err := strconv.ParseUint(string(f[0]), 8, 9); err == nil {
					st.umask = int(n)
				}
			}
		case "CapEff":
			if len(f) == 1 {
				st.caps, _ = strconv.ParseUint(string(f[0]), 16, 64)
			}
		}
	}
	return st, uid, gid
}

func id(f [][]byte, i int) uint32 {
	if i >= len(f) {
		return anyID
	}
	n, err := strconv.ParseUint(string(f[i]), 10, 32)
	if err != nil {
		return anyID
	}
	return uint32(n)
}
