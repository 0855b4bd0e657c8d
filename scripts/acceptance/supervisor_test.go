//go:build linux

package acceptance

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
)

// Killing the supervisor costs nothing: the daemon goes on serving and starts another, which brings the mount back when the daemon dies, and
// ends with the mount. Any number of times, in any order.
func TestKillSupervisor(t *testing.T) {
	s := newSite(t, siteOptions{Alone: true})
	s.publish("kept", 1, s.data("kept", map[string]string{"f": "text"}))
	s.warm("kept:v1")
	for round := range 4 {
		was := s.serving()
		must(t, syscall.Kill(was.Supervisor, syscall.SIGKILL))
		eventually(t, soon, fmt.Sprint("there is another supervisor, round ", round), func() error {
			if text, err := os.ReadFile(s.path("kept/v1/f")); err != nil || string(text) != "text" {
				t.Errorf("read %q, %v", text, err)
			}
			now := s.serving()
			if now.PID != was.PID {
				t.Fatalf("the daemon is %d, was %d", now.PID, was.PID)
			}
			if syscall.Kill(was.Supervisor, 0) == nil || now.Supervisor == was.Supervisor || syscall.Kill(now.Supervisor, 0) != nil {
				return fmt.Errorf("status says %d, which is as good as none", now.Supervisor)
			}
			return nil
		})
		if round%2 == 1 {
			s.kill()
			s.back(comeback, "with the supervisor that a daemon has started")
		}
	}
	st := decode[struct {
		Restarts int
		Death    string `json:"last_death"`
	}](t, s.artifactfs("status", "--json", s.Mnt))
	if st.Restarts != 2 || !strings.Contains(st.Death, "dead mount") && !strings.Contains(st.Death, "killed") {
		t.Errorf("status tells of %d restarts, the last %q; want 2", st.Restarts, st.Death)
	}
	if got := s.processes(); len(got) != 2 {
		t.Errorf("processes %v, want one daemon and one supervisor", got)
	}
	s.umount()
	s.nothingLeft("self")
}

// A mount that is taken away gets no new supervisor, however that is done.
func TestNoSupervisorAfterUmount(t *testing.T) {
	s := newSite(t, siteOptions{Alone: true, Quiet: true})
	s.publish("kept", 1, s.data("kept", map[string]string{"f": "text"}))
	for _, how := range []string{"", "--lazy", "--force"} {
		s.mount()
		before := s.serving()
		held, err := os.Open(s.path(".artifactfs/status")) // only the daemon can serve it
		must(t, err)
		must(t, syscall.Kill(before.Supervisor, syscall.SIGKILL))
		if how == "" {
			held.Close()
			s.umount()
		} else {
			s.artifactfs("umount", how, s.Mnt)
			held.Close()
		}
		eventually(t, soon, "everything ends with umount "+how, func() error {
			if left := s.processes(); len(left) > 0 {
				return fmt.Errorf("pids %v", left)
			}
			if mounted(s.Mnt) {
				return errors.New("the mount is there")
			}
			return nil
		})
		s.nothingLeft("self")
	}
}
