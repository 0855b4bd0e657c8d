//go:build linux

package acceptance

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// loopbackVar has the test binary be a file system instead: "FROM:AT". It keeps nothing in the kernel, so that everything asks it.
const loopbackVar = "ARTIFACTFS_TEST_LOOPBACK"

func serveLoopback(what string) int {
	from, at, _ := strings.Cut(what, ":")
	root, err := fusefs.NewLoopbackRoot(from)
	if err == nil {
		var none time.Duration
		o := &fusefs.Options{
			EntryTimeout: &none, AttrTimeout: &none,
			MountOptions: fuse.MountOptions{AllowOther: true, DirectMountStrict: true, FsName: "loopback", Name: "loopback"},
		}
		var srv *fuse.Server
		if srv, err = fuse.NewServer(&holding{fusefs.NewNodeFS(root, o), from + ".hold"}, at, &o.MountOptions); err == nil {
			go srv.Serve()
			err = srv.WaitMount()
		}
		if err == nil {
			fmt.Println("ready")
			srv.Wait()
			return 0
		}
	}
	fmt.Fprintln(os.Stderr, err)
	return 1
}

// holding answers no lookup and no open while a file is there.
type holding struct {
	fuse.RawFileSystem
	while string
}

func (h *holding) wait() {
	for {
		if _, err := os.Stat(h.while); err != nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func (h *holding) Lookup(cancel <-chan struct{}, header *fuse.InHeader, name string, out *fuse.EntryOut) fuse.Status {
	h.wait()
	return h.RawFileSystem.Lookup(cancel, header, name, out)
}

func (h *holding) Open(cancel <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	h.wait()
	return h.RawFileSystem.Open(cancel, in, out)
}

// A loopback is a file server that can hang: a FUSE process of its own, mounted in a site's data_roots.
type loopback struct {
	t       *testing.T
	at      string
	p       *os.Process
	waiting string // the kernel's file that says how many requests are not answered
}

// loopback mounts one at data_roots/NAME.
func (s *site) loopback(name string) *loopback {
	s.t.Helper()
	from, at := s.Base+"/"+name+".real", s.Data+"/"+name
	must(s.t, os.MkdirAll(from, 0o755))
	must(s.t, os.MkdirAll(at, 0o755))
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), loopbackVar+"="+from+":"+at)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	must(s.t, err)
	must(s.t, cmd.Start())
	s.t.Cleanup(func() {
		unix.Unmount(at, unix.MNT_FORCE)
		unix.Unmount(at, unix.MNT_DETACH)
		cmd.Process.Kill()
		cmd.Wait()
	})
	if line, _ := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		s.t.Fatalf("the loopback did not mount at %s", at)
	}
	return &loopback{s.t, at, cmd.Process, s.connection(at) + "/waiting"}
}

// connection is where the kernel shows the FUSE connection of what is mounted at a place.
func (s *site) connection(at string) string {
	s.t.Helper()
	all := s.Base + "/connections"
	if !mounted(all) {
		must(s.t, os.MkdirAll(all, 0o755))
		must(s.t, unix.Mount("fusectl", all, "fusectl", 0, ""))
	}
	var st unix.Statx_t // who serves it is not asked
	must(s.t, unix.Statx(unix.AT_FDCWD, at, unix.AT_STATX_DONT_SYNC, unix.STATX_TYPE, &st))
	return fmt.Sprintf("%s/%d", all, unix.Mkdev(st.Dev_major, st.Dev_minor))
}

// hang has it answer nothing from now on. It takes no request with it: who waits for an answer to one that the server has read cannot be killed, and
// is in D state until the server goes on. That is the kernel's, whoever asks.
func (l *loopback) hang() {
	l.t.Helper()
	eventually(l.t, soon, "it is stopped, and has answered all that it was asked", func() error {
		must(l.t, l.p.Signal(syscall.SIGSTOP))
		eventually(l.t, soon, "all its threads are stopped", l.stopped)
		n := l.waits()
		if n == 0 {
			return nil
		}
		l.recover()
		return fmt.Errorf("%d requests wait", n)
	})
}

// hold has it take lookups and opens, and answer none before it is let go.
func (l *loopback) hold(t *testing.T, s *site) (letGo func()) {
	file := s.Base + "/" + filepath.Base(l.at) + ".real.hold"
	writeFile(t, file, "")
	letGo = func() { os.Remove(file) }
	t.Cleanup(letGo)
	return letGo
}

// waits counts the requests that are not answered.
func (l *loopback) waits() int {
	l.t.Helper()
	n, err := strconv.Atoi(strings.TrimSpace(readFile(l.t, l.waiting)))
	must(l.t, err)
	return n
}

// askedFor returns nil once somebody waits for an answer.
func (l *loopback) askedFor() error {
	if l.waits() == 0 {
		return errors.New("nobody asks")
	}
	return nil
}

func (l *loopback) stopped() error {
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", l.p.Pid))
	for _, thread := range threads {
		stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/stat", l.p.Pid, thread.Name()))
		if !strings.Contains(string(stat), ") T ") {
			err = fmt.Errorf("%.40s", stat)
		}
	}
	return err
}

func (l *loopback) recover() {
	l.t.Helper()
	must(l.t, l.p.Signal(syscall.SIGCONT))
}
