//go:build linux

package acceptance

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Users of the tests. They need no entry in passwd.
const (
	root  = 0
	alice = 54001
	bob   = 54002
)

// A namespace is a mount namespace with a process in it, as a container is.
type namespace struct {
	s     *site
	kind  string
	pid   int    // 0: the host
	where string // chroot, "" for none
}

func (n *namespace) String() string { return n.kind }

// namespace makes a mount namespace of a kind: "host" is the tests' own, "slave" gets what is mounted on the host later,
// "private" does not.
func (s *site) namespace(kind string) *namespace {
	s.t.Helper()
	if kind == "host" {
		return &namespace{s: s, kind: kind}
	}
	needProgram(s.t, "unshare", "nsenter", "setpriv")
	return s.container(kind, "")
}

// container makes a namespace and runs a setup in it: mounts of its own.
func (s *site) container(propagation, setup string) *namespace {
	s.t.Helper()
	cmd := s.command("unshare", "--mount", "--propagation", propagation, "sh", "-euc", setup+"\necho ready; exec cat")
	in, err := cmd.StdinPipe()
	must(s.t, err)
	out, err := cmd.StdoutPipe()
	must(s.t, err)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	must(s.t, cmd.Start())
	s.t.Cleanup(func() { in.Close(); io.Copy(io.Discard, out); cmd.Wait() })
	if line, _ := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		s.t.Fatalf("container: %q %s", line, stderr.String())
	}
	return &namespace{s: s, kind: propagation, pid: cmd.Process.Pid}
}

// run runs a script there as a user with no groups and, unless root, no capabilities; its output and the shell's failure are returned.
func (n *namespace) run(uid int, script string) (string, error) {
	cmd := n.command(uid, "sh", "-euc", script)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (n *namespace) command(uid int, argv ...string) *exec.Cmd {
	var pre []string
	if n.pid != 0 {
		pre = append(pre, "nsenter", "--mount", "--target", fmt.Sprint(n.pid))
	}
	if n.where != "" {
		pre = append(pre, "chroot", n.where)
	}
	if uid != root {
		id := fmt.Sprint(uid)
		pre = append(pre, "setpriv", "--reuid", id, "--regid", id, "--clear-groups", "--inh-caps=-all", "--")
	}
	argv = append(pre, argv...)
	cmd := n.s.command(argv[0], argv[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// A shown is one version in `artifactfs status --json`.
type shown struct {
	Name    string
	Version any
	Lane    string
	Why     string
	Missing any
}

// status finds the versions in the status, wherever in its JSON they are.
func (s *site) status() []shown {
	s.t.Helper()
	var found []shown
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, e := range v {
				walk(e)
			}
		case map[string]any:
			if name, ok := v["name"].(string); ok && v["version"] != nil {
				lane, _ := v["lane"].(string)
				why, _ := v["why"].(string)
				found = append(found, shown{name, v["version"], lane, why, v["missing"]})
			}
			for _, e := range v {
				walk(e)
			}
		}
	}
	walk(decode[any](s.t, s.artifactfs("status", "--json", s.Mnt)))
	return found
}

const namespaceVar = "ARTIFACTFS_TEST_NAMESPACE"

// ownNamespace starts the tests again in a mount namespace of their own. Whatever makes a namespace elsewhere on the machine, another run of these
// tests as well, has copies of all mounts that it sees: ours are served there after we have unmounted them.
func ownNamespace() {
	if os.Getuid() == 0 && os.Getenv(namespaceVar) != "" {
		withoutOthers()
		return
	}
	if os.Getuid() != 0 || exec.Command("unshare", "--mount", "true").Run() != nil {
		return
	}
	unshare, err := exec.LookPath("unshare")
	if err == nil {
		err = os.Setenv(namespaceVar, "1")
	}
	if err == nil {
		args := append([]string{"unshare", "--mount", "--propagation", "private", "--"}, os.Args...)
		err = syscall.Exec(unshare, args, os.Environ())
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// withoutOthers takes out of this namespace the mounts of artifactfs that came with it: one that hangs would be asked by whoever logs.
func withoutOthers() {
	text, _ := os.ReadFile("/proc/self/mountinfo")
	for line := range strings.Lines(string(text)) {
		if at, what, ok := strings.Cut(line, " - "); ok && strings.HasPrefix(what, "fuse.artifactfs ") {
			_ = unix.Unmount(strings.Fields(at)[4], unix.MNT_DETACH)
		}
	}
}
