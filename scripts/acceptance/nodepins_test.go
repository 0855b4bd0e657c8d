//go:build linux

package acceptance

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// A job that may not write to the store goes on seeing what it saw first, whatever becomes of the daemon: kill -9, a dead supervisor as well,
// mount --replace, umount --lazy while it has the mount. Nobody else sees its pins, and they go with the mount.
func TestPinsOnThisNode(t *testing.T) {
	s := newSite(t, siteOptions{Quiet: true, Alone: true})
	data := s.data("m", map[string]string{"x": "1"})
	s.artifactfs("log", "m", data)
	must(t, os.Chmod(s.Root+"/.artifactfs", 0o755))
	must(t, os.RemoveAll(s.Root+"/.artifactfs/snapshots"))
	must(t, os.Mkdir(s.Root+"/.artifactfs/snapshots", 0o755)) // root's
	s.mount()
	host := &namespace{s: s}
	as := func(uid int, job, script string) string {
		t.Helper()
		cmd := host.command(uid, "sh", "-euc", strings.ReplaceAll(script, "MNT", s.Mnt))
		cmd.Env = append(cmd.Env, "ARTIFACTFS_JOB="+job)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("uid %d in %s: %s: %v %s", uid, job, script, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	latest := func(uid int, job string) string { t.Helper(); return as(uid, job, "readlink MNT/m/latest") }
	check := func(after string) {
		t.Helper()
		if got := latest(alice, "one"); got != "v1" {
			t.Fatalf("after %s the job's latest is %s, which was v1", after, got)
		}
	}
	check("nothing")
	s.artifactfs("log", "m", data)
	if got := latest(alice, "two"); got != "v2" {
		t.Fatalf("another job's latest is %s", got)
	}
	check("a new version")
	for i := range 3 {
		s.kill()
		s.back(comeback, "after a kill")
		check(fmt.Sprintf("kill %d", i))
	}
	for _, pid := range s.processes() {
		exec.Command("kill", "-9", fmt.Sprint(pid)).Run()
	}
	s.mount()
	check("the death of all processes")
	s.artifactfs("mount", "--replace", s.Mnt, "artifactfs.ttl=2s", "--log-file", s.Base+"/daemon.log")
	check("mount --replace")
	if got := as(alice, "one", binary+" status --json MNT"); !strings.Contains(got, `"where": "this node"`) || !strings.Contains(got, "not kept in the store") {
		t.Errorf("status does not say where the pin lies: %s", got)
	}
	id := fmt.Sprintf("%d.-.job-one", alice)
	if got := as(alice, "one", "readlink MNT/.snapshot/"+id+"/m/latest"); !strings.HasSuffix(got, "v1") {
		t.Errorf("the job's snapshot shows %s", got)
	}
	if got := s.artifactfs("snapshot", "ls"); !strings.Contains(got, id) {
		t.Errorf("root, who mounted, sees the snapshots %s", got)
	}
	s.artifactfs("snapshot", "rm", fmt.Sprintf("%d.-.job-two", alice))
	eventually(t, soon, "what was unpinned is the newest", func() error {
		s.artifactfs("log", "m", data)
		if got := latest(alice, "two"); got == "v2" {
			return fmt.Errorf("it is %s", got)
		}
		return nil
	})
	check("another job's pin was taken away")
	as(bob, "one", "! ls MNT/.snapshot/"+id+"; ! ls MNT/.snapshot | grep ^"+fmt.Sprint(alice)+"; ! ls "+s.Run+"/*.pins")
	must(t, os.Mkdir(s.Base+"/state", 0o755))
	s.artifactfs("mount", "--replace", s.Mnt, "artifactfs.state_root="+s.Base+"/state", "--log-file", s.Base+"/daemon.log")
	latest(alice, "three")
	if got := as(alice, "three", binary+" status --json MNT"); !strings.Contains(got, `"kept": "state_root, `) || strings.Contains(got, "another node may have others") {
		t.Errorf("with state_root, the status is %s", got)
	}
	stays := s.stays(host, "one")
	s.artifactfs("umount", "--lazy", s.Mnt)
	if got := stays(); strings.Trim(got, "v1\n") != "" || got == "" {
		t.Errorf("after umount --lazy latest, which was v1, is %q", got)
	}
	s.nothingLeft("self")
	s.mount()
	if got := latest(alice, "one"); got == "v1" {
		t.Errorf("in the next mount latest is %s: a pin of the last one", got)
	}
	s.umount()
	s.nothingLeft("self")
}

// stays starts a process of a job of alice's in the mount; what it returns has it read latest for longer than the daemon remembers without looking.
func (s *site) stays(on *namespace, job string) (read func() string) {
	s.t.Helper()
	cmd := on.command(alice, "sh", "-euc", `cd "$0"; echo ready; read -r go; for i in $(seq 15); do readlink m/latest; sleep 0.1; done`, s.Mnt)
	cmd.Env = append(cmd.Env, "ARTIFACTFS_JOB="+job)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	must(s.t, err)
	out, err := cmd.StdoutPipe()
	must(s.t, err)
	must(s.t, cmd.Start())
	from := bufio.NewReader(out)
	if line, _ := from.ReadString('\n'); line != "ready\n" {
		s.t.Fatalf("it said %q", line)
	}
	return func() string {
		fmt.Fprintln(in, "go")
		all, _ := io.ReadAll(from)
		if err := cmd.Wait(); err != nil {
			s.t.Errorf("in the mount that was detached: %v", err)
		}
		return string(all)
	}
}
