//go:build linux

package acceptance

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Mounting and unmounting many times leaves nothing: no mount, process, state or lock, and a few lines of log each time.
func TestMountManyTimes(t *testing.T) {
	s := newSite(t, siteOptions{Lane: "bind", Alone: true, Quiet: true})
	s.publish("one", 1, s.data("one", map[string]string{"f": "text"}))
	container := s.namespace("slave")
	const perMount = 2 << 10 // bytes of log: four lines
	times := scaled(200)
	for i := range times {
		s.mount()
		if text, err := os.ReadFile(s.path("one/latest/f")); err != nil || string(text) != "text" {
			t.Fatalf("mount %d: read %q, %v", i, text, err)
		}
		s.umount()
	}
	s.nothingLeft("self", fmt.Sprint(container.pid))
	if fi, err := os.Stat(s.Base + "/daemon.log"); err != nil || fi.Size() > int64(times)*perMount {
		t.Errorf("the log has %d bytes after %d mounts, %v", fi.Size(), times, err)
	}
}

// usage is what a process holds. Of its resident memory only what is its own counts: pages of its binary are the machine's.
type usage struct{ Anon, Files, Descriptors, Threads int }

func usageOf(pid int) (u usage) {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 1 {
			switch n, _ := strconv.Atoi(f[1]); f[0] {
			case "RssAnon:":
				u.Anon = n << 10
			case "RssFile:":
				u.Files = n << 10
			case "Threads:":
				u.Threads = n
			}
		}
	}
	u.Descriptors = fdCount(pid)
	return u
}

// lookupsVar says how many lookups TestManyLookups makes, in a store of a tenth as many artifacts: ARTIFACTFS_TEST_LOOKUPS=1000000 is the
// number that is promised, and takes three minutes on two idle cores, nine on busy ones.
const lookupsVar = "ARTIFACTFS_TEST_LOOKUPS"

// A big store, listed, and many lookups of names that are there and of names that are not: when the kernel has forgotten them and nobody asks for
// anything, the daemon has the descriptors that it had, a few more threads, and little more memory: the list of all names, the last answers, and
// what Go's runtime never gives back. That is so after the first time; the second and the third add nothing.
func TestManyLookups(t *testing.T) {
	const (
		slack   = 8 << 20 // of memory, and
		listed  = 100     // for each artifact: measured 3.8 MiB after 20,000, 15.9 after 100,000
		perName = 3 << 10 // of memory, while the kernel knows the name: a KB, and what Go's collector lets grow meanwhile (measured 2.2 to 2.6)
		idle    = 16      // threads that Go keeps for later
		again   = 4 << 20 // more memory after the third time than after the first: nothing adds up
	)
	s := newSite(t, siteOptions{Quiet: true})
	lookups := scaled(200_000)
	if n, err := strconv.Atoi(os.Getenv(lookupsVar)); err == nil {
		lookups = n
	}
	artifacts := lookups / 10
	stays := slack + artifacts*listed
	manifest := []byte(fmt.Sprintf(`{"type": "Artifact", "path": %q}`, s.data("one", map[string]string{"f": "text"})))
	fill(t, artifacts, func(i int) error {
		dir := fmt.Sprintf("%s/n%06d/v1", s.Root, i)
		return errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(dir+"/manifest.json", manifest, 0o644))
	})
	s.mount()
	pid := s.daemon()
	before := usageOf(pid)
	// back waits until memory is where it was, but for what Go's runtime keeps.
	back := func(most int) usage {
		took := eventually(t, time.Minute, "memory is where it was", func() error {
			if u := usageOf(pid); u.Anon > most && !raceEnabled { // the detector remembers what it saw
				return fmt.Errorf("%+v, was %+v, want %d at most", u, before, most)
			}
			return nil
		})
		u := usageOf(pid)
		t.Logf("before %+v, after %v %+v", before, took.Round(time.Second), u)
		return u
	}
	var once usage
	for round := range 3 {
		began := time.Now()
		if entries, err := os.ReadDir(s.Mnt); err != nil || len(entries) != artifacts {
			t.Fatalf("listed %d artifacts of %d: %v", len(entries), artifacts, err)
		}
		listed := time.Since(began)
		root, err := unix.Open(s.Mnt, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		must(t, err)
		fill(t, lookups/3, func(i int) error {
			var st unix.Stat_t
			name, want := fmt.Sprintf("n%06d", i*7919%artifacts), error(nil)
			if i%20 == 0 {
				name, want = fmt.Sprint("absent", i), unix.ENOENT
			}
			if err := unix.Fstatat(root, name, &st, unix.AT_SYMLINK_NOFOLLOW); !errors.Is(err, want) {
				return fmt.Errorf("%s: %v, want %v", name, err, want)
			}
			return nil
		})
		unix.Close(root)
		known := usageOf(pid)
		if most := before.Anon + stays + artifacts*perName; known.Anon > most && !raceEnabled {
			t.Errorf("it has %d MiB with %d names known, want %d at most", known.Anon>>20, artifacts, most>>20)
		}
		must(t, os.WriteFile("/proc/sys/vm/drop_caches", []byte("2"), 0)) // the kernel forgets the names, and tells the daemon
		eventually(t, soon, "descriptors and threads are where they were", func() error {
			if u := usageOf(pid); u.Descriptors > before.Descriptors || u.Threads > before.Threads+idle {
				return fmt.Errorf("%+v, was %+v", u, before)
			}
			return nil
		})
		t.Logf("round %d: listed in %v, all in %v; known %+v, then %+v", round, listed.Round(time.Millisecond), time.Since(began).Round(time.Millisecond), known, usageOf(pid))
		if round == 0 {
			once = back(before.Anon + stays)
		}
	}
	back(once.Anon + again)
	if s.daemon() != pid {
		t.Error("it is another daemon")
	}
	s.umount()
	if log, _ := os.ReadFile(s.Base + "/daemon.log"); bytes.Count(log, []byte("\n")) > 20 {
		t.Errorf("the log has %d lines: %s", bytes.Count(log, []byte("\n")), tail(log, 600))
	}
}

// fill does n things, four at a time, and fails the test with the first error.
func fill(t *testing.T, n int, do func(i int) error) {
	t.Helper()
	const workers = 4
	var working sync.WaitGroup
	errs := make([]error, workers)
	for w := range workers {
		working.Go(func() {
			for i := w; i < n && errs[w] == nil; i += workers {
				errs[w] = do(i)
			}
		})
	}
	working.Wait()
	must(t, errors.Join(errs...))
}
