//go:build linux

package fs_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"artifactfs.dev/artifactfs/fs"
)

// Probe finds everything where everything is, and leaves no mount behind.
func TestProbe(t *testing.T) {
	var k *fs.Kernel
	before, after := -1, -1
	alone(t, func() {
		before = mounts(t)
		k = fs.Probe()
		after = mounts(t)
	})
	if os.Geteuid() == 0 && after != before {
		t.Errorf("%d mounts after, %d before", after, before)
	}
	if len(k.Features) != 4 || k.Release == "" {
		t.Fatalf("%+v", k)
	}
	if os.Geteuid() != 0 {
		t.Skip("what a mount does needs root")
	}
	if k.FUSE == "" {
		t.Error("the kernel was not asked for its FUSE protocol")
	}
	// Distributions' kernels of today have them all; an older one has what it has.
	var major, minor int
	if fmt.Sscanf(k.Release, "%d.%d", &major, &minor); major*100+minor < 609 {
		t.Skip("an older kernel: ", k.Release)
	}
	for _, f := range k.Features {
		if !f.Have {
			t.Errorf("%+v on Linux %s", f, k.Release)
		}
	}
}

// An ordinary user is told that it takes root, and nothing fails.
func TestProbeAsNobody(t *testing.T) {
	if os.Getenv("TEST_PROBE") != "" {
		json.NewEncoder(os.Stdout).Encode(fs.Probe())
		os.Exit(0)
	}
	if os.Geteuid() != 0 {
		t.Skip("becoming another user needs root")
	}
	self, err := os.ReadFile("/proc/self/exe") // where nobody may run it
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.CreateTemp("", "probe")
	if err != nil {
		t.Fatal(err)
	}
	defer os.Remove(f.Name())
	if _, err := f.Write(self); err != nil {
		t.Fatal(err)
	}
	f.Close()
	if err := os.Chmod(f.Name(), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(f.Name(), "-test.run=^TestProbeAsNobody$")
	cmd.Dir, cmd.Env = "/", append(os.Environ(), "TEST_PROBE=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err, string(out))
	}
	var k fs.Kernel
	if err := json.Unmarshal(out, &k); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"bind", "passthrough", "takeover"} {
		if f := k.Feature(name); f.Have || f.Why == "" {
			t.Errorf("%s: %+v, want a reason why not", name, f)
		}
	}
}

// alone runs fn in a mount namespace where nobody else mounts, if this process may.
func alone(t *testing.T, fn func()) {
	if os.Geteuid() != 0 {
		fn()
		return
	}
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with this goroutine
		err := unix.Unshare(unix.CLONE_NEWNS)
		if err == nil {
			err = unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
		}
		if err == nil {
			fn()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// mounts is how many mounts the calling thread sees.
func mounts(t *testing.T) int {
	text, err := os.ReadFile("/proc/thread-self/mountinfo")
	if err != nil {
		t.Error(err)
	}
	return bytes.Count(text, []byte("\n"))
}
