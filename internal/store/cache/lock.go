package cache

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// slots is how many processes may use one directory.
const slots = 64

// abandoned is how long nobody used a slot that is removed: that of a process which
// was a second one once.
const abandoned = 24 * time.Hour

// slot is a directory below the cache's, and the lock that makes it one process's.
// The lock ends with the process, however that ends.
type slot struct {
	dir  string
	lock *os.File
}

// takeSlot takes the first slot that is free.
func takeSlot(dir string, log *slog.Logger) (*slot, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	for i := range slots {
		s, err := lockSlot(filepath.Join(dir, strconv.Itoa(i)))
		if errors.Is(err, syscall.EWOULDBLOCK) {
			continue
		} else if err != nil {
			return nil, err
		}
		if i > 0 {
			log.Warn("cache: another process has the directory; this one keeps what it reads beside it", "dir", s.dir)
		}
		now := time.Now()
		_ = os.Chtimes(s.lock.Name(), now, now) // at worst it is removed a day early
		return s, nil
	}
	return nil, fmt.Errorf("%d processes have it open", slots)
}

func lockSlot(dir string) (*slot, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, err
	}
	return &slot{dir, f}, nil
}

func (s *slot) release() error { return s.lock.Close() }

// removeAbandoned removes what later slots than this hold that nobody uses any more.
func (s *slot) removeAbandoned() {
	in, own := filepath.Split(s.dir)
	i, _ := strconv.Atoi(own)
	for i++; i < slots; i++ {
		removeAbandoned(filepath.Join(in, strconv.Itoa(i)))
	}
}

// removeAbandoned removes what lies in a slot that nobody has used for long. The lock
// stays: another process may be about to lock it.
func removeAbandoned(dir string) {
	fi, err := os.Stat(filepath.Join(dir, "lock"))
	if err != nil || time.Since(fi.ModTime()) < abandoned {
		return
	}
	s, err := lockSlot(dir)
	if err != nil {
		return
	}
	defer s.release()
	names, _ := os.ReadDir(dir)
	for _, n := range names {
		if n.Name() != "lock" {
			_ = os.Remove(filepath.Join(dir, n.Name()))
		}
	}
}
