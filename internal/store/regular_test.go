//go:build linux

package store

import (
	"bytes"
	"os"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestReadRegular(t *testing.T) {
	dir := openDir(t)
	file := mkfile(t, dir+"/d/f", 0o644)
	size := int64(len(file))
	must(t, os.Symlink("d", dir+"/dlink"))
	must(t, os.Symlink("f", dir+"/d/flink"))
	must(t, os.Symlink("/proc/self", dir+"/self"))
	must(t, unix.Mkfifo(dir+"/fifo", 0o644))
	must(t, unix.Mknod(dir+"/socket", unix.S_IFSOCK|0o644, 0))
	big := bytes.Repeat([]byte("0123456789"), 100000)
	must(t, os.WriteFile(dir+"/big", big, 0o644))
	must(t, os.WriteFile(dir+"/empty", nil, 0o644))
	for _, c := range []struct {
		path string
		max  int64
		want error
		data string
	}{
		{file, size, nil, file}, {file, 1 << 20, nil, file}, {dir + "/dlink/f", size, nil, file}, {dir + "/big", 1e6, nil, string(big)},
		{dir + "/empty", 0, nil, ""},
		{file, size - 1, syscall.EFBIG, ""}, {dir + "/d/flink", size, syscall.ELOOP, ""}, {dir + "/fifo", 10, syscall.EINVAL, ""}, {dir, 10, syscall.EINVAL, ""},
		{dir + "/socket", 10, syscall.EINVAL, ""},
		{"/dev/zero", 10, syscall.EINVAL, ""}, {dir + "/none", 10, os.ErrNotExist, ""},
		{"/proc/version", 4096, syscall.EPERM, ""}, {dir + "/self/environ", 1 << 20, syscall.EPERM, ""}, {dir + "/self/cwd/doc.go", 1 << 20, syscall.ELOOP, ""},
		{"/sys/kernel/mm/transparent_hugepage/enabled", 10, syscall.EFBIG, ""}, // says 4096, fewer
	} {
		b, a, err := ReadRegular(c.path, c.max)
		wantErr(t, c.path, err, c.want)
		if c.want == nil && (string(b) != c.data || a.Size != int64(len(c.data))) {
			t.Errorf("%s: %d bytes, size %d; want %d", c.path, len(b), a.Size, len(c.data))
		}
	}
}

// TestReadRegularSays0: the limit is on what is read, not on what stat says.
func TestReadRegularSays0(t *testing.T) {
	for _, f := range []string{"/sys/fs/cgroup/cgroup.controllers", "/sys/fs/cgroup/cpu/cgroup.sane_behavior"} {
		want, err := os.ReadFile(f)
		if st, e := os.Stat(f); err != nil || e != nil || st.Size() != 0 || len(want) < 2 {
			continue
		}
		if b, _, err := ReadRegular(f, int64(len(want))); err != nil || !bytes.Equal(b, want) {
			t.Errorf("%s: %d bytes, %v; want %d", f, len(b), err, len(want))
		}
		_, _, err = ReadRegular(f, int64(len(want)-1))
		wantErr(t, f, err, syscall.EFBIG)
		return
	}
	t.Skip("needs a file whose size is not what it holds, as cgroup2 has")
}

// TestReadlinkProcfs: should mountinfo be behind, procfs's links are known by
// their file system.
func TestReadlinkProcfs(t *testing.T) {
	fd, err := unix.Open("/proc/self/cwd", unix.O_PATH|unix.O_NOFOLLOW, 0)
	must(t, err)
	defer unix.Close(fd)
	_, err = readlink(fd)
	wantErr(t, "/proc/self/cwd", err, syscall.EPERM)
}
