package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"artifactfs.dev/artifactfs/fs"
)

type umountFlags struct{ lazy, force bool }

func (a *app) umountCmd() *cobra.Command {
	var u umountFlags
	c := &cobra.Command{
		Use:               "umount DIR",
		Aliases:           []string{"unmount"},
		Short:             "Take the mount at DIR away, and what serves it",
		Args:              args(1, 1, "one directory"),
		ValidArgsFunction: completeMounted,
		RunE: func(_ *cobra.Command, args []string) error {
			return a.umount(args[0], u)
		},
	}
	c.Flags().BoolVarP(&u.lazy, "lazy", "l", false, "detach it now; what is open goes on being served until it is closed")
	c.Flags().BoolVar(&u.force, "force", false, "abort everything that is open or waiting, and detach")
	return c
}

func (a *app) umount(where string, u umountFlags) error {
	dir, err := canonical(where)
	if err != nil {
		return fmt.Errorf("umount %s: %w", where, err)
	}
	if err := os.Chdir("/"); err != nil { // where it was called from may be in the mount
		return err
	}
	s, _ := findState(dir)
	if s != nil && !s.held() {
		s.unpin()
		s.remove() // of a mount that died with its supervisor
		_ = os.Remove(s.lockFile())
		s = nil
	}
	top, err := topMount(dir)
	if err != nil {
		return err
	}
	if top != fs.Type && s == nil {
		return notMountedError(dir, top)
	}
	if err := covered(dir); err != nil {
		return fmt.Errorf("umount: %w", err)
	}
	switch {
	case u.force:
		err = forceOff(dir, s)
	case u.lazy:
		err = lazyOff(dir, s)
	default:
		err = a.orderlyOff(dir, s)
	}
	if err != nil {
		return err
	}
	tellUmountGone(dir)
	if a.json {
		return a.printJSON(map[string]any{"unmounted": dir})
	}
	return nil
}

func notMountedError(dir, top string) error {
	if top != "" {
		return fmt.Errorf("%s is a mount of type %s, not ours", dir, top)
	}
	if points, _ := mountPoints(); len(points) > 0 {
		return fmt.Errorf("%s is not mounted; artifactfs is at %s", dir, strings.Join(points, ", "))
	}
	return fmt.Errorf("%s is not mounted", dir)
}

// orderlyOff unmounts what nobody uses, and tells who does otherwise.
func (a *app) orderlyOff(dir string, s *state) error {
	before, err := fs.Top(dir)
	if err != nil {
		return err
	}
	for try := range 100 {
		switch check(dir) {
		case serving:
			err := unmountAll(dir, s)
			switch {
			case errors.Is(err, unix.EBUSY):
				// The daemon itself may be binding something just now.
				if who := holders(dir, except(s)...); len(who) > 0 || try > 25 {
					return busyError(dir, who)
				}
			case errors.Is(err, unix.EPERM):
				return fmt.Errorf("umount %s: %w: it belongs to another user; the one who mounted it or root can", dir, unix.EPERM)
			case err != nil && !errors.Is(err, unix.EINVAL): // EINVAL: gone meanwhile
				return err
			}
		case hung:
			return fmt.Errorf("umount %s: its daemon does not answer; artifactfs umount --force %s", dir, dir)
		case dead:
			// Either nobody watches it, or a supervisor is about to mount again:
			// stopping that is all there is to do.
			stop(s)
			if s == nil || !s.held() {
				if err := detach(dir); err != nil {
					return err
				}
			}
		case notMounted:
			if s == nil || !s.held() {
				return nil
			}
			// The daemon ends by itself after an unmount, and its supervisor
			// with it. One without a daemon has to be told.
			switch now, err := readState(s.file); {
			case err == nil && !alive(now.Daemon):
				stop(now)
			case err == nil && before != nil && try > 50:
				if who := elsewhere(before); len(who) > 0 || try > 90 {
					a.stillServes(dir, now, who)
					return nil
				}
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
	return fmt.Errorf("umount %s: its processes do not end; artifactfs umount --force %s", dir, dir)
}

// stillServes lets the mount point go, for another mount, and leaves the daemon
// to those who have this one too: what is mounted in a container stays there.
func (a *app) stillServes(dir string, s *state, who []string) {
	if len(who) == 0 {
		who = []string{"some without a process, or that only root can see"}
	}
	fmt.Fprintf(a.err, "artifactfs: %s is unmounted here; its daemon, pid %d, goes on for other mount namespaces: %s\n", dir, s.Daemon, strings.Join(who, ", "))
	s.letGo()
}

// unmountAll unmounts what is bound in a mount, and the mount. One that is in use
// keeps its binds.
func unmountAll(dir string, s *state) error {
	binds, err := fs.Binds(dir)
	if err != nil {
		return err
	}
	if len(binds) > 0 && slices.ContainsFunc(holders(dir, except(s)...), holder.here) {
		return &os.PathError{Op: "umount", Path: dir, Err: unix.EBUSY}
	}
	for _, b := range binds {
		if err := unmountNow(b, 0); err != nil && !errors.Is(err, unix.EINVAL) {
			return err
		}
	}
	return unmountNow(dir, 0)
}

// except are the processes that hold a mount without using it.
func except(s *state) []int {
	if s == nil {
		return nil
	}
	return []int{s.Supervisor, s.Daemon}
}

func busyError(dir string, by []holder) error {
	var who []string
	for _, h := range by {
		who = append(who, h.String())
	}
	if len(who) > 5 {
		who = append(who[:5], fmt.Sprintf("and %d more", len(who)-5))
	}
	if len(who) == 0 {
		who = []string{"a mount below it, or processes that only root can see"}
	}
	return fmt.Errorf("%s is busy: %s; end them, or artifactfs umount --lazy %s", dir, strings.Join(who, "; "), dir)
}

// lazyOff takes the mount out of the tree and leaves its daemon to those who
// have something open. Without its state file the supervisor starts no other.
func lazyOff(dir string, s *state) error {
	if s != nil {
		s.letGo()
	}
	if check(dir) == dead {
		stop(s)
	}
	return detach(dir)
}

// forceOff ends all use at once: reads in flight return an error, and whatever
// serves the mount is killed.
func forceOff(dir string, s *state) error {
	if s != nil {
		s.remove()
		defer os.Remove(s.lockFile())
		kill(s.Supervisor)
	}
	if os.Geteuid() == 0 {
		_ = unix.Unmount(dir, unix.MNT_FORCE|unix.UMOUNT_NOFOLLOW) // aborts the connection even where it is EBUSY
	}
	if s != nil {
		kill(s.Daemon)
	}
	if err := detach(dir); err != nil {
		return err
	}
	if s != nil {
		s.unpin()
	}
	return nil
}

func stop(s *state) {
	if s != nil && isOurs(s.Supervisor) {
		_ = unix.Kill(s.Supervisor, syscall.SIGTERM)
	}
}

func kill(pid int) {
	if isOurs(pid) {
		_ = unix.Kill(pid, syscall.SIGKILL)
	}
}
