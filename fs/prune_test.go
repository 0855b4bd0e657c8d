//go:build linux

package fs_test

import (
	"errors"
	"fmt"
	iofs "io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The kernel is made to forget names, while they are used: files that are open, a
// directory that is listed and one that is worked in, walks and reads at the same time.
// Nobody notices but by the daemon's memory.
func TestPrune(t *testing.T) {
	const (
		dirs, files = 40, 50
		most        = 500
	)
	if !kernelPrunes(t) {
		t.Skip("the kernel cannot be asked to forget names: that came with Linux 6.18")
	}
	lanes(t, func(t *testing.T, lane string) {
		t.Setenv("TEST_NAMES", strconv.Itoa(most))
		m := mount(t, lane)
		for d := range dirs {
			for f := range files {
				write(t, fmt.Sprintf("%s/d%02d/f%02d", m.data, d, f), fmt.Sprintf("%02d %02d", d, f))
			}
		}
		first := m.numbers(t)
		open, err := os.Open(m.v1 + "/d00/f00")
		if err != nil {
			t.Fatal(err)
		}
		defer open.Close()
		dir, err := os.Open(m.v1 + "/d01")
		if err != nil {
			t.Fatal(err)
		}
		defer dir.Close()
		at, err := unix.Open(m.v1+"/d02", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(at)

		var users sync.WaitGroup
		until := time.Now().Add(2500 * time.Millisecond) // two looks at how many there are
		for range 3 {
			users.Go(func() {
				for time.Now().Before(until) {
					d, f := rand.IntN(dirs), rand.IntN(files)
					b, err := os.ReadFile(fmt.Sprintf("%s/d%02d/f%02d", m.v1, d, f))
					if want := fmt.Sprintf("%02d %02d", d, f); err != nil || string(b) != want {
						t.Errorf("read %q, want %q: %v", b, want, err)
						return
					}
				}
			})
		}
		for time.Now().Before(until) {
			for path, ino := range m.numbers(t) {
				if first[path] != ino {
					t.Fatalf("%s has number %d, had %d", path, ino, first[path])
				}
			}
		}
		users.Wait()
		m.fewNames(t, most)

		b := make([]byte, 5)
		if _, err := open.ReadAt(b, 0); err != nil || string(b) != "00 00" {
			t.Errorf("the open file reads %q: %v", b, err)
		}
		if names, err := dir.Readdirnames(-1); err != nil || len(names) != files {
			t.Errorf("the open directory has %d names: %v", len(names), err)
		}
		var st unix.Stat_t
		if err := unix.Fstatat(at, "f07", &st, 0); err != nil {
			t.Errorf("below the directory that is worked in: %v", err)
		}
		for path, ino := range m.numbers(t) {
			if first[path] != ino {
				t.Errorf("afterwards %s has number %d, had %d", path, ino, first[path])
			}
		}
	})
}

// What is bound stays bound when the names around it are forgotten.
func TestPruneAroundBind(t *testing.T) {
	const most, artifacts = 300, 1500
	if testing.Short() {
		t.Skip("waits for looks at how many names there are")
	}
	if !kernelPrunes(t) {
		t.Skip("the kernel cannot be asked to forget names: that came with Linux 6.18")
	}
	t.Setenv("TEST_NAMES", strconv.Itoa(most))
	m := mount(t, "")
	for i := range artifacts {
		write(t, fmt.Sprintf("%s/x%04d/v1/manifest.json", m.root, i), fmt.Sprintf(`{"type":"Artifact","path":%q}`, m.data))
	}
	m.read(t, "a")
	bound := func() bool {
		var top, v1 unix.Stat_t
		if err := errors.Join(unix.Stat(m.dir, &top), unix.Stat(m.v1, &v1)); err != nil {
			t.Fatal(err)
		}
		return top.Dev != v1.Dev
	}
	for start := time.Now(); !bound(); time.Sleep(10 * time.Millisecond) {
		if time.Since(start) > time.Minute {
			t.Fatal("it is not bound")
		}
	}
	for i := range artifacts {
		if _, err := os.Lstat(fmt.Sprintf("%s/x%04d", m.dir, i)); err != nil {
			t.Fatal(err)
		}
	}
	m.fewNames(t, most)
	if !bound() {
		t.Fatal("the bind is gone")
	}
}

// numbers are the inode numbers of what lies in the version.
func (m *mounted) numbers(t *testing.T) map[string]uint64 {
	t.Helper()
	all := map[string]uint64{}
	err := filepath.WalkDir(m.v1, func(path string, e iofs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		fi, err := e.Info()
		if err == nil {
			all[path] = fi.Sys().(*syscall.Stat_t).Ino
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// fewNames waits until the kernel knows no more than most names.
func (m *mounted) fewNames(t *testing.T, most int) {
	t.Helper()
	for start := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		b, _ := os.ReadFile(filepath.Join(filepath.Dir(m.dir), "names"))
		n, err := strconv.Atoi(string(b))
		if err == nil && n <= most {
			return
		}
		if time.Since(start) > time.Minute {
			t.Fatalf("the kernel knows %q names, want %d at most", b, most)
		}
	}
}

// kernelPrunes reports whether the kernel is 6.18 or later.
func kernelPrunes(t *testing.T) bool {
	t.Helper()
	var u unix.Utsname
	var major, minor int
	if err := unix.Uname(&u); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscanf(unix.ByteSliceToString(u.Release[:]), "%d.%d", &major, &minor); err != nil {
		t.Fatal(err)
	}
	return major > 6 || major == 6 && minor >= 18
}
