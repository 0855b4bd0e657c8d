//go:build linux

package acceptance

import (
	_ "embed"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

//go:embed deb.sh
var debScript string

// The Debian package is installed for real, over a copy of this machine that nobody else sees, mounted with, upgraded below a live mount, and
// purged without a trace.
func TestDeb(t *testing.T) {
	needRoot(t)
	needProgram(t, "dpkg", "unshare", "man")
	if testing.Short() {
		t.Skip("builds packages")
	}
	if _, err := os.Stat("../../bin/nfpm"); err != nil {
		t.Skip("needs nfpm: run `make deps`")
	}
	dir, err := os.MkdirTemp(scratch, "deb")
	must(t, err)
	pack := func(version string, argv ...string) {
		cmd := exec.Command(argv[0], argv[1:]...)
		cmd.Dir = "../.."
		cmd.Env = append(os.Environ(), "VERSION="+version, "GOARCH="+runtime.GOARCH)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", argv, err, out)
		}
		deb := "../../bin/artifactfs_" + version + "_" + runtime.GOARCH + ".deb"
		text := readFile(t, deb)
		must(t, os.Remove(deb))
		writeFile(t, filepath.Join(dir, version+".deb"), text)
	}
	pack("1.0.0", "make", "-s", "deb")
	pack("1.0.1", "bin/nfpm", "package", "--config", "scripts/nfpm.yaml", "--packager", "deb", "--target", "bin") // the same files
	out, err := exec.Command("unshare", "--mount", "--propagation", "private", "bash", "-euo", "pipefail", "-c", debScript, "deb", dir).CombinedOutput()
	if err != nil || !strings.HasSuffix(string(out), "purged\n") {
		t.Errorf("%v\n%s", err, out)
	}
}
