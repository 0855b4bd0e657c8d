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
)

const (
	hangDeadline = 2 * time.Second // artifactfs.deadline of these sites
	hangSlack    = 2 * time.Second // of a call's end after its deadline, on a machine that others use
	prompt       = 100 * time.Millisecond
)

// hanging is a site with one data root that hangs when asked to, and others that do not.
type hanging struct {
	*site
	slow  *loopback
	files int                      // in slow/v1
	usual map[string]time.Duration // what each of others takes here while nothing hangs
}

// newHanging publishes slow, whose data lies on the file system that hangs, beside versions of every lane.
func newHanging(t *testing.T, o siteOptions, files int, deadline time.Duration) *hanging {
	o.Keys = append(o.Keys, fmt.Sprintf("deadline = %q", deadline))
	s := newSite(t, o)
	h := &hanging{site: s, slow: s.loopback("slow"), files: files}
	s.loopback("copied") // the kernel does not pass through what another FUSE file system serves
	must(t, os.Mkdir(s.Base+"/slow.real/d", 0o755))
	for i := range files {
		writeFile(t, fmt.Sprintf("%s/slow.real/d/f%d", s.Base, i), "slow")
	}
	must(t, os.Symlink("../../logged/part.txt", s.Base+"/slow.real/d/leaves")) // so it is not bound by itself
	s.publish("slow", 1, s.Data+"/slow/d")
	writeFile(t, s.Base+"/copied.real/d/f", "fast")
	must(t, os.Symlink("../../logged/part.txt", s.Base+"/copied.real/d/leaves"))
	s.publish("copied", 1, s.Data+"/copied/d")
	passed := s.data("passed", map[string]string{"f": "fast"})
	must(t, os.Symlink("../logged/part.txt", passed+"/leaves"))
	s.publish("passed", 1, passed)
	s.publish("bound", 1, s.data("bound", map[string]string{"f": "fast"}))
	s.data("logged", map[string]string{"part.txt": "text"})
	s.warm("bound:v1")
	for name, lane := range map[string]string{"passed": "passthrough", "copied": "copy", "slow": "copy"} {
		if _, err := os.ReadFile(s.path(name, "v1/f")); err != nil && name != "slow" {
			t.Fatal(err)
		}
		if _, err := os.ReadFile(s.path("slow/v1/f0")); err != nil {
			t.Fatal(err)
		}
		for _, v := range s.status() {
			if v.Name == name && v.Lane != lane {
				t.Skipf("%s is served by %s, not %s, here: %s", name, v.Lane, lane, v.Why)
			}
		}
	}
	h.usual = h.medians("before anything hangs")
	return h
}

// A stuck call is one that touches what hangs.
type stuck struct {
	err  error
	took time.Duration
}

// touch makes n calls at once, each in a file of its own, and gives their outcomes when all have come back.
func (h *hanging) touch(n int) <-chan stuck {
	out := make(chan stuck, n)
	var calls sync.WaitGroup
	for i := range n {
		calls.Go(func() {
			began := ran()
			f, err := os.Open(h.path("slow/v1", fmt.Sprint("f", i%h.files)))
			if err == nil {
				f.Close()
			}
			out <- stuck{err, ran() - began}
		})
	}
	go func() { calls.Wait(); close(out) }()
	return out
}

func checkStuck(t *testing.T, outcomes <-chan stuck, want int) {
	t.Helper()
	n, slowest := 0, time.Duration(0)
	wrong := map[string]int{}
	for o := range outcomes {
		n++
		slowest = max(slowest, o.took)
		if !errors.Is(o.err, syscall.ETIMEDOUT) {
			wrong[fmt.Sprint(errors.Unwrap(o.err))]++
		}
	}
	if len(wrong) > 0 || n != want {
		t.Errorf("%d calls into what hangs; not ETIMEDOUT: %v", n, wrong)
	}
	if slowest > hangDeadline+hangSlack {
		t.Errorf("one took %v, the deadline is %v", slowest, hangDeadline)
	}
	t.Logf("%d calls, each back within %v", n, slowest.Round(time.Millisecond))
}

// others are calls that do not touch what hangs, in every lane and every view.
func (h *hanging) others() map[string]func() error {
	read := func(path, want string) func() error {
		return func() error {
			text, err := os.ReadFile(h.path(path))
			if err == nil && !strings.Contains(string(text), want) {
				err = fmt.Errorf("%s is %q", path, text)
			}
			return err
		}
	}
	list := func(path, want string) func() error {
		return func() error {
			entries, err := os.ReadDir(h.path(path))
			if err == nil && !slices.ContainsFunc(entries, func(e os.DirEntry) bool { return e.Name() == want }) {
				err = fmt.Errorf("%s lists %v", path, entries)
			}
			return err
		}
	}
	k := 0
	return map[string]func() error{
		"a bound version":           read("bound/v1/f", "fast"),
		"a passed-through version":  read("passed/v1/f", "fast"),
		"a copied version":          read("copied/latest/f", "fast"),
		"listing a version":         list("copied/v1", "f"),
		"ls of the root":            list("", "slow"),
		"ls of the name that hangs": list("slow", "v1"),
		"latest of what hangs":      func() error { _, err := os.Readlink(h.path("slow/latest")); return err },
		"stat of what hangs":        func() error { _, err := os.Lstat(h.path("slow/v1")); return err },
		".fields":                   read(".fields/slow/v1/path", h.Data+"/slow/d"),
		".manifest":                 read(".manifest/slow/v1/manifest.json", "slow/d"),
		"status":                    read(".artifactfs/status", h.Mnt),
		"logging": func() error {
			k++
			_, err := h.log("logged", request(h.Data+"/logged", "w", k))
			return err
		},
	}
}

// checkPrompt fails the test for a call that what hangs makes slow, on a machine that is not slow by itself.
func (h *hanging) checkPrompt(when string) {
	h.t.Helper()
	for what, took := range h.medians(when) {
		if took > max(prompt, 4*h.usual[what]) {
			h.t.Errorf("%s: %s takes %v, and %v while nothing hangs", when, what, took, h.usual[what])
		}
	}
}

// medians makes each of the calls many times; the machine may be busy now and then, so the median counts.
func (h *hanging) medians(when string) map[string]time.Duration {
	h.t.Helper()
	all := map[string]time.Duration{}
	for what, call := range h.others() {
		if what == "stat of what hangs" && mounted(h.path("slow/v1")) {
			continue // that asks the data itself
		}
		var took []time.Duration
		for range 15 {
			began := time.Now()
			if err := call(); err != nil {
				h.t.Errorf("%s: %s: %v", when, what, err)
				break
			}
			took = append(took, time.Since(began))
		}
		if slices.Sort(took); len(took) > 0 {
			all[what] = took[len(took)/2]
		}
	}
	return all
}

// A data root that hangs makes those wait who touch it, each until its deadline, and nobody else; with many calls outstanding the daemon has
// few threads; when the root is back, so is what lies on it.
func TestHang(t *testing.T) {
	h := newHanging(t, siteOptions{}, 500, hangDeadline)
	h.slow.hang()
	outcomes := h.touch(500)
	h.checkPrompt("with 500 calls outstanding")
	if n := threads(h.daemon()); n >= 200 {
		t.Errorf("the daemon has %d threads", n)
	} else {
		t.Logf("the daemon has %d threads", n)
	}
	checkStuck(t, outcomes, 500)
	h.checkPrompt("when all have timed out")
	checkStuck(t, h.touch(3), 3)
	if _, err := h.log("logged", request(h.Data+"/slow/d", "slow", 0)); !errors.Is(err, syscall.ETIMEDOUT) {
		t.Errorf("logging what hangs: %v, want ETIMEDOUT", err)
	}
	began := ran()
	if st := h.serving(); st.State != "serving" || ran()-began > 5*time.Second {
		t.Errorf("artifactfs status says %q after %v", st.State, ran()-began)
	}
	h.slow.recover()
	eventually(t, soon, "what hung is back", func() error {
		text, err := os.ReadFile(h.path("slow/v1/f1"))
		if err == nil && string(text) != "slow" {
			err = fmt.Errorf("read %q", text)
		}
		return err
	})
	eventually(t, soon, "its threads have nothing to do", func() error { return uninterruptible(h.daemon()) })
	h.umount()
}

func threads(pid int) int {
	all, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	return len(all)
}

// uninterruptible names a thread of a process that is in D state.
func uninterruptible(pid int) error {
	all, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	for _, thread := range all {
		dir := fmt.Sprintf("/proc/%d/task/%s/", pid, thread.Name())
		if stat, _ := os.ReadFile(dir + "stat"); strings.Contains(string(stat), ") D ") {
			where, _ := os.ReadFile(dir + "wchan")
			return fmt.Errorf("thread %s of pid %d is in D state, in %s", thread.Name(), pid, where)
		}
	}
	return nil
}

// The mount can be taken away while a data root hangs, in each way, with a version bound that lies on it and calls outstanding or not; nothing of
// it stays, not even a thread that waits.
func TestUmountWhileHung(t *testing.T) {
	for _, how := range []string{"orderly", "orderly, bound", "--lazy", "--force", "SIGTERM"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			h := newHanging(t, siteOptions{Alone: true}, 8, hangDeadline)
			if strings.Contains(how, "bound") {
				must(t, os.Remove(h.Base+"/slow.real/d/leaves"))
				h.warmSoon("slow:v1")
			}
			h.slow.hang()
			outcomes := h.touch(8)
			time.Sleep(checkRound) // binds are checked now
			daemon := h.daemon()
			began := ran()
			switch how {
			case "--lazy", "--force":
				h.artifactfs("umount", how, h.Mnt)
			case "SIGTERM":
				must(t, syscall.Kill(h.serving().Supervisor, syscall.SIGTERM))
			default:
				if !strings.Contains(how, "bound") { // else they wait in the kernel, for the root itself
					checkStuck(t, outcomes, 8)
				}
				began = ran()
				if strings.Contains(how, "bound") {
					h.slow.recover()
					for range outcomes {
					}
					h.slow.hang()
					eventually(t, soon, "the daemon checks what is bound, and waits", h.slow.askedFor)
					began = ran()
				}
				h.umount()
			}
			if took := ran() - began; took > 5*time.Second {
				t.Errorf("it took %v", took)
			} else {
				t.Logf("it took %v", took)
			}
			took := eventually(t, soon, "the mount and its processes are gone", func() error {
				if mounted(h.Mnt) {
					return errors.New("the mount is there")
				}
				if pids := h.processes(); len(pids) > 0 {
					return fmt.Errorf("pids %v, daemon %d: %v", pids, daemon, uninterruptible(daemon))
				}
				return uninterruptible(daemon)
			})
			t.Logf("gone %v later", took)
			h.nothingLeft("self")
			h.slow.recover()
			for range outcomes {
			}
		})
	}
}

// checkRound is longer than the daemon takes between two checks of what is bound.
const checkRound = 2500 * time.Millisecond

// warmSoon binds a version that was refused a moment ago.
func (h *hanging) warmSoon(ref string) {
	h.t.Helper()
	eventually(h.t, soon, ref+" is bound", func() error {
		out, err := h.command(binary, "warm", "--mount", h.Mnt, ref).CombinedOutput()
		if err != nil {
			err = fmt.Errorf("%w: %s", err, out)
		}
		return err
	})
}

// A bound version whose data hangs keeps neither the checks of other versions waiting, nor a new daemon that takes over, nor new binds.
func TestHangBound(t *testing.T) {
	h := newHanging(t, siteOptions{}, 8, time.Minute)
	must(t, os.Remove(h.Base+"/slow.real/d/leaves"))
	h.warmSoon("slow:v1")
	h.slow.hang()
	time.Sleep(2 * checkRound)
	must(t, os.Symlink("/etc/hostname", h.Data+"/bound/leaves"))
	h.gone("bound", "v1", "leaves the version")
	must(t, os.Remove(h.Data+"/bound/leaves"))
	h.publish("later", 1, h.data("later", map[string]string{"f": "fast"}))
	h.warm("later:v1")
	h.checkPrompt("with a bound version that hangs")
	h.kill()
	h.back(comeback, "with a bound version that hangs")
	if !mounted(h.path("later/v1")) {
		t.Error("later is not bound any more")
	}
	h.checkPrompt("after kill -9")
	h.slow.recover()
	eventually(t, soon, "what hung is back", func() error {
		_, err := os.ReadFile(h.path("slow/v1/f1"))
		return err
	})
	h.umount()
}

// A daemon that is killed while it waits for a file system that has taken a request and does not answer cannot end. The mount is back all the same,
// and who waited for the daemon is told.
func TestKillWhileHeld(t *testing.T) {
	h := newHanging(t, siteOptions{Alone: true}, 1, time.Minute)
	letGo := h.slow.hold(t, h.site)
	outcomes := h.touch(1)
	daemon, abort := h.daemon(), h.connection(h.Mnt)+"/abort"
	t.Cleanup(func() { os.WriteFile(abort, []byte("1"), 0) }) // so that nobody waits for ever if it is not back
	eventually(t, soon, "the daemon waits for what is held", h.slow.askedFor)
	must(t, syscall.Kill(daemon, syscall.SIGKILL))
	began, back := time.Now(), make(chan bool)
	go func() {
		defer close(back)
		_ = until(t.Context().Done(), func() error {
			if _, err := os.ReadFile(h.path(".artifactfs", "status")); err == nil {
				return errors.New("it is back")
			}
			time.Sleep(5 * time.Millisecond)
			return nil
		})
	}()
	select {
	case <-back:
		t.Logf("back after %v", time.Since(began).Round(time.Millisecond))
	case <-time.After(soon):
		t.Fatal("the mount is not back while a thread of the daemon cannot end")
	}
	select {
	case o := <-outcomes:
		if o.err == nil {
			t.Error("a call that waited for a dead daemon succeeded")
		}
	case <-time.After(soon):
		t.Error("a call waits for a dead daemon")
	}
	if st := h.serving(); st.State != "serving" || st.PID == daemon {
		t.Errorf("status says %q, pid %d; %d was killed", st.State, st.PID, daemon)
	}
	h.checkPrompt("after kill -9")
	if !mounted(h.path("bound/v1")) {
		t.Error("what was bound is not")
	}
	letGo()
	h.umount()
	h.nothingLeft("self")
}
