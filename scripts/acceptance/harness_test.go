//go:build linux

package acceptance

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"artifactfs.dev/artifactfs/wandb/wandbtest"
)

var (
	binary  string // artifactfs, built by TestMain from the tree the tests are in
	scratch string // where mounts and stores are made; every user may pass through it
)

func TestMain(m *testing.M) {
	if what := os.Getenv(loopbackVar); what != "" {
		os.Exit(serveLoopback(what))
	}
	ownNamespace()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	syscall.Umask(0o022)
	go keepTime()
	var err error
	if scratch, err = os.MkdirTemp("", "artifactfs-acceptance"); err == nil {
		err = os.Chmod(scratch, 0o755)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(scratch) // mounts are gone by then: each test removes its own
	binary = filepath.Join(scratch, "artifactfs")
	build := exec.Command("go", "build", "-o", binary)
	if raceEnabled {
		build.Args = append(build.Args, "-race")
	}
	build.Args = append(build.Args, "../../cmd/artifactfs")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%v: %v\n%s", build.Args, err, out)
		return 1
	}
	return m.Run()
}

// needRoot skips where the tests cannot mount for others, enter namespaces or become users.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root: it makes mount namespaces and becomes other users")
	}
	needFuse(t)
}

func needFuse(t *testing.T) {
	t.Helper()
	f, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("needs /dev/fuse: %v", err)
	}
	f.Close()
}

func needProgram(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("needs %s: run `make deps`", name)
		}
	}
}

// python is the interpreter of the venv that `make deps` makes.
func python(t *testing.T) string {
	t.Helper()
	p, err := filepath.Abs("../../.venv/bin/python")
	if err == nil {
		_, err = os.Stat(p)
	}
	if err != nil {
		t.Skipf("needs the Python venv: run `make deps` (%v)", err)
	}
	return p
}

// A site is one directory that holds a store, the data it points at, and a mount of it. Its parent of the mount point is a mount
// point itself, with shared propagation, as clusters have it: what containers get as a slave.
type site struct {
	t      *testing.T
	Base   string
	Lane   string // artifactfs.data
	Root   string // the manifest store
	Data   string // data_roots
	Parent string
	Mnt    string // the artifacts tree
	Run    string // the run directory, if the test wants one of its own
	WandB  *wandbtest.Server
}

type siteOptions struct {
	Lane  string   // artifactfs.data; "" is auto
	Keys  []string // further lines of [artifactfs]
	Quiet bool     // no mount yet
	Alone bool     // with a run directory of its own, to see what is left there
	WandB *wandbtest.Server
	Root  string // of the manifest store, if it is no directory: a URI
}

func newSite(t *testing.T, o siteOptions) *site {
	t.Helper()
	needRoot(t)
	base, err := os.MkdirTemp(scratch, strings.Map(plain, t.Name()))
	if err != nil {
		t.Fatal(err)
	}
	s := &site{
		t: t, Lane: o.Lane, Base: base, Root: base + "/store", Data: base + "/data", Parent: base + "/mnt", Mnt: base + "/mnt/artifacts", WandB: o.WandB,
	}
	dirs := []string{s.Root, s.Data, s.Mnt, base + "/home", base + "/run"}
	if o.Root != "" {
		s.Root, dirs = o.Root, dirs[1:]
	}
	if o.Alone {
		s.Run = base + "/run"
	}
	must(t, os.Chmod(base, 0o755))
	for _, dir := range dirs {
		must(t, os.MkdirAll(dir, 0o755))
	}
	must(t, unix.Mount(s.Parent, s.Parent, "", unix.MS_BIND, ""))
	must(t, unix.Mount("", s.Parent, "", unix.MS_SHARED, ""))
	t.Cleanup(s.remove)
	must(t, os.MkdirAll(s.Mnt, 0o755))
	if o.Lane == "" {
		o.Lane = "auto"
	}
	config := fmt.Sprintf("[artifacts]\nwandb = %t\n[artifacts.manifest]\nroot = %q\n[artifactfs]\ndata = %q\ndata_roots = [%q]\n%s\n",
		o.WandB != nil, s.Root, o.Lane, s.Data, strings.Join(o.Keys, "\n"))
	writeFile(t, base+"/env.toml", config)
	if !o.Quiet {
		s.mount()
	}
	return s
}

func plain(r rune) rune {
	if r == '/' || r == ' ' {
		return '-'
	}
	return r
}

// env is what every command of the site runs with: nothing of the machine's own configuration or state.
func (s *site) env() []string {
	env := []string{
		"PATH=" + filepath.Dir(binary) + ":" + os.Getenv("PATH"), "HOME=" + s.Base + "/home", "LANG=C.UTF-8", "PYTHONDONTWRITEBYTECODE=1",
		"NEMOTRON_ENV_FILE=" + s.Base + "/env.toml", "XDG_RUNTIME_DIR=" + s.Base + "/run",
		"XDG_STATE_HOME=" + s.Base + "/home/state", "XDG_CACHE_HOME=" + s.Base + "/home/cache", "XDG_DATA_HOME=" + s.Base + "/home/data",
	}
	if s.Run != "" {
		env = append(env, "ARTIFACTFS_RUN_DIR="+s.Run)
	}
	for _, v := range os.Environ() { // of the servers that a test has started
		if name, _, _ := strings.Cut(v, "="); slices.ContainsFunc([]string{"AWS_", "AZURE_STORAGE_", "STORAGE_EMULATOR_", "HF_"}, func(p string) bool { return strings.HasPrefix(name, p) }) {
			env = append(env, v)
		}
	}
	if s.WandB != nil {
		env = append(append(env, s.WandB.Environ()...), "WANDB_ENTITY=team")
	}
	return env
}

// command is a command of this site, not yet run.
func (s *site) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Env = s.env()
	cmd.Dir = s.Base
	return cmd
}

// artifactfs runs a command that has to succeed, and returns its standard output.
func (s *site) artifactfs(args ...string) string {
	s.t.Helper()
	var stderr strings.Builder
	cmd := s.command(binary, args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		s.t.Fatalf("artifactfs %s: %v\n%s%s", strings.Join(args, " "), err, out, stderr.String())
	}
	return string(out)
}

func (s *site) mount() {
	s.t.Helper()
	s.artifactfs("mount", s.Mnt, "--log-file", s.Base+"/daemon.log")
}

func (s *site) umount() {
	s.t.Helper()
	s.artifactfs("umount", s.Mnt)
}

// shell runs a script in sh that has to succeed, as root on the host.
func (s *site) shell(script string) string {
	s.t.Helper()
	out, err := s.command("sh", "-euc", script).CombinedOutput()
	if err != nil {
		s.t.Fatalf("%s\n%v: %s", script, err, out)
	}
	return string(out)
}

// path is a place in the mount.
func (s *site) path(elem ...string) string {
	return filepath.Join(append([]string{s.Mnt}, elem...)...)
}

// remove leaves no mount and no process of the site behind, whatever state the test stopped in. The log goes to a failed test.
func (s *site) remove() {
	if mounted(s.Mnt) {
		s.command(binary, "umount", s.Mnt).Run()
	}
	for range 10 {
		pids := s.processes()
		if len(pids) == 0 {
			break
		}
		for _, pid := range pids { // supervisor first or not: it may bring back what we end before it
			syscall.Kill(pid, syscall.SIGKILL)
		}
		time.Sleep(20 * time.Millisecond)
	}
	for _, m := range slices.Backward(mountsBelow("self", s.Base)) {
		unix.Unmount(m, unix.MNT_DETACH)
	}
	if s.t.Failed() {
		s.showLogs()
	}
	if left := mountsBelow("self", s.Base); len(left) == 0 {
		os.RemoveAll(s.Base)
	}
}

func (s *site) showLogs() {
	if text, err := os.ReadFile(s.Base + "/daemon.log"); err == nil {
		s.t.Logf("the daemon's log ends:\n%s", tail(text, 3000))
	}
}

func tail(text []byte, n int) []byte {
	return text[max(0, len(text)-n):]
}

// processes are the artifactfs processes of this site: the daemon, and what watches over it.
func (s *site) processes() []int {
	var pids []int
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		exe, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
		environ, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
		args, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if strings.TrimSuffix(exe, " (deleted)") == binary && strings.Contains(string(environ)+string(args), s.Base+"/") {
			pids = append(pids, pid)
		}
	}
	return pids
}

// daemon is the process that serves the mount: of those that hold /dev/fuse, the one nobody of ours was started by after it.
func (s *site) daemon() int {
	s.t.Helper()
	var found []int
	for _, pid := range s.processes() {
		if holds(pid, "/dev/fuse") {
			found = append(found, pid)
		}
	}
	if len(found) == 0 {
		s.t.Fatalf("no process serves %s", s.Mnt)
	}
	return slices.Max(found)
}

func holds(pid int, file string) bool {
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	fds, _ := os.ReadDir(dir)
	return slices.ContainsFunc(fds, func(fd os.DirEntry) bool {
		target, _ := os.Readlink(dir + "/" + fd.Name())
		return target == file
	})
}

// kill ends the daemon, sees it dead, and does not wait for another.
func (s *site) kill() {
	s.t.Helper()
	pid := s.daemon()
	must(s.t, syscall.Kill(pid, syscall.SIGKILL))
	eventually(s.t, soon, "the daemon is dead", func() error {
		if holds(pid, "/dev/fuse") {
			return fmt.Errorf("pid %d serves", pid)
		}
		return nil
	})
}

// back waits for the mount to answer again: with something that no cache holds.
func (s *site) back(within time.Duration, when string) time.Duration {
	s.t.Helper()
	return eventually(s.t, within, "the mount is back "+when, func() error {
		_, err := os.ReadFile(s.path(".artifactfs", "status"))
		return err
	})
}

// mountsBelow lists the mount points at and below dir that a process sees, in the order they were made.
func mountsBelow(pid, dir string) []string {
	text, _ := os.ReadFile("/proc/" + pid + "/mountinfo")
	var found []string
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 4 && (f[4] == dir || strings.HasPrefix(f[4], dir+"/")) {
			found = append(found, f[4])
		}
	}
	return found
}

func mounted(dir string) bool { return slices.Contains(mountsBelow("self", dir), dir) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(path), 0o755))
	must(t, os.WriteFile(path, []byte(text), 0o644))
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	must(t, err)
	return string(b)
}

func decode[T any](t *testing.T, text string) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("not JSON: %v\n%s", err, text)
	}
	return v
}

// scaled is a number of rounds: a tenth of it with -short, which `make race` gives.
func scaled(n int) int {
	if testing.Short() {
		return max(1, n/10)
	}
	return n
}
