package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"artifactfs.dev/artifactfs/cmd/artifactfs/config"
	"artifactfs.dev/artifactfs/fs"
	"artifactfs.dev/artifactfs/internal/store/bucket"
)

// mountable finds out what mounting would fail with, in better words.
func mountable(dir string) error {
	if t, err := topMount(dir); err == nil && t == fs.Type {
		return nil // taken over from; a dead one cannot be looked at
	}
	fi, err := os.Stat(dir)
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("mount %s: there is no such directory; mkdir -p %s", dir, dir)
	}
	if err != nil {
		return fmt.Errorf("mount: %w", err)
	}
	if !fi.IsDir() {
		return fmt.Errorf("mount %s: not a directory", dir)
	}
	if os.Geteuid() == 0 {
		return nil
	}
	if _, err := exec.LookPath("fusermount3"); err != nil {
		return errors.New("mounting without root needs fusermount3 (Debian: apt install fuse3)")
	}
	if err := unix.Access("/dev/fuse", unix.R_OK|unix.W_OK); err != nil {
		return fmt.Errorf("/dev/fuse: %w: the administrator has to let users open it (chmod 0666), or mount as root", err)
	}
	if err := unix.Access(dir, unix.W_OK); err != nil {
		return fmt.Errorf("mount %s: %w: a user can mount only over a directory of their own", dir, err)
	}
	return nil
}

// covers refuses a mount point that would hide what the mount is made of. Paths are
// compared as they are written: a store that hangs must not be looked at.
func covers(dir string, cfg *config.Config) error {
	if cfg.Root != "" && below(filepath.Clean(cfg.Root), dir) {
		return fmt.Errorf("mount %s: the store %s would be hidden below it; mount at another directory", dir, cfg.Root)
	}
	for _, r := range cfg.DataRoots {
		if below(filepath.Clean(r), dir) {
			return fmt.Errorf("mount %s: the data root %s would be hidden below it; mount at another directory", dir, r)
		}
	}
	return nil
}

// prepareRoot makes the embedded store and says so; one that was configured is
// left to its first log, since its file system may just not be mounted yet.
func (a *app) prepareRoot(cfg *config.Config) error {
	for _, w := range cfg.Warnings {
		fmt.Fprintf(a.err, "artifactfs: %s\n", w)
	}
	if cfg.Disabled != "" {
		fmt.Fprintf(a.err, "artifactfs: tracking is fully disabled by %s: names do not resolve and nothing can be logged\n", cfg.Disabled)
	}
	if cfg.Embedded {
		if err := os.MkdirAll(cfg.Root, 0o777); err != nil {
			return fmt.Errorf("the embedded store: %w", err)
		}
		fmt.Fprintf(a.err, "artifactfs: no configuration found: using the embedded store %s\n", cfg.Root)
	} else if err := reachable(cfg); err != nil {
		fmt.Fprintf(a.err, "artifactfs: the manifest root cannot be read now: %v\n", err)
	}
	return nil
}

// look asks a root whether it is there.
func look(cfg *config.Config) error {
	if !bucket.Is(cfg.Root) {
		_, err := os.Stat(cfg.Root)
		return err
	}
	at, err := openBucket(cfg)
	if err != nil {
		return err
	}
	defer at.Close()
	at.SetDeadline(lookFor * 9 / 10) // then it says what the client has met so far
	return at.Ping(context.Background())
}

// reachable looks at a manifest root, which may hang: that must not keep us from
// mounting.
func reachable(cfg *config.Config) error {
	if cfg.Root == "" {
		return nil
	}
	return inTime(cfg.Root, func() error { return look(cfg) })
}

// lookFor is how long a place may take to answer.
const lookFor = 2 * time.Second

// inTime returns what fn says of a place, or that it says nothing.
func inTime(where string, fn func() error) error {
	answer := make(chan error, 1)
	go func() { answer <- fn() }()
	select {
	case err := <-answer:
		return err
	case <-time.After(lookFor):
		return fmt.Errorf("%s does not answer", where)
	}
}
