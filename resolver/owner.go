package resolver

import (
	"bytes"
	"context"
	"fmt"
	"os"

	"artifactfs.dev/artifactfs/internal/store"
)

// owner is a process that writes: its id alone could be given to another.
type owner struct {
	process uint32 // 0: this daemon cannot see it
	start   string
	uid     uint32
}

// ownerOf returns the process on whose behalf ctx is.
func ownerOf(ctx context.Context) owner {
	c, ok := store.CallerOf(ctx)
	if !ok {
		return owner{process: uint32(os.Getpid()), uid: uint32(os.Getuid())}
	}
	p := store.TGID(c.PID)
	return owner{process: p, start: startOf(p), uid: c.UID}
}

// alive reports whether the process still runs.
func (o owner) alive() bool {
	if o.start == "" {
		return true // nothing to tell by
	}
	return startOf(o.process) == o.start
}

// startOf returns when a process started, in ticks since boot; "" if that
// cannot be seen.
func startOf(process uint32) string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", process))
	if err != nil {
		return ""
	}
	// The command's name, in parentheses, may hold anything.
	f := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
	if len(f) < 20 {
		return ""
	}
	return string(f[19])
}
