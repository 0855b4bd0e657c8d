package resolver

import (
	"context"
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
	return owner{process: p, start: store.Started(p), uid: c.UID}
}

// alive reports whether the process still runs.
func (o owner) alive() bool {
	if o.start == "" {
		return true // nothing to tell by
	}
	return store.Started(o.process) == o.start
}
