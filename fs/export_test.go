//go:build linux

package fs

import "golang.org/x/sys/unix"

// Expire does one round of what otherwise takes ten minutes.
func (s *Server) Expire() { s.binds.expire(0) }

// Look looks a name of the mount up as the binder does.
func (s *Server) Look(path string) error {
	return s.binds.own.Do(func() error {
		var st unix.Stat_t
		return unix.Stat(path, &st)
	})
}

// SetMostNames lowers what the kernel may know, for mounts that are made from then on.
func SetMostNames(n int) { mostNames = func() int { return n } }

// DeadBeneath leaves below the mount at dir what a daemon leaves that dies there.
func DeadBeneath(dir string) error {
	d, err := newDetached(&Options{}, 1<<17)
	if err != nil {
		return err
	}
	defer unix.Close(d.mnt)
	defer unix.Close(d.dev)
	return d.beneath(dir)
}
