//go:build linux

package fs

import (
	"errors"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"artifactfs.dev/artifactfs/resolver"
)

// What is bound is the directory that was walked: neither one that has taken its
// place meanwhile, nor what a link there leads to.
func TestSourceIsWhatWasWalked(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("binding needs root")
	}
	base := t.TempDir()
	for _, dir := range []string{"data", "other"} {
		if err := os.Mkdir(base+"/"+dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	var st unix.Stat_t
	if err := unix.Stat(base+"/data", &st); err != nil {
		t.Fatal(err)
	}
	b := &resolver.Binding{Name: "n", N: 1, Real: base + "/data", Dev: uint64(st.Dev), Ino: st.Ino}
	source := func() error {
		fd, err := sourceOf(b)
		if err == nil {
			unix.Close(fd)
		}
		return err
	}
	if err := source(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what string
		put  func() error
		want error
	}{
		{"another directory", func() error { return os.Rename(base+"/other", base+"/data") }, unix.ESTALE},
		{"a link to the directory", func() error { return os.Symlink("was", base+"/data") }, unix.ELOOP},
	} {
		if err := os.RemoveAll(base + "/was"); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(os.Rename(base+"/data", base+"/was"), c.put()); err != nil {
			t.Fatal(err)
		}
		if err := source(); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.what, err, c.want)
		}
	}
}
