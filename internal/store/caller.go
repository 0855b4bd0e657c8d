package store

import "context"

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
