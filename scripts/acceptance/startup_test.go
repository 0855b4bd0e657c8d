//go:build linux

package acceptance

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// starting runs a mount, stops its daemon before that is ready, and returns the pids; ok is false if it was ready sooner.
func (s *site) starting(args ...string) (cmd *exec.Cmd, supervisor, daemon int, ok bool) {
	s.t.Helper()
	before := s.processes()
	cmd = s.command(binary, append([]string{"mount", s.Mnt, "--log-file", s.Base + "/daemon.log"}, args...)...)
	must(s.t, cmd.Start())
	for end := time.Now().Add(soon); daemon == 0 && time.Now().Before(end); {
		for _, pid := range s.processes() {
			args, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
			if !slices.Contains(before, pid) && strings.Contains(string(args), "\x00serve\x00") {
				daemon = pid
			}
		}
	}
	must(s.t, syscall.Kill(daemon, syscall.SIGSTOP))
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", daemon))
	f := strings.Fields(string(status[strings.LastIndexByte(string(status), ')')+1:]))
	fmt.Sscan(f[1], &supervisor)
	return cmd, supervisor, daemon, !holds(daemon, "/dev/fuse")
}

// A supervisor that dies before its daemon is ready costs nothing: the daemon starts another. If the daemon dies nothing is left, and what was to
// be replaced stays.
func TestSupervisorDiesFirst(t *testing.T) {
	s := newSite(t, siteOptions{Alone: true, Quiet: true})
	s.publish("kept", 1, s.data("kept", map[string]string{"f": "text"}))
	tries := 0
	for _, c := range []struct {
		name                      string
		supervisor, daemon, there bool
	}{
		{"supervisor", true, false, false}, {"daemon", false, true, false}, {"both", true, true, false},
		{"supervisor, replacing", true, false, true}, {"daemon, replacing", false, true, true}, {"both, replacing", true, true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := s.with(t)
			var args []string
			if c.there {
				s.mount()
				args = []string{"--replace"}
			}
			cmd, supervisor, daemon, ok := s.starting(args...)
			for ; !ok && tries < 20; tries++ { // it was ready sooner than we looked
				must(t, syscall.Kill(daemon, syscall.SIGCONT))
				must(t, cmd.Wait())
				s.umount()
				if c.there {
					s.mount()
				}
				cmd, supervisor, daemon, ok = s.starting(args...)
			}
			if c.supervisor {
				must(t, syscall.Kill(supervisor, syscall.SIGKILL))
			}
			if c.daemon {
				must(t, syscall.Kill(daemon, syscall.SIGKILL))
			}
			_ = syscall.Kill(daemon, syscall.SIGCONT) // if it is there
			if err := cmd.Wait(); (err != nil) != c.daemon {
				t.Errorf("mount: %v", err)
			}
			if c.daemon && !c.there {
				if mounted(s.Mnt) {
					t.Error("a mount is left")
				}
			} else {
				if text, err := os.ReadFile(s.path("kept/v1/f")); err != nil || string(text) != "text" {
					t.Errorf("read %q, %v", text, err)
				}
				s.kill()
				s.back(comeback, "with whatever supervisor there is")
				s.umount()
			}
			s.nothingLeft("self")
		})
	}
}
