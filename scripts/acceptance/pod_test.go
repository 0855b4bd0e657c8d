//go:build linux

package acceptance

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// pod runs the daemon as scripts/kubernetes has it: in a mount namespace of its own, whose mounts below the parent directory reach the host and
// back, with no supervisor but whoever starts it again.
func (s *site) pod() *exec.Cmd {
	s.t.Helper()
	cmd := s.command("unshare", "--mount", "--propagation", "unchanged", binary, "mount", "-f", s.Mnt)
	log, err := os.OpenFile(s.Base+"/pod.log", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	must(s.t, err)
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	must(s.t, cmd.Start())
	s.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd
}

// A daemon in a pod: host and other pods read through its mount, also after it was killed and another pod has taken its place, and its orderly
// end takes the mount away everywhere.
func TestDaemonInAPod(t *testing.T) {
	s := newSite(t, siteOptions{Quiet: true, Alone: true})
	s.publish("one", 1, s.data("one", map[string]string{"f": "text"}))
	job := s.namespace("slave")
	reads := func() error {
		if text, err := os.ReadFile(s.path("one/latest/f")); err != nil || string(text) != "text" {
			return fmt.Errorf("the host reads %q: %w", text, err)
		}
		out, err := job.command(root, "cat", s.path("one/latest/f")).CombinedOutput()
		if err != nil || string(out) != "text" {
			return fmt.Errorf("a pod reads %s: %w", out, err)
		}
		return nil
	}
	var daemon *exec.Cmd
	for round := range 3 {
		daemon = s.pod()
		eventually(t, soon, fmt.Sprintf("daemon %d serves", round), reads)
		if round < 2 {
			must(t, daemon.Process.Kill())
			_ = daemon.Wait()
		}
	}
	must(t, daemon.Process.Signal(syscall.SIGTERM))
	if err := daemon.Wait(); err != nil {
		t.Errorf("the daemon ended with %v: %s", err, readFile(t, s.Base+"/pod.log"))
	}
	eventually(t, soon, "the mount is gone", func() error {
		if left := append(mountsBelow("self", s.Mnt), mountsBelow(fmt.Sprint(job.pid), s.Mnt)...); len(left) > 0 {
			return fmt.Errorf("left are %q", left)
		}
		return nil
	})
	if _, err := os.Stat(s.path("one")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after the end: %v", err)
	}
}
