//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// Peers show a local directory by way of FUSE, as the lanes do: bindfs does little else, rclone mount is what many use for data. Each runs with
// the options that its manual gives for read-only use.
var peers = []struct {
	name    string
	command func(data, mnt string) []string
}{
	{"bindfs", func(data, mnt string) []string {
		return []string{"bindfs", "-f", "--multithreaded", "-o", "ro,attr_timeout=3600,entry_timeout=3600,kernel_cache", data, mnt}
	}},
	{"rclone", func(data, mnt string) []string {
		return []string{"rclone", "mount", "--read-only", "--vfs-cache-mode", "off", "--dir-cache-time", "1h", "--attr-timeout", "1h", "--config", "/dev/null", ":local:" + data, mnt}
	}},
}

// mountPeers adds the peers that are installed to the lanes.
func (s *site) mountPeers() error {
	for _, p := range peers {
		if _, err := exec.LookPath(p.name); err != nil {
			fmt.Printf("NOTE: no %s here: run `make deps`\n", p.name)
			continue
		}
		mnt := filepath.Join(s.base, p.name)
		if err := os.MkdirAll(mnt, 0o755); err != nil {
			return err
		}
		argv := p.command(s.base+"/data", mnt)
		cmd := exec.Command(argv[0], argv[1:]...)
		log, err := os.Create(filepath.Join(s.raw, p.name+".log"))
		if err != nil {
			return err
		}
		defer log.Close()
		cmd.Stdout, cmd.Stderr = log, log
		if err := cmd.Start(); err != nil {
			return err
		}
		l := lane{name: p.name, dir: mnt, mnt: mnt, peer: cmd}
		s.lanes = append(s.lanes, l)
		if err := l.shows("big"); err != nil {
			return fmt.Errorf("%s: %w; see %s", p.name, err, log.Name())
		}
	}
	return nil
}

// shows waits until a file shows in the lane.
func (l lane) shows(file string) error {
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		_, err := os.Stat(filepath.Join(l.dir, file))
		if err == nil || !errors.Is(err, os.ErrNotExist) || time.Now().After(end) {
			return err
		}
	}
}

func (l lane) endPeer() {
	syscall.Unmount(l.mnt, 2) // MNT_DETACH
	l.peer.Process.Signal(syscall.SIGTERM)
	l.peer.Wait()
}
