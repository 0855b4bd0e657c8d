//go:build linux

package nodes

import (
	"context"
	"maps"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"artifactfs.dev/artifactfs/resolver"
)

// Many programs look at a file or a directory first and open it then: cp and rsync
// go no further when it is not the same one any more. A version that is bound between
// the two is not, it lies on another device. So none is bound while a process is in
// the middle of something there, as far as its requests tell.

// calm is for how long a process that lives has asked for nothing when it is taken
// to be done. One that has ended is.
const calm = 500 * time.Millisecond

// maxUsers bounds who is remembered of one version.
const maxUsers = 1024

// users are the threads that ask for something in a version, by their ids, and when
// each was last answered: the zero time while it waits.
type users map[uint32]time.Time

// using notes that the caller asks for something in the version that n shows, and
// with what it returns that it is answered.
func (s *system) using(ctx context.Context, n resolver.Node) (answered func()) {
	v, ok := n.(resolver.Versioned)
	c, by := fuse.FromContext(ctx)
	if !ok || !by || s.onOpen == nil { // nobody binds
		return func() {}
	}
	name, number := v.Which()
	k := versionKey{name, number}
	s.lanes.used(k, c.Pid, time.Time{})
	return func() { s.lanes.used(k, c.Pid, time.Now()) }
}

func (l *Lanes) used(k versionKey, pid uint32, answered time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	v := l.of(k)
	if v.bound { // and not seen by this process
		v.users = nil
		return
	}
	if v.users == nil {
		v.users = make(users)
	}
	if _, known := v.users[pid]; !known && len(v.users) >= maxUsers {
		v.users.forget(func(uint32) bool { return false })
		if len(v.users) >= maxUsers {
			return // enough are known that use it
		}
	}
	v.users[pid] = answered
}

// forget drops who is done: dead, or calm.
func (u users) forget(dead func(pid uint32) bool) {
	maps.DeleteFunc(u, func(pid uint32, answered time.Time) bool {
		return !answered.IsZero() && time.Since(answered) >= calm || dead(pid)
	})
}

// isDead reports whether a thread is certain to have ended. One of a process that
// this one cannot see has the number 0.
func isDead(pid uint32) bool { return pid != 0 && unix.Kill(int(pid), 0) == unix.ESRCH }

// InUse reports whether somebody is in the middle of something in a version: whoever
// has a directory open in it is.
func (l *Lanes) InUse(name string, version int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	v := l.versions[versionKey{name, version}]
	if v == nil {
		return false
	}
	v.users.forget(isDead)
	return v.dirs > 0 || len(v.users) > 0
}
