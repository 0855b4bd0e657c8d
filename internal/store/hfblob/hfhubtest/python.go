package hfhubtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Python runs a program of Python that has huggingface_hub, which finds the Hub at s
// and keeps its cache in home, and returns what it prints. Without the venv the test is
// skipped.
func (s *Server) Python(t testing.TB, home, token string, args ...string) []byte {
	t.Helper()
	bin := venv(t)
	cmd := exec.Command(bin, append([]string{"-W", "ignore"}, args...)...)
	cmd.Env = append(os.Environ(), "HF_ENDPOINT="+s.URL, "HF_TOKEN="+token, "HF_HOME="+home,
		"HF_HUB_DISABLE_TELEMETRY=1", "HF_HUB_DISABLE_XET=1", "HF_HUB_DISABLE_PROGRESS_BARS=1", "NO_PROXY=*")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("python %q: %v\n%s", args, err, out)
	}
	return out
}

// venv finds the venv beside go.mod.
func venv(t testing.TB) string {
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; dir != "/"; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
	}
	bin := filepath.Join(dir, ".venv/bin/python")
	if err := exec.Command(bin, "-c", "import huggingface_hub").Run(); err != nil {
		t.Skip("no huggingface_hub here (make deps): ", err)
	}
	return bin
}
