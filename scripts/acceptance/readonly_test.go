//go:build linux

package acceptance

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// Every kind of change is EROFS: to data, to a version, to a name, to a link, in every lane. In the symlink lane vN is a link out of the
// mount, so only the tree itself is ours to protect.
func TestReadOnly(t *testing.T) {
	lanes(t, func(t *testing.T, s *site) {
		dir := s.data("fixed", map[string]string{"sub/part.txt": "text", "top.txt": "text"})
		must(t, os.Symlink("top.txt", filepath.Join(dir, "link")))
		s.publish("fixed", 1, dir)
		s.publish("fixed", 2, dir)
		before := s.shell("find " + s.Data + " -printf '%p %s %m %T@ %l\n' | sort")
		places := []string{s.Mnt, s.path("fixed"), s.path("fixed", "v1"), s.path("fixed", "v1", "sub"), s.path("fixed", "v1", "sub", "part.txt"), s.path("fixed", "v1", "link"), s.path("fixed", "latest")}
		if filepath.Base(t.Name()) == "symlink" {
			places = []string{s.Mnt, s.path("fixed"), s.path("fixed", "v1"), s.path("fixed", "latest")}
		}
		for _, place := range places {
			t.Run(place[len(s.Mnt):]+"/", func(t *testing.T) {
				refuseChanges(t, s, place)
			})
		}
		if after := s.shell("find " + s.Data + " -printf '%p %s %m %T@ %l\n' | sort"); after != before {
			t.Errorf("the data changed:\n%s\nwas:\n%s", after, before)
		}
	})
}

func refuseChanges(t *testing.T, s *site, place string) {
	info, err := os.Lstat(place)
	must(t, err)
	for what, change := range changesOf(place, info) {
		if err := change(); !errors.Is(err, syscall.EROFS) {
			t.Errorf("%s: %v, want EROFS", what, err)
		}
	}
	if place == s.Mnt {
		return // a mount point is EBUSY before it is anything else
	}
	for _, script := range []string{"rm -rf '%s'", "mv '%s' %s/elsewhere", "touch -h '%s'"} {
		script = fmt.Sprintf(strings.ReplaceAll(script, "%s/", s.Base+"/"), place)
		out, err := s.command("sh", "-c", script).CombinedOutput()
		if err == nil {
			t.Errorf("%s succeeded: %s", script, out)
		}
	}
}

// changesOf are the system calls that would change what is at path.
func changesOf(path string, info os.FileInfo) map[string]func() error {
	parent := filepath.Dir(path)
	changes := map[string]func() error{
		"utimensat": func() error {
			return unix.UtimesNanoAt(unix.AT_FDCWD, path, []unix.Timespec{{Sec: 1}, {Sec: 1}}, unix.AT_SYMLINK_NOFOLLOW)
		},
		"lchown": func() error { return os.Lchown(path, 1, 1) },
	}
	if parentIsOurs(path) {
		changes["rename"] = func() error { return unix.Rename(path, parent+"/other-name") }
		changes["rename over"] = func() error { return unix.Rename(path, parent+"/top.txt") }
		changes["link"] = func() error { return os.Link(path, parent+"/other-name") }
		changes["rmdir or unlink"] = func() error {
			if info.IsDir() {
				return unix.Rmdir(path)
			}
			return unix.Unlink(path)
		}
		if info.IsDir() {
			delete(changes, "link")        // EPERM for a directory, on every file system
			delete(changes, "rename over") // ENOTDIR
		}
		if filepath.Base(path) == "top.txt" {
			delete(changes, "rename over") // onto itself is nothing to do
		}
	}
	switch {
	case info.IsDir():
		changes["mkdir"] = func() error { return os.Mkdir(path+"/new-dir", 0o755) }
		changes["creat"] = func() error { return closed(os.OpenFile(path+"/new-file", os.O_CREATE|os.O_WRONLY, 0o644)) }
		changes["symlink"] = func() error { return os.Symlink("x", path+"/new-link") }
		changes["mknod"] = func() error { return unix.Mkfifo(path+"/new-fifo", 0o644) }
		changes["O_TMPFILE"] = func() error { return noTmpfile(closed(os.OpenFile(path, unix.O_TMPFILE|os.O_RDWR, 0o644))) }
		changes["chmod"] = func() error { return os.Chmod(path, 0o777) }
		changes["setxattr"] = func() error { return unix.Setxattr(path, "user.test", []byte("x"), 0) }
	case info.Mode().IsRegular():
		changes["O_RDWR"] = func() error { return closed(os.OpenFile(path, os.O_RDWR, 0)) }
		changes["O_WRONLY"] = func() error { return closed(os.OpenFile(path, os.O_WRONLY, 0)) }
		changes["O_APPEND"] = func() error { return closed(os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)) }
		changes["O_TRUNC"] = func() error { return closed(os.OpenFile(path, os.O_TRUNC|os.O_WRONLY, 0)) }
		changes["truncate"] = func() error { return os.Truncate(path, 0) }
		changes["chmod"] = func() error { return os.Chmod(path, 0o777) }
		changes["setxattr"] = func() error { return unix.Setxattr(path, "user.test", []byte("x"), 0) }
	}
	return changes
}

// parentIsOurs is false for the mount point, whose directory is the host's.
func parentIsOurs(path string) bool { return !mounted(path) }

// noTmpfile: before kernel 6.1 FUSE has no O_TMPFILE, and the kernel says so before anyone can say that it is read-only.
func noTmpfile(err error) error {
	if errors.Is(err, syscall.EOPNOTSUPP) && !kernelSince(6, 1) {
		return syscall.EROFS
	}
	return err
}

func kernelSince(major, minor int) bool {
	var u unix.Utsname
	var a, b int
	if unix.Uname(&u) != nil {
		return false
	}
	fmt.Sscanf(unix.ByteSliceToString(u.Release[:]), "%d.%d", &a, &b)
	return a > major || a == major && b >= minor
}

func closed(f *os.File, err error) error {
	if err == nil {
		f.Close()
	}
	return err
}
