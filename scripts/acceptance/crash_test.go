//go:build linux

package acceptance

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// comeback is how long a new path may fail after the daemon was killed.
const comeback = 2 * time.Second

// The daemon is killed at random moments while four writers log. What was answered is there, what is there is whole, the next log works.
func TestKillDuringLogs(t *testing.T) {
	s := newSite(t, siteOptions{})
	const name = "crashed"
	dir := s.data("crashed", map[string]string{"part.txt": "text"})
	answered := map[string]int{}
	next := 0
	for round := range scaled(20) {
		stop := make(chan struct{})
		var writers sync.WaitGroup
		var mu sync.Mutex
		for w := range 4 {
			first := next + w*10000
			writers.Go(func() {
				for k := first; ; k++ {
					select {
					case <-stop:
						return
					default:
					}
					if n, err := s.log(name, request(dir, "w", k)); err == nil {
						mu.Lock()
						answered[fmt.Sprint("w/", k)] = n
						mu.Unlock()
					}
				}
			})
		}
		time.Sleep(time.Duration(rand.IntN(60)) * time.Millisecond) // the moment is what is tested, not waited for
		s.kill()
		close(stop)
		writers.Wait()
		next += 40000
		s.back(comeback, fmt.Sprint("in round ", round))
		n, err := s.log(name, request(dir, "next", round))
		if err != nil {
			t.Fatalf("round %d: the next log: %v", round, err)
		}
		answered[fmt.Sprint("next/", round)] = n
		checkSurvived(t, s, name, answered)
		if t.Failed() {
			return
		}
	}
	t.Logf("%d logs were answered", len(answered))
}

func checkSurvived(t *testing.T, s *site, name string, answered map[string]int) {
	t.Helper()
	found := s.complete(name)
	for tag, n := range answered {
		if r, ok := found[n]; !ok || r.tag() != tag {
			t.Errorf("%s was answered v%d, which is %q in the store", tag, n, r.tag())
		}
	}
	for n := range s.listed(name) {
		if _, ok := found[n]; !ok {
			t.Errorf("v%d is listed and not complete", n)
		}
	}
	highest := slices.Max(slices.Collect(maps.Values(answered)))
	if got, err := s.latest(name); err != nil || got < highest {
		t.Errorf("latest is v%d (%v), v%d was answered", got, err, highest)
	}
	if _, err := os.Stat(s.path(name, "latest", "part.txt")); err != nil {
		t.Errorf("through latest: %v", err)
	}
}

// Who reads when the daemon dies goes on reading, pages not yet seen included; whoever comes then finds the mount within two
// seconds, in a namespace that has the parent directory as a slave too; and an unmount leaves nothing behind.
func TestKillDuringReads(t *testing.T) {
	s := newSite(t, siteOptions{Lane: "passthrough"})
	content := pattern(8<<20, 1)
	dir := s.data("read", map[string]string{"big.bin": string(content)})
	s.publish("read", 1, dir)
	s.publish("other", 1, s.data("other", map[string]string{"part.txt": "text"}))
	container := s.namespace("slave")
	needLane(t, s, "read", "passthrough")

	f, err := os.Open(s.path("read", "v1", "big.bin"))
	must(t, err)
	defer f.Close()
	mapped, err := unix.Mmap(int(f.Fd()), 0, len(content), unix.PROT_READ, unix.MAP_SHARED)
	must(t, err)
	half := len(content) / 2
	check := func(when string, from, to int) {
		t.Helper()
		got := make([]byte, to-from)
		if _, err := f.ReadAt(got, int64(from)); err != nil || string(got) != string(content[from:to]) {
			t.Errorf("%s: pread: %v, equal=%t", when, err, string(got) == string(content[from:to]))
		}
		if string(mapped[from:to]) != string(content[from:to]) {
			t.Errorf("%s: the mapping differs", when)
		}
	}
	check("before", 0, 4096)
	dropCaches(t, f) // pages read after the death come from the disk
	for round := range 3 {
		s.kill()
		check("daemon dead", half*round/3, half*(round+1)/3)
		took := eventually(t, comeback, "a path never asked for before", func() error {
			text, err := os.ReadFile(s.path("other", "v1", "part.txt"))
			if err == nil && string(text) != "text" {
				err = fmt.Errorf("read %q", text)
			}
			return err
		})
		inside := eventually(t, comeback, "the same in a slave namespace", func() error {
			out, err := container.run(root, "cat "+s.path("other", "v1", "part.txt"))
			if err == nil && out != "text" {
				err = fmt.Errorf("read %q", out)
			}
			return err
		})
		t.Logf("back after %v, in the namespace %v later", took.Round(time.Millisecond), inside.Round(time.Millisecond))
		check("daemon back", half, len(content))
	}
	must(t, f.Close())
	must(t, unix.Munmap(mapped))
	s.umount()
	for _, pid := range []string{"self", fmt.Sprint(container.pid)} {
		if left := mountsBelow(pid, s.Mnt); len(left) > 0 {
			t.Errorf("after umount, mountinfo of %s has %v", pid, left)
		}
	}
	eventually(t, soon, "no process stays after umount", func() error {
		if pids := s.processes(); len(pids) > 0 {
			return fmt.Errorf("pids %v", pids)
		}
		return nil
	})
}

// dropCaches lets go of the pages of one file, as far as the kernel agrees.
func dropCaches(t *testing.T, f *os.File) {
	t.Helper()
	must(t, f.Sync())
	must(t, unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED))
}

// pattern is content that tells where it was read: no two blocks are the same.
func pattern(size int, seed byte) []byte {
	b := make([]byte, size)
	rng := rand.NewChaCha8([32]byte{seed})
	rng.Read(b)
	return b
}

// needLane skips when this machine cannot give the lane that a test is about, with the reason status names.
func needLane(t *testing.T, s *site, name, lane string) {
	t.Helper()
	entries, err := os.ReadDir(s.path(name, "v1"))
	must(t, err)
	if len(entries) > 0 { // the lane is decided at the first open
		if f, err := os.Open(s.path(name, "v1", entries[0].Name())); err == nil {
			defer f.Close()
		}
	}
	for _, v := range s.status() {
		if v.Name == name && v.Lane != lane {
			t.Skipf("lane is %s: %s", v.Lane, v.Why)
		}
	}
}

// The daemon is killed as it enters one system call after another of those that a log is made of. strace counts them per thread, and Go moves
// work between threads, so the steps are not told apart by number; but every kind is hit, early and late, and the moments between random ones are few.
func TestKillAtSystemCalls(t *testing.T) {
	needProgram(t, "strace")
	s := newSite(t, siteOptions{})
	const name = "stepped"
	dir := s.data("stepped", map[string]string{"part.txt": "text"})
	answered := map[string]int{}
	first, err := s.log(name, request(dir, "first", 0))
	must(t, err)
	answered["first/0"] = first
	died := 0
	for round, call := range stepsOfALog() {
		if testing.Short() && round%5 != 0 {
			continue
		}
		if s.killAt(call.name, call.when, func(k int) {
			if n, err := s.log(name, request(dir, "w", round*1000+k)); err == nil {
				answered[fmt.Sprint("w/", round*1000+k)] = n
			}
		}) {
			died++
		}
		n, err := s.log(name, request(dir, "next", round))
		if err != nil {
			t.Fatalf("after a kill at %s, %d: the next log: %v", call.name, call.when, err)
		}
		answered[fmt.Sprint("next/", round)] = n
		checkSurvived(t, s, name, answered)
		if t.Failed() {
			t.Fatalf("after a kill at %s, %d", call.name, call.when)
		}
	}
	if died < 5 {
		t.Errorf("only %d kills hit", died)
	}
	t.Logf("%d kills, %d logs answered", died, len(answered))
}

type step struct {
	name string
	when int
}

func stepsOfALog() []step {
	var steps []step
	for _, name := range []string{"mkdirat", "openat,openat2", "write,pwrite64", "writev", "fsync,fdatasync", "renameat,renameat2", "getdents64", "flock", "unlinkat", "linkat,symlinkat", "close"} {
		for when := 1; when <= 4; when++ {
			steps = append(steps, step{name, when})
		}
	}
	return steps
}

// killAt kills the daemon at a thread's when-th call of these, while it is kept busy; false if it never made one.
func (s *site) killAt(calls string, when int, busy func(k int)) bool {
	s.t.Helper()
	pid := s.daemon()
	tracer := s.command("strace", "-f", "-qq", "-o", s.Base+"/strace.out", "-p", fmt.Sprint(pid),
		"-e", "trace="+calls, "-e", fmt.Sprintf("inject=%s:signal=KILL:when=%d", calls, when))
	must(s.t, tracer.Start())
	end := sync.OnceFunc(func() { // strace that cannot detach any more, since its tracee is gone, may wait for ever
		tracer.Process.Signal(syscall.SIGTERM)
		force := time.AfterFunc(2*time.Second, func() { tracer.Process.Kill() })
		tracer.Wait()
		force.Stop()
	})
	defer end()
	eventually(s.t, soon, "strace is attached", func() error { return traced(pid) })
	for k := range 8 {
		busy(k)
		if !holds(pid, "/dev/fuse") {
			break
		}
	}
	end()
	dead := !holds(pid, "/dev/fuse")
	if dead {
		s.back(2*comeback, "after a kill at "+calls) // the supervisor learns of the death when strace has let go
	}
	return dead
}

// traced is nil when every thread of a process has a tracer, or the process is gone.
func traced(pid int) error {
	threads, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	for _, thread := range threads {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/status", pid, thread.Name()))
		if strings.Contains(string(text), "TracerPid:\t0\n") {
			return fmt.Errorf("thread %s is not", thread.Name())
		}
	}
	return nil
}
