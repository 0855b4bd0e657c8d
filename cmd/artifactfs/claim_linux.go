package main

import (
	"fmt"
	"os"
	"time"
)

// claim takes the mount point's lock. done is true if the same mount is there
// already; another one is an error.
func (a *app) claim(s *state) (lk *os.File, done bool, err error) {
	for range 100 {
		lk, ok, err := lock(s.Dir)
		if err != nil {
			return nil, false, err
		}
		if ok {
			if err := a.notServed(s.Dir); err != nil {
				lk.Close()
				return nil, false, err
			}
			return lk, false, nil
		}
		// Somebody has it, who is mounting, serving, or just about to end.
		if old, err := findState(s.Dir); err == nil && check(s.Dir) == serving {
			return nil, true, a.alreadyMounted(old, s)
		}
		time.Sleep(50 * time.Millisecond)
	}
	return nil, false, fmt.Errorf("%s: another artifactfs is mounting here and does not get ready; see artifactfs status %s", s.Dir, s.Dir)
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
