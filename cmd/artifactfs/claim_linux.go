package main

import (
	"fmt"
	"os"
	"time"
)

// claim takes the mount point's lock. done is true if the same mount is there
// already; another one is an error, unless it is to be replaced. settle tells
// whether that came about; if not, the mount point goes back to whose it was.
func (a *app) claim(s *state, replace bool) (lk *os.File, done bool, settle func(ok bool), err error) {
	settle = func(bool) {}
	if old, err := findState(s.Dir); replace && err == nil && old.held() {
		if settle, err = displace(old); err != nil {
			return nil, false, nil, err
		}
	}
	for try := range 100 {
		lk, ok, err := lock(s.Dir)
		if err != nil {
			settle(false)
			return nil, false, nil, err
		}
		if ok {
			if err := a.notServed(s.Dir); err != nil && !replace {
				lk.Close()
				return nil, false, nil, err
			}
			return lk, false, settle, nil
		}
		// Somebody has it, who is mounting, serving, or just about to end.
		if old, err := findState(s.Dir); err == nil {
			switch now := check(s.Dir); {
			case now == serving:
				return nil, true, nil, a.alreadyMounted(old, s)
			case now == notMounted && alive(old.Daemon) && try > 20:
				// umount(8) has taken it away here, and other mount namespaces have it.
				old.letGo()
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	settle(false)
	return nil, false, nil, fmt.Errorf("%s: another artifactfs is mounting here and does not get ready; see artifactfs status %s", s.Dir, s.Dir)
}

// displace moves the lock of a mount that is served out of the way of its
// successor's. Its supervisor learns from the state file that it has one. Unless
// that gets ready, settle makes it the mount at its directory again.
func displace(old *state) (settle func(ok bool), err error) {
	before, err := os.ReadFile(old.file)
	if err != nil {
		return nil, err
	}
	lock, aside := old.lockFile(), old.lockFile()+".replaced"
	if err := os.Rename(lock, aside); err != nil {
		return nil, err
	}
	return func(ok bool) {
		if ok {
			_ = os.Remove(aside)
			return
		}
		_ = os.Rename(aside, lock)
		tmp := old.file + ".undo"
		if os.WriteFile(tmp, before, 0o644) == nil {
			_ = os.Rename(tmp, old.file)
		}
	}, nil
}

// alreadyMounted compares the mount that is there with the one asked for.
func (a *app) alreadyMounted(old, s *state) error {
	if !sameMount(old, s) {
		return fmt.Errorf("%s is already mounted, with another configuration; artifactfs umount %s first, or see artifactfs status %s", s.Dir, s.Dir, s.Dir)
	}
	if a.json {
		return a.printJSON(mountReport{Dir: s.Dir, Already: true, report: askReport(old)})
	}
	fmt.Fprintf(a.out, "%s is already mounted\n", s.Dir)
	return nil
}

// notServed refuses a mount point that somebody serves already. A mount whose
// daemon and supervisor are gone is taken over from.
func (a *app) notServed(dir string) error {
	switch check(dir) {
	case serving:
		return fmt.Errorf("%s is already mounted, by a daemon that left no state in %s; artifactfs umount %s first", dir, runDir(), dir)
	case hung:
		return fmt.Errorf("%s is mounted and does not answer; artifactfs umount --force %s first", dir, dir)
	case dead:
		fmt.Fprintf(a.err, "artifactfs: a mount whose daemon is gone was left at %s; taking over from it\n", dir)
	}
	return nil
}
