//go:build linux

package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"artifactfs.dev/artifactfs/cmd/artifactfs/config"
)

func TestHelperArgs(t *testing.T) {
	for _, c := range []struct {
		argv0      string
		args, want []string
	}{
		{"artifactfs", []string{"ls", "-l"}, []string{"ls", "-l"}},
		{"mount.fuse.artifactfs", []string{"/lustre/a", "/mnt", "-o", "rw,data=copy"},
			[]string{"mount", "artifacts.manifest.root=/lustre/a", "-o", "fsname=/lustre/a", "/mnt", "-o", "rw,data=copy"}},
		{"mount.fuse.artifactfs", []string{"none", "/mnt", "-n", "-s", "-t", "fuse.artifactfs"}, []string{"mount", "-o", "fsname=none", "/mnt"}},
		{"mount.artifactfs", []string{"file:///a", "/mnt"}, []string{"mount", "artifacts.manifest.root=file:///a", "-o", "fsname=file:///a", "/mnt"}},
		{"mount.fuse.artifactfs", []string{"none", "/mnt", "-sfnv", "-N", "/proc/1/ns/mnt"}, []string{"mount", "-o", "fsname=none", "/mnt", "--fake"}},
		{"umount.fuse.artifactfs", []string{"/mnt", "-n", "-l"}, []string{"umount", "/mnt", "--lazy"}},
		{"umount.fuse.artifactfs", []string{"-f", "/mnt"}, []string{"umount", "--force", "/mnt"}},
		{"umount.fuse.artifactfs", []string{"/mnt", "-nlv", "-t", "fuse.artifactfs"}, []string{"umount", "/mnt", "--lazy"}},
	} {
		if diff := cmp.Diff(c.want, helperArgs(c.argv0, c.args)); diff != "" {
			t.Errorf("%s %q (-want +got):\n%s", c.argv0, c.args, diff)
		}
	}
}

func TestParseOptions(t *testing.T) {
	m := mountFlags{options: []string{"rw,allow_other,_netdev,x-systemd.automount", "data_roots=[/a,/b],artifacts.wandb=false", "debug"}}
	got, err := m.parseOptions()
	if err != nil || !m.allowOther || !m.debug || m.readOnly || m.noExec {
		t.Errorf("%+v, %v", m, err)
	}
	if diff := cmp.Diff([]string{"artifactfs.data_roots=[/a,/b]", "artifacts.wandb=false"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// What narrows a mount is never passed over.
func TestReadOnlyAndNoExec(t *testing.T) {
	for o, want := range map[string]mountFlags{
		"ro": {readOnly: true}, "noexec,ro": {readOnly: true, noExec: true}, "ro,rw,noexec,exec": {}, "defaults,user,noexec,nosuid,nodev": {noExec: true},
	} {
		m := mountFlags{options: []string{o}}
		if _, err := m.parseOptions(); err != nil || m.readOnly != want.readOnly || m.noExec != want.noExec {
			t.Errorf("-o %s: ro %v, noexec %v, %v", o, m.readOnly, m.noExec, err)
		}
	}
}

func TestMountArgs(t *testing.T) {
	plain, dotlist := mountArgs([]string{"artifacts.wandb=false", "/mnt/a=b", "dta=copy"})
	if diff := cmp.Diff([]string{"/mnt/a=b"}, plain); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"artifacts.wandb=false", "dta=copy"}, dotlist); diff != "" {
		t.Error(diff)
	}
}

// TestLock: one holder at a time, and a lock whose file was taken away, as a lazy
// unmount does, is nobody's.
func TestLock(t *testing.T) {
	t.Setenv(runDirVar, filepath.Join(t.TempDir(), "run"))
	s := &state{Dir: "/mnt/x", file: stateFile("/mnt/x"), Config: &config.Config{}}
	a, ok, err := lock("/mnt/x")
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	defer a.Close()
	if !s.held() {
		t.Error("a lock that is held does not say so")
	}
	if b, ok, err := lock("/mnt/x"); ok || err != nil {
		t.Errorf("two have the lock: %v, %v", b, err)
	}
	if c, ok, err := lock("/mnt/y"); !ok || err != nil {
		t.Errorf("another mount's lock: %v, %v, %v", c, ok, err)
	}
	if err := os.Remove(s.lockFile()); err != nil {
		t.Fatal(err)
	}
	d, ok, err := lock("/mnt/x")
	if err != nil || !ok {
		t.Fatal("after the file was removed:", ok, err)
	}
	d.Close()
	if s.held() {
		t.Error("a lock that was let go is held")
	}
}

// TestRunDir: a directory that others can write is not trusted, for reading either.
func TestRunDir(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	t.Setenv(runDirVar, dir)
	if err := os.Mkdir(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := makeRunDir(); err == nil {
		t.Error("a run directory that all can write is taken")
	}
	if got := stateDirs(); len(got) != 0 {
		t.Errorf("stateDirs = %q", got)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := makeRunDir(); err != nil {
		t.Error(err)
	}
}

func TestStateRoundTrip(t *testing.T) {
	t.Setenv(runDirVar, filepath.Join(t.TempDir(), "run"))
	if _, err := makeRunDir(); err != nil {
		t.Fatal(err)
	}
	uid := uint32(7)
	s := &state{Dir: "/mnt/with space", Config: &config.Config{Root: "/a", UID: &uid, DataRoots: []string{"/d"}}, Options: mountOptions{AllowOther: true}}
	s.file = stateFile(s.Dir)
	if err := s.save(); err != nil {
		t.Fatal(err)
	}
	got, err := findState(s.Dir)
	if err != nil || !sameMount(got, s) {
		t.Fatalf("got %+v, %v", got, err)
	}
	other := *got.Config
	other.Data = "copy"
	if sameMount(got, &state{Config: &other, Options: got.Options}) {
		t.Error("another lane is the same mount")
	}
}

// Who logs from a container waits until a mount has looked at its store's directory, which tells
// whether it is the same. A bucket has no directory, nor has W&B: waited for, they cost each log three seconds.
func TestUnseenStore(t *testing.T) {
	wandb := storeStatus{Store: "wandb", Root: "https://api.wandb.ai/team/p"}
	for _, c := range []struct {
		stores []storeStatus
		want   bool
	}{
		{[]storeStatus{{Store: "manifest", Root: "/lustre/store"}, wandb}, true},
		{[]storeStatus{{Store: "manifest", Root: "/lustre/store", ID: "1:2"}, wandb}, false},
		{[]storeStatus{{Store: "manifest", Root: "gs://team/store"}}, false},
		{[]storeStatus{wandb}, false},
	} {
		if got := (&statusDoc{Stores: c.stores}).unseen(); got != c.want {
			t.Errorf("%+v: %v", c.stores, got)
		}
	}
}
