//go:build linux

package store

import (
	"context"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const someMounts = `21 1 8:1 / / rw - ext4 /dev/sda1 rw
22 21 0:20 / /proc rw shared:2 - proc proc rw
23 21 0:30 / /lustre rw shared:3 master:1 - lustre mds:/fs rw
24 23 0:31 /export/a\040b /lustre/with\040space rw - nfs4 srv:/export rw
25 23 8:1 /srv /lustre/bind rw - ext4 /dev/sda1 rw
26 21 0:40 / /mnt/art rw - fuse.artifactfs art rw
27 26 0:30 /data /mnt/art/x/v1 ro - lustre mds:/fs rw
28 21 0:50 / /over rw - tmpfs t rw
29 28 0:51 / /over rw - tmpfs t rw
30 21 0:60 / /hide/deep rw - tmpfs t rw
31 21 0:61 / /hide rw - tmpfs t rw
broken line
99 98 0:1
`

func TestMountTable(t *testing.T) {
	g := &gates{slots: 1}
	table := parseMounts([]byte(someMounts), g.of)
	for path, want := range map[string]string{
		"/": "21", "/etc/passwd": "21", "/proc": "22", "/proc/1/root": "22", "/procx": "21", "/lustre": "23", "/lustrex": "21",
		"/lustre/a": "23", "/lustre/with space/f": "24", "/lustre/bind": "25", "/lustre/bindx": "23", "/mnt/art/x": "26", "/mnt/art/x/v1/f": "27",
		"/over/a":      "29", // the upper one of two
		"/hide/deep/a": "31", // an ancestor was mounted over
	} {
		m := table.at(path)
		if m == nil || m.id != want {
			t.Errorf("%s is on %+v, want %s", path, m, want)
		}
	}
	for path, own := range map[string]bool{"/mnt/art": true, "/mnt/art/x/v1/f": true, "/mnt": false, "/lustre": false} {
		if m := table.at(path); m.own != own {
			t.Errorf("%s is our own: %v, want %v", path, m.own, own)
		}
	}
	if table.at("/").gate != table.at("/lustre/bind").gate || table.at("/").gate == table.at("/lustre").gate {
		t.Error("mounts of one device share a gate, of two they do not")
	}
	for _, c := range []struct {
		dev, inFS string
		want      []string
	}{
		{"8:1", "/srv/x", []string{"/srv/x", "/lustre/bind/x"}}, {"8:1", "/srvx", []string{"/srvx"}}, {"0:31", "/export/a b", []string{"/lustre/with space"}},
		{"0:31", "/export", nil}, {"0:50", "/x", nil}, {"0:51", "/x", []string{"/over/x"}}, {"9:9", "/", nil}, {"8:1", "/proc/x", nil},
	} {
		if got := table.names(c.dev, c.inFS); !slices.Equal(got, c.want) {
			t.Errorf("names(%s, %s) = %q, want %q", c.dev, c.inFS, got, c.want)
		}
	}
	if got := table.at("/lustre/with space/f"); got.inFS("/lustre/with space/f") != "/export/a b/f" {
		t.Errorf("in its file system: %s", got.inFS("/lustre/with space/f"))
	}
	for _, no := range []string{"", "x\n", "1 2 3 4 5 6 -\n"} {
		if m := parseMounts([]byte(no), g.of).at("/a"); m != nil {
			t.Errorf("of %q: %+v", no, m)
		}
	}
	// A chrooted process sees neither its root nor a mount at "/".
	jail := parseMounts([]byte("50 40 0:70 / /data rw - nfs4 s:/ rw\n51 40 0:71 / /data/sub rw - proc p rw\n"), g.of)
	if m := jail.at("/data/x"); m == nil || m.id != "50" || jail.at("/etc") != nil {
		t.Errorf("in a chroot: /data/x on %+v, /etc on %+v", m, jail.at("/etc"))
	}
}

func FuzzMountTable(f *testing.F) {
	f.Add(someMounts, "/lustre/with space/f")
	f.Add("1 1 0:1 / / rw - x\n1 1 0:1 / / rw - x\n", "/")
	f.Add("1 2 0:1 / / rw - x\n2 1 0:1 / / rw - x\n", "/")
	f.Fuzz(func(t *testing.T, table, path string) {
		g := &gates{slots: 1}
		m := parseMounts([]byte(table), g.of)
		if at := m.at(path); at != nil {
			m.names(at.dev, at.inFS(path))
		}
	})
}

// TestMountsAreNoticed: following a path sees a mount made just before, other
// accesses soon.
func TestMountsAreNoticed(t *testing.T) {
	needRoot(t)
	dir := openDir(t) + "/m"
	must(t, os.MkdirAll(dir+"/x", 0o755))
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	l := NewLocal(nil)
	for range 3 {
		before := l.host().mounts.at(dir + "/x")
		must(t, unix.Mount("none", dir, "tmpfs", 0, "mode=755"))
		if now := l.host().mounts.at(dir + "/x"); now == before || now.fstype != "tmpfs" || now.point != dir {
			t.Errorf("after the mount: %+v", now)
		}
		must(t, unix.Unmount(dir, 0))
		if now := l.host().mounts.at(dir + "/x"); now.point != before.point {
			t.Errorf("after the unmount: %+v", now)
		}
		must(t, unix.Mount("none", dir, "tmpfs", 0, "mode=755"))
		eventually(t, "noticed without asking", func() bool { return l.mounts.current(false).at(dir+"/x").point == dir })
		must(t, unix.Unmount(dir, 0))
	}
}

// TestOwnMountIsNotTouched: touching it would wait for ourselves. The mounts
// here answer nothing, so whatever touches them runs into the deadline.
func TestOwnMountIsNotTouched(t *testing.T) {
	dir := openDir(t)
	hung(t, dir+"/art", ownType)
	hung(t, dir+"/other", "fuse.hung")
	must(t, os.Symlink("art/x/v1", dir+"/rel"))
	must(t, os.Symlink(dir+"/art", dir+"/abs"))
	l := NewLocal(&Options{Deadline: time.Minute, Own: func() []string { return []string{dir + "/other"} }})
	ctx := context.Background()
	begin := time.Now()
	for _, p := range []string{"art", "art/x", "art/x/../..", "rel", "abs/y", "other", "other/x", "./rel/../../rel"} {
		_, err := l.Resolve(ctx, dir+"/"+p)
		wantErr(t, "resolve "+p, err, syscall.ELOOP)
	}
	for _, p := range []string{"art", "art/x", "other/x"} {
		_, err := l.Lstat(ctx, dir+"/"+p)
		wantErr(t, "lstat "+p, err, syscall.ELOOP)
		_, _, err = l.OpenWith(ctx, dir+"/"+p, nil)
		wantErr(t, "open "+p, err, syscall.ELOOP)
		wantErr(t, "do in "+p, l.Do(ctx, dir+"/"+p, func() error { return nil }), syscall.ELOOP)
		if l.Searchable(ctx, dir+"/"+p) {
			t.Errorf("%s is called searchable", p)
		}
	}
	if took := time.Since(begin); took > 30*time.Second {
		t.Errorf("took %v: something was touched", took)
	}
}
