package store

import (
	"context"
	"slices"
)

// Caller is the process on whose behalf an access is made.
type Caller struct {
	UID, GID uint32
	PID      uint32 // a thread, as the kernel reports it; 0 if this daemon cannot see it
}

type callerKey struct{}

// WithCaller returns a context whose accesses are made as c.
func WithCaller(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// CallerOf returns the caller in ctx. Without one, an access is this process's own.
func CallerOf(ctx context.Context) (Caller, bool) {
	c, ok := ctx.Value(callerKey{}).(Caller)
	return c, ok
}

// TGID returns the process (thread group) that a thread belongs to, kept for a
// second; 0 if there is no such thread or /proc does not show it.
func TGID(pid uint32) uint32 {
	if pid == 0 {
		return 0
	}
	return statuses.of(Caller{PID: pid, UID: anyID, GID: anyID}).tgid
}

// Of a uid-0 process: it passes over the permissions of files.
const overrides = 1<<1 | 1<<2 // CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH

// May reports whether a caller may read (4), write (2) and search or execute (1) as
// mask asks what only its mode protects, no file system being behind it.
func (c Caller) May(a Attr, mask uint32) bool {
	bits := a.Mode
	switch {
	case c.UID == a.UID:
		bits >>= 6
	case c.GID == a.GID || slices.Contains(statuses.of(c).groups, a.GID):
		bits >>= 3
	}
	if bits&mask&7 == mask&7 {
		return true
	}
	return c.UID == 0 && statuses.of(c).caps&overrides != 0 && (mask&1 == 0 || a.Mode&0o111 != 0)
}
