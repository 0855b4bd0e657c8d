package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/moby/sys/mountinfo"
	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// scriptCommands are what scripts have beside testscript's own.
var scriptCommands = map[string]func(ts *testscript.TestScript, neg bool, args []string){
	"golden":  golden,
	"poll":    poll,
	"exits":   exits,
	"nobody":  asNobody,
	"daemon":  daemonPID,
	"signal":  killPID,
	"mounts":  mountsAt,
	"jsonval": jsonVal,
	"wandb":   wandbServer,
	"listen":  listen(),

	"scrape": scrape, "samemetrics": sameMetrics,
}

// setUp gives every script a home of its own, and takes away what it leaves.
func setUp(env *testscript.Env) error {
	bin, err := exec.LookPath("artifactfs")
	if err != nil {
		return err
	}
	for _, dir := range []string{env.WorkDir, filepath.Dir(bin)} { // nobody has to get in
		for ; len(dir) > len(os.TempDir()); dir = filepath.Dir(dir) {
			if err := os.Chmod(dir, 0o755); err != nil {
				return err
			}
		}
	}
	for _, d := range []string{"mnt", "home", "run", "data"} {
		if err := os.MkdirAll(filepath.Join(env.WorkDir, d), 0o755); err != nil {
			return err
		}
	}
	env.Setenv("GORACE", "atexit_sleep_ms=0") // or each command of a build with -race sleeps a second before it ends
	env.Setenv("HOME", filepath.Join(env.WorkDir, "home"))
	env.Setenv("XDG_STATE_HOME", filepath.Join(env.WorkDir, "state"))
	env.Setenv("XDG_RUNTIME_DIR", filepath.Join(env.WorkDir, "run"))
	env.Setenv("ARTIFACTFS_RUN_DIR", filepath.Join(env.WorkDir, "run"))
	env.Setenv("MNT", filepath.Join(env.WorkDir, "mnt"))
	env.Setenv("ROOT", filepath.Join(env.WorkDir, "lustre", "artifacts"))
	env.Setenv("LUSTRE", filepath.Join(env.WorkDir, "lustre"))
	env.Setenv("OUTER", fmt.Sprintf("/proc/%d/ns/mnt", os.Getppid()))
	env.Setenv("LOOPBACK", ownLoopback())
	env.Setenv("PYTHONDONTWRITEBYTECODE", "1")
	env.Defer(func() { tearDown(env.WorkDir) })
	return nil
}

// tearDown ends every process and mount below a script's directory.
func tearDown(work string) {
	procs, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for range 3 { // a supervisor starts what we end before it
		for _, p := range procs {
			b, _ := os.ReadFile(p)
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(p)))
			if bytes.Contains(b, []byte(work+"/")) && bytes.Contains(b, []byte("--state")) {
				_ = unix.Kill(pid, syscall.SIGKILL)
			}
		}
		infos, _ := mountinfo.GetMounts(mountinfo.PrefixFilter(work))
		for _, i := range slices.Backward(infos) {
			_ = unix.Unmount(i.Mountpoint, unix.MNT_DETACH)
		}
		procs, _ = filepath.Glob("/proc/[0-9]*/cmdline")
	}
}

// golden lays what upstream wrote at $LUSTRE, as if it had been logged there.
func golden(ts *testscript.TestScript, neg bool, args []string) {
	dst := ts.Getenv("LUSTRE")
	wd, err := os.Getwd()
	ts.Check(err)
	src := filepath.Join(wd, "..", "..", "testdata", "golden")
	ts.Check(filepath.WalkDir(src, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(src, path)
		to := filepath.Join(dst, rel)
		switch {
		case d.IsDir():
			return os.MkdirAll(to, 0o755)
		case d.Type()&fs.ModeSymlink != 0:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			return os.Symlink(strings.Replace(target, "/data/lustre", dst, 1), to)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if strings.Contains(rel, "artifacts/") || strings.HasSuffix(rel, ".json") {
			b = bytes.ReplaceAll(b, []byte("/data/lustre"), []byte(dst))
		}
		return os.WriteFile(to, b, 0o644)
	}))
}

// poll runs a command until it succeeds (with !, until it fails), for at most the
// seconds given: poll 2 cat $MNT/x.
func poll(ts *testscript.TestScript, neg bool, args []string) {
	secs, err := strconv.ParseFloat(args[0], 64)
	ts.Check(err)
	if raceEnabled { // such a build is slow
		secs *= 5
	}
	end := time.Now().Add(time.Duration(secs * float64(time.Second)))
	for {
		err := ts.Exec(args[1], args[2:]...)
		if (err == nil) != neg {
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("poll: after %v s %q is still %v", secs, args[1:], err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// exits checks an exit code exactly: exits 2 artifactfs ls a b. Output goes
// where stdout and stderr look for it.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	if ee, ok := err.(*exec.ExitError); ok {
		got = ee.ExitCode()
	} else if err != nil {
		ts.Fatalf("exits: %v", err)
	}
	if got != want {
		ts.Fatalf("%q exits %d, want %d", args[1:], got, want)
	}
}

// asNobody runs a command as an ordinary user.
func asNobody(ts *testscript.TestScript, neg bool, args []string) {
	if os.Geteuid() == 0 {
		args = append([]string{"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"}, args...)
	}
	if err := ts.Exec(args[0], args[1:]...); (err != nil) != neg {
		ts.Fatalf("nobody %q: %v", args, err)
	}
}

// daemonPID sets a variable to the pid that serves a mount: daemon VAR DIR [supervisor].
func daemonPID(ts *testscript.TestScript, neg bool, args []string) {
	ts.Check(ts.Exec("artifactfs", "status", "--json", args[1]))
	var d statusDoc
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &d))
	pid := d.PID
	if len(args) > 2 {
		pid = d.Supervisor
	}
	if pid == 0 {
		ts.Fatalf("no such process in %+v", d)
	}
	ts.Setenv(args[0], strconv.Itoa(pid))
}

// killPID sends a signal: signal -9 $PID. It returns when the process is gone,
// unless the signal is 0: then it says whether it is there.
func killPID(ts *testscript.TestScript, neg bool, args []string) {
	sig, err := strconv.Atoi(strings.TrimPrefix(args[0], "-"))
	ts.Check(err)
	var pids []int
	for _, a := range args[1:] {
		pid, err := strconv.Atoi(a)
		ts.Check(err)
		pids = append(pids, pid)
	}
	if sig == 9 { // together: the daemon starts another supervisor when it has lost one
		for _, pid := range pids {
			_ = unix.Kill(pid, syscall.SIGSTOP)
		}
	}
	for _, pid := range pids {
		if err := unix.Kill(pid, syscall.Signal(sig)); (err != nil) != neg {
			ts.Fatalf("kill %d: %v", pid, err)
		}
	}
	for _, pid := range pids {
		for end := time.Now().Add(time.Minute); sig == 9 && running(pid); time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				ts.Fatalf("pid %d survives", pid)
			}
		}
	}
}

// running: a zombie is not.
func running(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	i := bytes.LastIndexByte(b, ')')
	return err == nil && i > 0 && i+2 < len(b) && b[i+2] != 'Z' && b[i+2] != 'X'
}

// mountsAt checks how many mounts a directory has: mounts 1 $MNT.
func mountsAt(ts *testscript.TestScript, neg bool, args []string) {
	infos, err := mountinfo.GetMounts(func(i *mountinfo.Info) (skip, stop bool) { return i.Mountpoint != args[1], false })
	ts.Check(err)
	if strconv.Itoa(len(infos)) != args[0] {
		ts.Fatalf("%d mounts at %s, want %s", len(infos), args[1], args[0])
	}
}

// jsonVal compares one value of the JSON in stdout: jsonval version 2, with
// dots for what is inside: jsonval stores.0.state ok.
func jsonVal(ts *testscript.TestScript, neg bool, args []string) {
	var v any
	d := json.NewDecoder(strings.NewReader(ts.ReadFile("stdout")))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		ts.Fatalf("stdout is not JSON: %v", err)
	}
	for key := range strings.SplitSeq(args[0], ".") {
		switch c := v.(type) {
		case map[string]any:
			v = c[key]
		case []any:
			i, err := strconv.Atoi(key)
			if err != nil || i >= len(c) {
				ts.Fatalf("no %s in a list of %d", key, len(c))
			}
			v = c[i]
		default:
			v = nil
		}
	}
	if got := fmt.Sprint(v); (got == args[1]) == neg {
		ts.Fatalf("%s is %s, want %s", args[0], got, args[1])
	}
}
