package store

import "context"

// Create is Do for what makes files and directories: they get the permissions that
// the caller's own process would give them, by its umask. Without a caller, or with
// one that cannot be seen, the umask is this process's.
func (l *Local) Create(ctx context.Context, path string, fn func() error) error {
	c, ok := CallerOf(ctx)
	if !ok {
		return l.Do(ctx, path, fn)
	}
	mask, ok := umaskOf(c)
	if !ok {
		return l.Do(ctx, path, fn)
	}
	return l.Do(ctx, path, func() error { return withUmask(mask, fn) })
}

// umaskOf asks anew, for a shell may change it from one line to the next; of a
// caller that has ended since, what was last seen counts.
func umaskOf(c Caller) (int, bool) {
	if c.PID == 0 {
		return 0, false
	}
	st := readStatus(c)
	if st.umask < 0 {
		st = statuses.of(c)
	}
	return st.umask, st.umask >= 0
}
