//go:build linux

package main

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestNotify: a service manager is told when the tree can be read, of a reload,
// and of the end, through a real socket.
func TestNotify(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounting needs root")
	}
	tmp := t.TempDir()
	mnt, root, addr := filepath.Join(tmp, "mnt"), filepath.Join(tmp, "root"), filepath.Join(tmp, "notify")
	for _, d := range []string{mnt, filepath.Join(root, "n/v1"), filepath.Join(tmp, "data")} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(root, "n/v1/manifest.json"), []byte(`{"path":"`+tmp+`/data"}`), 0o644); err != nil {
		t.Fatal(err)
	}
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: addr, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	daemon := exec.Command("artifactfs", "mount", "-f", mnt, "artifacts.manifest.root="+root)
	daemon.Env = append(os.Environ(), "NOTIFY_SOCKET="+addr, runDirVar+"="+filepath.Join(tmp, "run"), "HOME="+tmp)
	daemon.Dir = tmp
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		unix.Unmount(mnt, unix.MNT_DETACH)
		daemon.Process.Kill()
	}()
	next := func() string {
		t.Helper()
		buf := make([]byte, 4096)
		conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		n, err := conn.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		return string(buf[:n])
	}
	expect := func(want string) {
		t.Helper()
		if got := next(); !strings.HasPrefix(got, want) {
			t.Fatalf("told %q, want %s", got, want)
		}
	}
	expect("READY=1\nSTATUS=serving " + mnt)
	if out, err := exec.Command("ls", filepath.Join(mnt, "n")).Output(); err != nil || string(out) != "latest\nv1\n" {
		t.Errorf("ready, and ls says %q, %v", out, err)
	}
	daemon.Process.Signal(syscall.SIGHUP)
	if got := next(); !strings.HasPrefix(got, "RELOADING=1\nMONOTONIC_USEC=") {
		t.Fatalf("told %q, want RELOADING=1 and the time", got)
	}
	expect("READY=1")
	daemon.Process.Signal(syscall.SIGTERM)
	expect("STOPPING=1")
	if err := daemon.Wait(); err != nil {
		t.Error(err)
	}
}

// TestUnit: systemd takes the unit as it is, but for where the program is.
func TestUnit(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not installed")
	}
	unit, err := os.ReadFile("../../scripts/systemd/artifactfs@.service")
	if err != nil {
		t.Fatal(err)
	}
	bin, err := exec.LookPath("artifactfs")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "artifactfs@mnt-artifacts.service")
	text := strings.ReplaceAll(string(unit), "/usr/local/bin/artifactfs", bin)
	// Its manual pages are not installed here.
	text = strings.ReplaceAll(text, "Documentation=", "#Documentation=")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(analyze, "verify", "--recursive-errors=no", file).CombinedOutput()
	if err != nil || strings.Contains(string(out), "artifactfs@") {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
	// Each of these gives the service a mount namespace, in which the mount would stay.
	for line := range strings.Lines(string(unit)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		for _, bad := range []string{"PrivateMounts", "PrivateTmp", "PrivateDevices", "ProtectSystem", "ProtectHome", "ProtectKernelTunables",
			"ProtectKernelModules", "ProtectKernelLogs", "ProtectControlGroups", "ProtectProc", "ProcSubset", "ReadOnlyPaths", "ReadWritePaths",
			"InaccessiblePaths", "BindPaths", "BindReadOnlyPaths", "TemporaryFileSystem", "MountFlags", "RootDirectory", "RootImage",
			"DynamicUser", "MountAPIVFS", "ProtectHostname", "ProtectClock", "LogNamespace"} {
			if key == bad {
				t.Errorf("%s=%s hides the mount, or /dev/fuse", key, value)
			}
		}
	}
}

// TestUnitPrivileges: what the unit leaves the daemon is enough to mount, to read
// and to log for another user.
func TestUnitPrivileges(t *testing.T) {
	setpriv, err := exec.LookPath("setpriv")
	if err != nil || os.Geteuid() != 0 {
		t.Skip("needs root and setpriv")
	}
	unit, err := os.ReadFile("../../scripts/systemd/artifactfs@.service")
	if err != nil {
		t.Fatal(err)
	}
	_, caps, _ := strings.Cut(string(unit), "\nCapabilityBoundingSet=")
	caps, _, _ = strings.Cut(caps, "\n")
	set := "-all," + strings.ReplaceAll(strings.ReplaceAll(strings.ToLower(caps), "cap_", "+"), " ", ",")
	tmp, err := os.MkdirTemp("", "unit") // t.TempDir is root's own
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(tmp)
	mnt, root := tmp+"/mnt", tmp+"/root"
	for dir, mode := range map[string]os.FileMode{tmp: 0o755, mnt: 0o755, root: 0o777, tmp + "/data": 0o755, tmp + "/shut": 0o700} {
		if err := errors.Join(os.MkdirAll(dir, 0o755), os.Chmod(dir, mode)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(tmp+"/data/a", []byte("one"), 0o644); err != nil {
		t.Fatal(err)
	}
	daemon := exec.Command(setpriv, "--bounding-set", set, "--no-new-privs", "--", "artifactfs", "mount", "-f", mnt,
		"artifacts.manifest.root="+root, "artifactfs.data_roots=["+tmp+"]")
	daemon.Env = append(os.Environ(), runDirVar+"="+tmp+"/run", "HOME="+tmp)
	daemon.Dir, daemon.Stderr = tmp, os.Stderr
	out, err := daemon.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		daemon.Process.Signal(syscall.SIGTERM)
		daemon.Wait()
		unix.Unmount(mnt, unix.MNT_DETACH)
	}()
	if _, err := out.Read(make([]byte, 4096)); err != nil { // it prints its panel when it serves
		t.Fatal(err)
	}
	nobody := func(script string) (string, error) {
		c := exec.Command("sh", "-c", script)
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		b, err := c.CombinedOutput()
		return string(b), err
	}
	if got, err := nobody("echo " + tmp + "/data > " + mnt + "/.log/n && cat " + mnt + "/n/latest/a"); err != nil || got != "one" {
		t.Errorf("nobody logs and reads: %q, %v", got, err)
	}
	if got, err := nobody("echo " + tmp + "/shut/x > " + mnt + "/.log/n"); err == nil {
		t.Errorf("nobody logs what it may not see: %q", got)
	}
	if st, err := os.Stat(root + "/n/v1"); err != nil || st.Sys().(*syscall.Stat_t).Uid != 65534 {
		t.Errorf("the version is not nobody's: %v", err)
	}
	if out, err := exec.Command("sh", "-c", "echo "+tmp+"/data > "+mnt+"/.log/n && cat "+mnt+"/n/v2/a").CombinedOutput(); err != nil || string(out) != "one" {
		t.Errorf("root logs and reads: %q, %v", out, err)
	}
}
