package main

import (
	"fmt"
	"os"
	"sync"
	"time"
)

// claim takes the mount point's lock. done is true if the same mount is there
// already; another one is an error, unless it is to be replaced. settle tells
// whether that came about; if not, the mount point goes back to whose it was.
func (a *app) claim(s *state, replace bool) (lk *os.File, done bool, settle func(ok bool), err error) {
	settle = func(bool) {}
	if replace {
		if settle, err = displaceAlone(s.Dir); err != nil {
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
			case now == serving && !replace:
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

// displaceAlone displaces the mount at dir, if one is served, when nobody else is
// about to: of two who do it at once, one would take the other's half-made mount for
// the one to end.
func displaceAlone(dir string) (settle func(ok bool), err error) {
	alone, err := lockReplacing(dir)
	if err != nil {
		return nil, err
	}
	back := func(bool) {}
	if old, err := findState(dir); err == nil && old.held() {
		if back, err = displace(old); err != nil {
			_ = os.Remove(alone.Name())
			alone.Close()
			return nil, err
		}
	}
	var once sync.Once
	return func(ok bool) {
		once.Do(func() {
			back(ok)
			_ = os.Remove(alone.Name()) // before it is closed: whoever waits for it makes another
			alone.Close()
		})
	}, nil
}

func lockReplacing(dir string) (*os.File, error) {
	for range 600 {
		f, ok, err := lockFile(dir, ".replacing")
		if ok || err != nil {
			return f, err
		}
		time.Sleep(50 * time.Millisecond)
	}
	return nil, fmt.Errorf("%s: another mount --replace does not get ready; see artifactfs status %s", dir, dir)
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
	if err := covered(s.Dir); err != nil {
		return err
	}
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
