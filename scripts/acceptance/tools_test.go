//go:build linux

package acceptance

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What people run over a tree sees through the mount what it sees at the data: same names, bytes, sizes, modes, times, link texts.
func TestTreeSurvivesTools(t *testing.T) {
	needProgram(t, "rsync", "tar", "git", "diff")
	lanes(t, func(t *testing.T, s *site) {
		dir := treeForTools(s)
		s.publish("tree", 1, dir)
		v := s.path("tree", "v1") + "/." // the dot follows the link of the symlink lane
		listing := `cd '%s' && find . -printf '%%P %%y %%s %%m %%T@ %%l\n' | grep -v '^ d' | sort`
		want := s.shell(fmt.Sprintf(listing, dir))
		for tool, script := range map[string]string{
			"find":          fmt.Sprintf(listing, v),
			"rsync -a":      fmt.Sprintf(`rsync -a '%s/' out-rsync/ && `+listing, v, s.Base+"/out-rsync"),
			"cp -a":         fmt.Sprintf(`cp -a '%s' out-cp && `+listing, v, s.Base+"/out-cp"),
			"cp --sparse":   fmt.Sprintf(`cp -a --sparse=always '%s' out-sparse && `+listing, v, s.Base+"/out-sparse"),
			"tar":           fmt.Sprintf(`mkdir out-tar && tar -C '%s' --format=posix -cf - . | tar -C out-tar -xpf - && `+listing, v, s.Base+"/out-tar"),
			"find by ls -f": fmt.Sprintf(`ls -fR '%s' >/dev/null && `+listing, v, v),
		} {
			if got := s.shell(script); got != want {
				t.Errorf("%s gives another tree (-want, +got):\n%s", tool, difference(want, got))
			}
		}
		for tool, script := range map[string]string{
			"diff -r":         "diff -r --no-dereference '%s' '" + dir + "'",
			"rsync, again":    "test -z \"$(rsync -ain '%s/' '" + dir + "/' | grep -v ' \\./$')\"", // the version's own directory is ours
			"du":              "test \"$(du -c --apparent-size '%s'/* | tail -n1)\" = \"$(du -c --apparent-size '" + dir + "'/* | tail -n1)\"",
			"git status":      "cd '%s/repo' && test -z \"$(git -c safe.directory='*' status --porcelain)\"",
			"git log":         "cd '%s/repo' && git -c safe.directory='*' log --oneline | grep -q first",
			"git clone":       "git -c safe.directory='*' clone -q '%s/repo' out-clone && test -f out-clone/README",
			"sha256sum":       "cd '%s' && sha256sum -c --quiet " + s.Base + "/SUMS",
			"grep -r":         "grep -rq 'line 7' '%s'",
			"a script in it":  "test \"$('%s/run.sh')\" = ran",
			"test -r, -x":     "test -r '%s/run.sh' -a -x '%s/run.sh'",
			"df":              "df '%s' >/dev/null",
			"find -newer":     "find '%s' -newer '" + s.Root + "' >/dev/null",
			"a glob":          "test -f '%s'/num*/f7",
			"realpath, stat":  "test -d \"$(realpath '%s/numbers')\" && stat '%s/big.bin' >/dev/null",
			"cd and back out": "cd '%s/numbers' && cd .. && ls >/dev/null && pwd -P >/dev/null",
		} {
			if out, err := s.command("sh", "-euc", strings.ReplaceAll(script, "%s", v)).CombinedOutput(); err != nil {
				t.Errorf("%s: %v: %s", tool, err, out)
			}
		}
		s.shell("find " + s.Mnt + " -maxdepth 2 | sort; du -s " + s.Mnt + "; rsync -a --exclude repo " + s.Mnt + "/ out-root/; test -e out-root/tree/latest")
	})
}

// difference are the lines that only one of two texts has.
func difference(want, got string) string {
	var b strings.Builder
	for _, side := range []struct{ sign, text, other string }{{"-", want, got}, {"+", got, want}} {
		for line := range strings.Lines(side.text) {
			if !strings.Contains("\n"+side.other, "\n"+line) {
				b.WriteString(side.sign + line)
			}
		}
	}
	return b.String()
}

func treeForTools(s *site) string {
	files := map[string]string{"big.bin": string(pattern(3<<20, 4)), "empty": "", "run.sh": "#!/bin/sh\necho ran\n", "name with space\nand newline": "x", strings.Repeat("n", 255): "long"}
	for i := range 300 {
		files[fmt.Sprint("numbers/f", i)] = fmt.Sprintf("line %d\n", i)
	}
	dir := s.data("tree", files)
	s.shell(`cd '` + dir + `'
		chmod 755 run.sh; chmod 640 empty
		ln -s numbers/f1 link; ln -s numbers dirlink; ln -s nowhere dangling; ln numbers/f2 hard
		truncate -s 5M sparse; mkdir -p deep/er/than/this empty-dir
		git init -q repo; cd repo; echo hello >README; git add README
		git -c user.name=t -c user.email=t@example.com commit -qm first; cd ..
		find . -depth -exec touch -h -d 2020-02-02T02:02:02.123456789Z {} + # rsync sees no difference within a second
		find . -path ./repo -prune -o -type f ! -name '*newline' -print0 | sort -z | xargs -0 sha256sum >../../SUMS`)
	return dir
}

func TestPythonReaders(t *testing.T) {
	py := python(t)
	lanes(t, func(t *testing.T, s *site) {
		dir := s.data("tensors", nil)
		run := func(what, place string) {
			t.Helper()
			cmd := s.command(py, "readers.py", what, place)
			cmd.Dir = "."
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("readers.py %s: %v\n%s", what, err, out)
			}
		}
		run("make", dir)
		s.publish("tensors", 1, dir)
		run("check", s.path("tensors", "latest"))
		run("check", s.path("tensors", "v1")) // again, from whatever was cached
	})
}

func TestSystemCallsOfReaders(t *testing.T) {
	content := pattern(2<<20, 5)
	lanes(t, func(t *testing.T, s *site) {
		s.publish("calls", 1, s.data("calls", map[string]string{"big.bin": string(content)}))
		file := s.path("calls", "v1", "big.bin")
		for name, read := range map[string]func(*testing.T, string) ([]byte, error){
			"read": readAll, "mmap shared": readMapped, "O_DIRECT": readDirect, "sendfile": readSent, "splice": readSpliced, "copy_file_range": readCopied,
		} {
			got, err := read(t, file)
			if err != nil || !bytes.Equal(got, content) {
				t.Errorf("%s: %d bytes, %v", name, len(got), err)
			}
		}
		f, err := os.Open(file)
		must(t, err)
		defer f.Close()
		for name, call := range map[string]func() error{
			"fsync":     f.Sync,
			"SEEK_DATA": func() error { _, err := f.Seek(0, unix.SEEK_DATA); return err },
			"fadvise":   func() error { return unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_WILLNEED) },
			"flock":     func() error { return unix.Flock(int(f.Fd()), unix.LOCK_SH) },
			"read lock": func() error { return unix.FcntlFlock(f.Fd(), unix.F_SETLK, &unix.Flock_t{Type: unix.F_RDLCK}) },
			"statfs": func() error {
				var st unix.Statfs_t
				if err := unix.Statfs(file, &st); err != nil || st.Namelen != 255 {
					return fmt.Errorf("f_namemax %d, %v", st.Namelen, err)
				}
				return nil
			},
		} {
			if err := call(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func readAll(_ *testing.T, file string) ([]byte, error) { return os.ReadFile(file) }

func readMapped(t *testing.T, file string) ([]byte, error) {
	f, err := os.Open(file)
	must(t, err)
	defer f.Close()
	info, err := f.Stat()
	must(t, err)
	m, err := unix.Mmap(int(f.Fd()), 0, int(info.Size()), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, err
	}
	defer unix.Munmap(m)
	return bytes.Clone(m), nil
}

func readDirect(t *testing.T, file string) ([]byte, error) {
	f, err := os.OpenFile(file, os.O_RDONLY|unix.O_DIRECT, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	const size = 256 << 10
	raw := make([]byte, size+4096)
	shift := int(-uintptr(unsafe.Pointer(&raw[0])) & 4095)
	aligned := raw[shift : shift+size]
	var all []byte
	for {
		n, err := f.Read(aligned)
		all = append(all, aligned[:n]...)
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return all, err
		}
	}
}

func readSent(t *testing.T, file string) ([]byte, error) {
	return through(t, file, func(to, from, size int) error {
		for size > 0 {
			n, err := unix.Sendfile(to, from, nil, size)
			if err != nil || n == 0 {
				return errors.Join(err, fmt.Errorf("%d bytes left", size))
			}
			size -= n
		}
		return nil
	})
}

func readSpliced(t *testing.T, file string) ([]byte, error) {
	r, w, err := os.Pipe()
	must(t, err)
	defer r.Close()
	defer w.Close()
	return through(t, file, func(to, from, size int) error {
		for size > 0 {
			n, err := unix.Splice(from, nil, int(w.Fd()), nil, min(size, 64<<10), 0)
			if err != nil || n == 0 {
				return errors.Join(err, fmt.Errorf("%d bytes left", size))
			}
			for left := n; left > 0; {
				m, err := unix.Splice(int(r.Fd()), nil, to, nil, int(left), 0)
				if err != nil {
					return err
				}
				left -= m
			}
			size -= int(n)
		}
		return nil
	})
}

// through sends a file into a socket and returns what comes out at the other end.
func through(t *testing.T, file string, send func(to, from, size int) error) ([]byte, error) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	must(t, err)
	end := os.NewFile(uintptr(fds[0]), "socket")
	conn, err := net.FileConn(end)
	must(t, err)
	end.Close()
	defer conn.Close()
	f, err := os.Open(file)
	must(t, err)
	defer f.Close()
	info, err := f.Stat()
	must(t, err)
	sent := make(chan error, 1)
	go func() {
		defer unix.Close(fds[1])
		sent <- send(fds[1], int(f.Fd()), int(info.Size()))
	}()
	got, err := io.ReadAll(conn)
	return got, errors.Join(err, <-sent)
}

func readCopied(t *testing.T, file string) ([]byte, error) {
	to, err := os.Create(filepath.Join(t.TempDir(), "copy"))
	must(t, err)
	defer to.Close()
	from, err := os.Open(file)
	must(t, err)
	defer from.Close()
	if _, err := io.Copy(to, from); err != nil { // copy_file_range where the kernel has it across file systems, else as `cp` does
		return nil, err
	}
	return os.ReadFile(to.Name())
}

// Ten thousand files are open at once, and each gives its own bytes.
func TestTenThousandOpenFiles(t *testing.T) {
	const count = 10_000
	var limit unix.Rlimit
	must(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &limit))
	if limit.Max < count+1000 {
		t.Skipf("needs %d open files, the hard limit is %d", count, limit.Max)
	}
	must(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: limit.Max, Max: limit.Max}))
	lanes(t, func(t *testing.T, s *site) {
		files := map[string]string{}
		for i := range count {
			files[fmt.Sprintf("%03d/%d", i%100, i)] = fmt.Sprint("file ", i)
		}
		s.publish("many", 1, s.data("many", files))
		open := make([]*os.File, 0, count)
		defer func() {
			for _, f := range open {
				f.Close()
			}
		}()
		for i := range count {
			f, err := os.Open(s.path("many", "v1", fmt.Sprintf("%03d", i%100), fmt.Sprint(i)))
			if err != nil {
				t.Fatalf("open number %d: %v", i+1, err)
			}
			open = append(open, f)
		}
		buffer := make([]byte, 64)
		for i, f := range open {
			n, err := f.ReadAt(buffer, 0)
			if want := fmt.Sprint("file ", i); string(buffer[:n]) != want || err != io.EOF {
				t.Fatalf("file %d holds %q (%v)", i, buffer[:n], err)
			}
		}
		if _, err := os.ReadFile(s.path("many", "v1", "007", "7")); err != nil {
			t.Errorf("one more: %v", err)
		}
	})
}

// Directories behave as natively: d_ino is st_ino, rewinddir starts over, nlink and sizes are those of the data.
func TestDirectories(t *testing.T) {
	servedLanes(t, func(t *testing.T, s *site) {
		files := map[string]string{}
		for i := range 500 {
			files[fmt.Sprint("f", i)] = ""
		}
		s.publish("dir", 1, s.data("dir", files))
		s.publish("dir", 2, s.Data+"/dir")
		for _, place := range []string{s.Mnt, s.path("dir"), s.path("dir", "v1"), s.path(".manifest"), s.path(".manifest", "dir"), s.path(".fields", "dir", "v1"), s.path(".artifactfs")} {
			d, err := os.Open(place)
			must(t, err)
			first, err := d.Readdirnames(-1)
			must(t, err)
			_, err = d.Seek(0, io.SeekStart)
			must(t, err)
			again, err := d.Readdirnames(-1)
			must(t, err)
			d.Close()
			if strings.Join(first, "/") != strings.Join(again, "/") {
				t.Errorf("%s: after rewinddir %d names, %d before", place, len(again), len(first))
			}
			for name, ino := range direntInodes(t, place) {
				var st syscall.Stat_t
				if err := syscall.Lstat(filepath.Join(place, name), &st); err == nil && st.Ino != ino {
					t.Errorf("%s/%s: d_ino %d, st_ino %d", place, name, ino, st.Ino)
				}
			}
		}
		if inode(t, s.path("dir", "v1", "f1")) == inode(t, s.path("dir", "v2", "f1")) {
			t.Error("two versions over one directory share an inode")
		}
	})
}

// direntInodes reads a directory with getdents64 itself, since Go hides d_ino.
func direntInodes(t *testing.T, dir string) map[string]uint64 {
	t.Helper()
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	must(t, err)
	defer unix.Close(fd)
	found := map[string]uint64{}
	buffer := make([]byte, 64<<10)
	for {
		n, err := unix.Getdents(fd, buffer)
		must(t, err)
		if n == 0 {
			return found
		}
		for b := buffer[:n]; len(b) > 0; {
			d := (*unix.Dirent)(unsafe.Pointer(&b[0]))
			name := unix.ByteSliceToString(b[unsafe.Offsetof(d.Name):d.Reclen])
			if name != "." && name != ".." {
				found[name] = d.Ino
			}
			b = b[d.Reclen:]
		}
	}
}
