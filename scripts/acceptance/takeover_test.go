//go:build linux

package acceptance

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// stacked counts the mounts at each point of a site's mount.
func (s *site) stacked(pid string) map[string]int {
	n := map[string]int{}
	for _, point := range mountsBelow(pid, s.Mnt) {
		n[strings.TrimPrefix(point, s.Mnt)]++
	}
	return n
}

// checkStack fails the test unless there is one mount, and one bind in it for each of these versions, in all these namespaces.
func (s *site) checkStack(when string, namespaces []*namespace, versions ...string) {
	s.t.Helper()
	for _, n := range namespaces {
		pid := "self"
		if n.pid != 0 {
			pid = fmt.Sprint(n.pid)
		}
		eventually(s.t, soon, fmt.Sprintf("%s: %s has one mount, and one bind for each of %q", when, n, versions), func() error { // what took too long is bound later
			got := s.stacked(pid)
			if len(got) != 1+len(versions) || got[""] != 1 || slices.ContainsFunc(versions, func(v string) bool { return got["/"+v] != 1 }) {
				return fmt.Errorf("it has mounts %v", got)
			}
			return nil
		})
	}
}

// watchBound reads a bound version in a loop, on the host and in a slave namespace, until stopped. Both must never fail.
func (s *site) watchBound(container *namespace, path, want string) (stop func()) {
	done := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		if err := until(done, func() error {
			text, err := os.ReadFile(s.path(path))
			if err == nil && string(text) != want {
				err = fmt.Errorf("it is %q", text)
			}
			return err
		}); err != nil {
			s.t.Errorf("a bound version: %v", err)
		}
	})
	writeFile(s.t, s.Base+"/watching", "")
	// One process of the container's own, so that no moment is missed: it ends at the first error.
	watcher := container.command(root, "sh", "-c", `while [ -e "$0" ]; do read -r line < "$1" || exit 1; [ "$line" = "$2" ] || { echo "$line"; exit 2; }; done`, s.Base+"/watching", s.path(path), strings.TrimSpace(want))
	var said strings.Builder
	watcher.Stdout, watcher.Stderr = &said, &said
	must(s.t, watcher.Start())
	return func() {
		close(done)
		running.Wait()
		must(s.t, os.Remove(s.Base+"/watching"))
		if err := watcher.Wait(); err != nil {
			s.t.Errorf("a bound version, in a slave namespace: %v: %s", err, said.String())
		}
	}
}

// A daemon that is killed in the middle of taking over leaves two dead mounts, one on the other. They never add up, and what is bound stays bound.
func TestKillDuringTakeOver(t *testing.T) {
	needProgram(t, "strace")
	for _, call := range []string{"umount2", "move_mount"} {
		t.Run(call, func(t *testing.T) {
			t.Parallel() // most of it is the pause before a daemon that died young is started again
			s := newSite(t, siteOptions{Lane: "bind", Alone: true})
			for _, name := range []string{"one", "two"} {
				s.publish(name, 1, s.data(name, map[string]string{"f": "text\n"}))
				s.warm(name + ":v1")
			}
			spaces := []*namespace{s.namespace("host"), s.namespace("slave")}
			stop := s.watchBound(spaces[1], "one/v1/f", "text\n")
			for when := 1; when <= 4; when++ {
				s.killTakingOver(call, when)
				s.back(2*comeback, fmt.Sprintf("after kills at %s, %d", call, when))
				s.checkStack(fmt.Sprintf("after kills at %s, %d", call, when), spaces, "one/v1", "two/v1")
			}
			stop()
			s.umount()
			s.nothingLeft("self", fmt.Sprint(spaces[1].pid))
		})
	}
}

// killTakingOver kills the daemon, and then those that would take over, three of them, each at its when-th call.
func (s *site) killTakingOver(call string, when int) {
	s.t.Helper()
	before := s.restarts()
	supervisor := s.serving().Supervisor
	tracer := s.command("strace", "-f", "-qq", "-o", s.Base+"/strace.out", "-p", fmt.Sprint(supervisor),
		"-e", "trace="+call, "-e", fmt.Sprintf("inject=%s:signal=KILL:when=%d", call, when))
	must(s.t, tracer.Start())
	defer func() {
		tracer.Process.Signal(syscall.SIGTERM)
		force := time.AfterFunc(2*time.Second, func() { tracer.Process.Kill() })
		tracer.Wait()
		force.Stop()
	}()
	eventually(s.t, soon, "strace is attached", func() error { return traced(supervisor) })
	s.kill()
	end := time.Now().Add(4 * time.Second) // not every daemon makes that many of these calls
	for time.Now().Before(end) && s.restarts() < before+3 {
		time.Sleep(10 * time.Millisecond)
	}
}

// restarts is what the state file says, which can be read while nobody serves.
func (s *site) restarts() int {
	files, _ := os.ReadDir(s.Run)
	for _, f := range files {
		if strings.HasSuffix(f.Name(), ".json") {
			return decode[struct{ Restarts int }](s.t, readFile(s.t, s.Run+"/"+f.Name())).Restarts
		}
	}
	return 0
}

// When daemon and supervisor are both gone, mount by hand takes over, binds and all, and says so.
func TestMountOverDead(t *testing.T) {
	s := newSite(t, siteOptions{Lane: "bind", Alone: true})
	s.publish("one", 1, s.data("one", map[string]string{"f": "text\n"}))
	s.warm("one:v1")
	spaces := []*namespace{s.namespace("host"), s.namespace("slave")}
	stop := s.watchBound(spaces[1], "one/v1/f", "text\n")
	for range 5 {
		s.killAll()
		var stderr strings.Builder
		cmd := s.command(binary, "mount", s.Mnt, "--log-file", s.Base+"/daemon.log")
		cmd.Stderr = &stderr
		if err := cmd.Run(); err != nil || !strings.Contains(stderr.String(), "taking over") {
			t.Errorf("mount over a dead one: %v: %q", err, stderr.String())
		}
		s.checkStack("after mounting by hand", spaces, "one/v1")
	}
	stop()
	s.umount()
	s.nothingLeft("self", fmt.Sprint(spaces[1].pid))
}

// killAll ends supervisor and daemon, in this order, and sees the mount dead.
func (s *site) killAll() {
	s.t.Helper()
	st := s.serving()
	must(s.t, syscall.Kill(st.Supervisor, syscall.SIGKILL))
	must(s.t, syscall.Kill(st.PID, syscall.SIGKILL))
	eventually(s.t, soon, "nobody serves", func() error {
		var fs unix.Statfs_t
		if err := unix.Statfs(s.Mnt, &fs); !errors.Is(err, syscall.ENOTCONN) {
			return fmt.Errorf("statfs: %v", err)
		}
		if left := s.processes(); len(left) > 0 {
			return fmt.Errorf("pids %v", left)
		}
		return nil
	})
}

// Of a stack of dead mounts umount leaves nothing.
func TestUmountDeadStack(t *testing.T) {
	needProgram(t, "strace")
	for _, how := range []string{"", "--lazy", "--force"} {
		t.Run("umount"+how, func(t *testing.T) {
			s := newSite(t, siteOptions{Lane: "bind", Alone: true})
			s.publish("one", 1, s.data("one", map[string]string{"f": "text"}))
			s.warm("one:v1")
			container := s.namespace("slave")
			s.killTakingOver("umount2", 1)
			for range 100 { // whichever of them is there
				for _, pid := range s.processes() {
					syscall.Kill(pid, syscall.SIGKILL)
				}
				if len(s.processes()) == 0 {
					break
				}
			}
			t.Logf("mounts: %v", s.stacked("self"))
			args := []string{"umount", s.Mnt}
			if how != "" {
				args = append(args, how)
			}
			s.artifactfs(args...)
			s.nothingLeft("self", fmt.Sprint(container.pid))
		})
	}
}

// mount --replace in a loop: whoever reads a bound version never fails, in a namespace that receives mounts either, and nothing is left of those
// that were replaced.
func TestReplaceUnderLoad(t *testing.T) {
	s := newSite(t, siteOptions{Lane: "bind", Alone: true})
	for _, name := range []string{"one", "two"} {
		s.publish(name, 1, s.data(name, map[string]string{"f": "text\n"}))
		s.warm(name + ":v1")
	}
	spaces := []*namespace{s.namespace("host"), s.namespace("slave")}
	stop := s.watchBound(spaces[1], "one/v1/f", "text\n")
	other := make(chan struct{})
	failed := make(chan error, 1)
	go func() {
		failed <- until(other, func() error {
			_, err := os.Readlink(s.path("one/latest"))
			return err
		})
	}()
	for range scaled(20) {
		s.artifactfs("mount", "--replace", s.Mnt, "--log-file", s.Base+"/daemon.log")
		s.checkStack("after mount --replace", spaces, "one/v1", "two/v1")
		if t.Failed() {
			break
		}
	}
	close(other)
	if err := <-failed; err != nil {
		t.Errorf("latest, during the replacements: %v", err)
	}
	stop()
	s.othersLeft()
	s.umount()
	s.nothingLeft("self", fmt.Sprint(spaces[1].pid))
}

// A directory that is bound to itself below a shared mount receives the mount twice, once hidden below the other. A new daemon takes over the
// one that a path leads to.
func TestTakeOverWhereBoundToItself(t *testing.T) {
	s := newSite(t, siteOptions{Quiet: true})
	outer, inner := s.Base+"/outer", s.Base+"/outer/inner"
	s.Mnt = inner + "/artifacts"
	must(t, os.MkdirAll(s.Mnt, 0o755))
	for _, dir := range []string{outer, inner} {
		must(t, unix.Mount(dir, dir, "", unix.MS_BIND, ""))
		must(t, unix.Mount("", dir, "", unix.MS_SHARED, ""))
	}
	s.publish("a", 1, s.data("a", map[string]string{"f": "text"}))
	s.mount()
	s.warm("a:v1")
	same := func() error { // a bind that could not be taken over in time is made again later
		if text, err := os.ReadFile(s.path("a/v1/f")); err != nil || string(text) != "text" {
			return fmt.Errorf("read %q, %v", text, err)
		}
		if got := mountsBelow("self", s.Mnt); len(got) != 4 || !slices.Contains(got, s.path("a/v1")) {
			return fmt.Errorf("mounts %q, want the mount and its bind, twice", got)
		}
		return nil
	}
	for range 2 {
		s.artifactfs("mount", "--replace", s.Mnt, "--log-file", s.Base+"/daemon.log")
		eventually(t, soon, "all is there after a replacement", same)
	}
	s.kill()
	s.back(comeback, "after kill -9")
	eventually(t, soon, "all is there after kill -9", same)
	s.umount()
	if left := mountsBelow("self", s.Mnt); len(left) > 0 {
		t.Errorf("umount left %q", left)
	}
}

// Who replaces a mount at the same time as another does so after him; and a mount that works is not replaced by one that cannot.
func TestReplaceAtOnce(t *testing.T) {
	s := newSite(t, siteOptions{Lane: "bind", Alone: true})
	s.publish("one", 1, s.data("one", map[string]string{"f": "text\n"}))
	s.warm("one:v1")
	spaces := []*namespace{s.namespace("host"), s.namespace("slave")}
	stop := s.watchBound(spaces[1], "one/v1/f", "text\n")
	for range 3 {
		done := make(chan string, 3)
		for range cap(done) {
			go func() {
				out, err := s.command(binary, "mount", "--replace", s.Mnt, "--log-file", s.Base+"/daemon.log").CombinedOutput()
				done <- fmt.Sprint(err, " ", string(out))
			}()
		}
		for range cap(done) {
			if out := <-done; !strings.HasPrefix(out, "<nil>") {
				t.Errorf("mount --replace: %s", out)
			}
		}
		s.checkStack("after three mount --replace at once", spaces, "one/v1")
	}
	out, err := s.command(binary, "mount", "--replace", s.Mnt, "artifacts.manifest.root=/nowhere/store").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "cannot be read now") {
		t.Errorf("mount --replace with a root that is not there: %v, %s", err, out)
	}
	s.checkStack("after it was refused", spaces, "one/v1")
	stop()
	s.othersLeft()
	s.umount()
	s.nothingLeft("self", fmt.Sprint(spaces[1].pid))
}

// othersLeft waits until those that were replaced have left.
func (s *site) othersLeft() {
	s.t.Helper()
	eventually(s.t, soon, "those that were replaced have left", func() error {
		if got := s.processes(); len(got) != 2 {
			return fmt.Errorf("pids %v, want a daemon and a supervisor", got)
		}
		return nil
	})
}
