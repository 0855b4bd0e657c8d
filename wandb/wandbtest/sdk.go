package wandbtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// SDKs are the releases of W&B's own SDK that `make deps` installs, each in a virtual environment:
// the newest that the server has been held to, and the oldest that Nemotron allows.
var SDKs = []string{"0.31", "0.23"}

// Python is a command that runs Python with an SDK which talks to s, and to nothing else. The SDK
// writes below a directory of the test's, where the command also runs. The test is skipped where the
// SDK is not installed, but not in CI.
func (s *Server) Python(t testing.TB, sdk string, args ...string) *exec.Cmd {
	t.Helper()
	python := interpreter(t, sdk)
	dir := t.TempDir()
	env := []string{"PATH=" + os.Getenv("PATH"), "LANG=C.UTF-8", "WANDB_SILENT=true", "WANDB_ERROR_REPORTING=false",
		"AWS_EC2_METADATA_DISABLED=true"}
	for _, name := range []string{"HOME", "TMPDIR", "WANDB_DIR", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "WANDB_DATA_DIR", "WANDB_ARTIFACT_DIR"} {
		sub := filepath.Join(dir, name)
		if err := os.Mkdir(sub, 0o700); err != nil {
			t.Fatal(err)
		}
		env = append(env, name+"="+sub)
	}
	cmd := exec.CommandContext(t.Context(), python, args...)
	cmd.Dir, cmd.Env = dir, append(env, s.Environ()...)
	// The SDK starts a service of its own, which must not outlive a test that is given up.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

// interpreter finds the SDK's virtual environment beside go.mod.
func interpreter(t testing.TB, sdk string) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for dir != "/" {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		dir = filepath.Dir(dir)
	}
	python := filepath.Join(dir, ".venv-wandb-"+sdk, "bin", "python")
	if _, err := os.Stat(python); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("W&B's SDK %s is not installed: %v", sdk, err)
		}
		t.Skipf("W&B's SDK %s is not installed; `make deps` does", sdk)
	}
	return python
}
