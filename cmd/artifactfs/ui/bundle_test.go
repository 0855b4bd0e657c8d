package ui

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestBundle: dist is what web gives, bundled.
func TestBundle(t *testing.T) {
	root := filepath.Join("..", "..", "..")
	if _, err := os.Stat(filepath.Join(root, "bin/ui/installed")); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("what the page is made with is not there; scripts/deps.sh installs it")
		}
		t.Skip("what the page is made with is not there; make ui installs it")
	}
	dir := t.TempDir()
	if out, err := exec.Command(filepath.Join(root, "scripts/ui.sh"), dir).CombinedOutput(); err != nil {
		t.Fatalf("ui.sh: %v: %s", err, out)
	}
	files, err := os.ReadDir("dist")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		got, err := os.ReadFile(filepath.Join("dist", f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if want, err := os.ReadFile(filepath.Join(dir, f.Name())); err != nil || !bytes.Equal(got, want) {
			t.Errorf("dist/%s is not what web gives (%v): run make ui", f.Name(), err)
		}
	}
}
