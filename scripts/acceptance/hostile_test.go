//go:build linux

package acceptance

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// patienceHostile is how long one access to a hostile store may take. No record is a reason to wait for the deadline.
const patienceHostile = time.Minute

// peakRSS is what the daemon may take at most, in KiB.
const peakRSS = 300 << 10

// hostile is a record, or what lies in its place, and what the version's data is then: an errno to list it, or 0 and it holds f.
type hostile struct {
	name string
	text string // manifest.json
	want syscall.Errno
}

func recordOf(path, more string) string {
	b, _ := json.Marshal(path)
	return `{"path": ` + string(b) + more + `}`
}

func hostileRecords(s *site) []hostile {
	good, big := s.Data+"/one", strings.Repeat("x", 10<<20)
	return []hostile{
		{"dotdot", recordOf(s.Data+"/../secret", ""), syscall.EPERM},
		{"root", recordOf("/", ""), syscall.EPERM},
		{"relative", recordOf("one", ""), syscall.EINVAL},
		{"nul", recordOf(good+"\x00/x", ""), syscall.EINVAL},
		{"magic", recordOf("/proc/self/root"+good, ""), syscall.EPERM},
		{"fds", recordOf("/dev/fd/3", ""), syscall.EPERM},
		{"chardevice", recordOf("/dev/zero", ""), syscall.EPERM},
		{"devicelink", recordOf(s.Data+"/zero", ""), syscall.EPERM},
		{"fifodata", recordOf(s.Data+"/fifo", ""), syscall.ENOTDIR},
		{"mount", recordOf(s.Mnt, ""), syscall.ELOOP},
		{"itself", recordOf(s.Mnt+"/itself/v1", ""), syscall.ELOOP},
		{"mountlink", recordOf(s.Data+"/tomount", ""), syscall.ELOOP},
		{"loop", recordOf(s.Data+"/loop", ""), syscall.ELOOP},
		{"outlink", recordOf(s.Data+"/out", ""), syscall.EPERM},
		{"overlong", recordOf(s.Data+strings.Repeat("/y", 4000), ""), syscall.ENAMETOOLONG},
		{"component", recordOf(s.Data+"/"+strings.Repeat("z", 300), ""), syscall.ENAMETOOLONG},
		{"surrogate", `{"path": "` + s.Data + `/\ud800"}`, syscall.ENOENT},
		{"nan", recordOf(good, `, "metadata": {"x": NaN, "y": [-Infinity]}, "inputs": NaN`), 0},
		{"types", recordOf(good, `, "name": 7, "version": [], "type": {}, "metadata": "s", "inputs": {"a": 1}, "used_artifacts": null, "created_at": true`), 0},
		{"large", recordOf(good, `, "metadata": {"pad": "`+big+`"}`), 0},
		{"number", recordOf(good, `, "version": `+strings.Repeat("9", 1<<20)), 0},
		{"bom", "\ufeff" + recordOf(good, ""), 0},
		// These are no records, and so no versions.
		{"toolarge", recordOf(good, "") + strings.Repeat(" ", 20<<20), syscall.ENOENT},
		{"deep", strings.Repeat("[", 1<<20), syscall.ENOENT},
		{"deeper", recordOf(good, `, "metadata": `+strings.Repeat(`{"a":`, 1<<18)+"1"+strings.Repeat("}", 1<<18)), syscall.ENOENT},
		{"empty", "", syscall.ENOENT},
		{"cut", `{"path": "/x`, syscall.ENOENT},
		{"list", `[]`, syscall.ENOENT},
		{"pathnumber", `{"path": 7}`, syscall.ENOENT},
		{"pathempty", `{"path": ""}`, syscall.ENOENT},
		{"binary", "\x00\xff\xfe{", syscall.ENOENT},
	}
}

// hostileData is what lies where the records lead.
func hostileData(s *site) {
	s.shell(fmt.Sprintf(`mkdir %[1]s/one %[1]s/two; echo data >%[1]s/one/f; echo a secret that nobody shows >%[2]s/secret
		ln -s %[3]s/good/v1 %[1]s/tomount; ln -s loop %[1]s/loop; ln -s ../secret %[1]s/out; ln -s /dev/zero %[1]s/zero; mkfifo %[1]s/fifo
		cd %[1]s/two; ln -s ab ba; ln -s ba ab; ln -s . dot; ln -s gone gone2; ln -s /etc/passwd etc; ln -s ../../secret up; mkfifo fifo
		ln -s %[3]s mount; ln -s %[3]s/links/v1 mountself; ln -s /proc/self/environ environ; ln -s /proc/self/root/etc/passwd proc; ln -s ../two self
		ln -s ../one/f ok; printf raw >"$(printf 'raw\377name')"; printf nl >"$(printf 'new\nline')"`, s.Data, s.Base, s.Mnt))
}

// hostileStore is what lies where names, versions, records and pointers should.
func hostileStore(s *site) {
	s.shell(fmt.Sprintf(`cd %[1]s
		rec() { mkdir -p "./$1/v1"; printf '{"path": "%[2]s/%%s"}' "$2" >"./$1/v1/manifest.json"; }
		rec good one; rec links two
		mkfifo fifo; mknod device c 1 5; echo text >file
		ln -s /etc etc; ln -s .. up; ln -s . self; ln -s nloop nloop; ln -s %[3]s mnt; ln -s /proc/self/root proc; ln -s good other
		mkdir -p fiforecord/v1 devrecord/v1 dirrecord/v1/manifest.json linkrecord/v1; mkfifo fiforecord/v1/manifest.json
		mknod devrecord/v1/manifest.json c 1 5; ln -s /etc/passwd linkrecord/v1/manifest.json
		python3 -c 'import os,stat; os.makedirs("sockrecord/v1"); os.mknod("sockrecord/v1/manifest.json", stat.S_IFSOCK|0o666)'
		rec fifometa one; mkfifo fifometa/v1/metadata.json; rec devmeta one; mknod devmeta/v1/metadata.json c 1 5
		for l in fifo zero dir up abs loop proc v9 huge; do rec "latest$l" one; done
		mkfifo latestfifo/latest; mknod latestzero/latest c 1 5; mkdir latestdir/latest; ln -s ../good/v1 latestup/latest; ln -s /etc latestabs/latest
		ln -s latest latestloop/latest; ln -s /proc/self/fd/3 latestproc/latest; printf v9 >latestv9/latest; head -c 20M /dev/zero >latesthuge/latest
		rec versions one; ln -s ../good/v1 versions/v2; ln -s /etc versions/v3; ln -s v4 versions/v4; mkfifo versions/v5; mkdir versions/v99999999999999999999
		for a in ../good/v1 /etc v9 v1/.. .; do ln -s "$a" "versions/a$(echo "$a" | tr -c 'a-z0-9\n' _)"; done; ln -s v1 versions/fine
		for n in 'sp ace' 'qu"ote' "qu'ote" 'back\slash' '$(id)' '-rf' '*' "$(printf 'new\nline')" "$(printf 'raw\377')" "$(printf '\001')" "$(printf '%%255s' '' | tr ' ' n)"; do rec "$n" one; done
		deep=deep; for i in 1 2 3 4 5 6 7 8 9 10; do deep=$deep/deep/deep/deep; done; mkdir -p $deep`, s.Root, s.Data, s.Mnt))
	for _, h := range hostileRecords(s) {
		writeFile(s.t, s.Root+"/"+h.name+"/v1/manifest.json", h.text)
		writeFile(s.t, s.Root+"/"+h.name+"/v1/metadata.json", h.text)
	}
}

// in runs one access, which must end by itself.
func (s *site) in(what string, access func() error) error {
	s.t.Helper()
	done := make(chan error, 1)
	go func() { done <- access() }()
	select {
	case err := <-done:
		return err
	case <-time.After(patienceHostile):
		s.t.Fatalf("%s: no answer after %v", what, patienceHostile)
		return nil
	}
}

// peak is the most memory that a process ever had, in KiB.
func peak(t *testing.T, pid int) int {
	t.Helper()
	for line := range strings.Lines(readFile(t, fmt.Sprintf("/proc/%d/status", pid))) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			n, err := strconv.Atoi(strings.Fields(rest)[0])
			must(t, err)
			return n
		}
	}
	t.Fatal("no VmHWM")
	return 0
}

// TestHostileStore: whatever lies in a store, nothing crashes, hangs, escapes or takes the memory of the machine.
func TestHostileStore(t *testing.T) {
	needProgram(t, "python3", "mknod")
	s := newSite(t, siteOptions{Quiet: true})
	hostileData(s)
	hostileStore(s)
	s.mount()
	daemon := s.daemon()

	for _, h := range hostileRecords(s) {
		err := s.in(h.name, func() error { _, err := os.ReadDir(s.path(h.name, "v1")); return err })
		if h.want == 0 && err == nil {
			if got := readFile(t, s.path(h.name, "v1", "f")); got != "data\n" {
				t.Errorf("%s: f holds %q", h.name, got)
			}
		} else if h.want == 0 && err != nil || !errors.Is(err, h.want) {
			t.Errorf("%s: %v, want %v", h.name, err, h.want)
		}
	}
	for name, want := range map[string]error{
		"fifo": unix.ENOENT, "device": unix.ENOENT, "file": unix.ENOENT, "nloop": unix.ENOENT, "etc": unix.EACCES, "up": unix.EACCES, "mnt": unix.EACCES,
		"proc": unix.EACCES, "proc/etc": unix.EACCES, "other/v1": nil, "fifometa/v1": nil, "devmeta/v1": nil, "fiforecord/v1": unix.ENOENT,
		"devrecord/v1": unix.ENOENT, "dirrecord/v1": unix.ENOENT, "linkrecord/v1": unix.ENOENT, "sockrecord/v1": unix.ENOENT, "none": unix.ENOENT,
		"versions/v3": unix.EACCES, "versions/v4": unix.ENOENT, "versions/v5": unix.ENOENT, "versions/v99999999999999999999": unix.ENOENT,
		"latestfifo/latest": nil, "latestzero/latest": nil, "latestdir/latest": nil, "latestup/latest": nil, "latestabs/latest": nil,
		"latestloop/latest": nil, "latestproc/latest": nil, "latestv9/latest": nil, "latesthuge/latest": nil,
	} {
		err := s.in(name, func() error { _, err := os.ReadDir(s.path(name)); return err })
		if !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
	for name, want := range map[string]any{
		"ab": unix.ELOOP, "dot/ok": "data\n", "gone2": unix.ENOENT, "etc": unix.EPERM, "up": unix.EPERM, "mount": unix.ELOOP, "mountself": unix.ELOOP,
		"environ": unix.EPERM, "proc": unix.EPERM, "self": unix.ELOOP, "ok": "data\n", "raw\xffname": "raw", "new\nline": "nl",
	} {
		var b []byte
		err := s.in(name, func() (err error) { b, err = os.ReadFile(s.path("links", "v1", name)); return err })
		if text, ok := want.(string); ok && (err != nil || string(b) != text) || !ok && !errors.Is(err, want.(error)) {
			t.Errorf("links/v1/%s: %q, %v; want %v", name, b, err, want)
		}
	}
	s.hostileWalk("")
	for _, view := range []string{".fields", ".manifest"} {
		s.hostileWalk(view)
	}
	if now := s.daemon(); now != daemon {
		t.Errorf("the daemon has died: it was %d, and another is %d", daemon, now)
	}
	got := peak(t, daemon)
	t.Logf("the daemon took %d MiB at most", got>>10)
	if got > peakRSS && !raceEnabled {
		t.Errorf("the daemon took %d MiB", got>>10)
	}
}

// hostileWalk reads all that a view shows, as find and grep -r do, and finds no secret in it. That it ends is the point.
func (s *site) hostileWalk(view string) {
	s.t.Helper()
	ctx, stop := context.WithTimeout(context.Background(), 2*time.Minute)
	defer stop()
	files := 0
	err := filepath.WalkDir(s.path(view), func(path string, e os.DirEntry, err error) error {
		if ctx.Err() != nil {
			return fmt.Errorf("at %s: %w", path, ctx.Err())
		}
		if err != nil || !e.Type().IsRegular() {
			return nil // refused: the tables above say what must be
		}
		files++
		f, err := os.Open(path)
		if err != nil {
			return nil
		}
		defer f.Close()
		b := make([]byte, 4096)
		n, _ := f.Read(b)
		if bytes.Contains(b[:n], []byte("a secret that")) || bytes.Contains(b[:n], []byte("root:x:0")) {
			s.t.Errorf("%s shows %q", path, b[:min(n, 100)])
		}
		return nil
	})
	if err != nil || files == 0 {
		s.t.Errorf("walk of %q: %d files, %v", view, files, err)
	}
}

// TestRootVanishes: a store that cannot be read is never one that has no such artifact.
func TestRootVanishes(t *testing.T) {
	for how, steps := range map[string][2]string{
		"moved":     {"mv ROOT ROOT.away", "mv ROOT.away ROOT"},
		"replaced":  {"mv ROOT ROOT.away; mkdir ROOT", "rmdir ROOT; mv ROOT.away ROOT"},
		"a file":    {"mv ROOT ROOT.away; echo >ROOT", "rm ROOT; mv ROOT.away ROOT"},
		"a fifo":    {"mv ROOT ROOT.away; mkfifo ROOT", "rm ROOT; mv ROOT.away ROOT"},
		"unmounted": {"umount -l ROOT", ""},
	} {
		t.Run(how, func(t *testing.T) {
			s := newSite(t, siteOptions{Quiet: true})
			run := func(script string) { s.shell(strings.ReplaceAll(script, "ROOT", s.Root)) }
			if how == "unmounted" {
				run("mount -t tmpfs store ROOT")
			}
			s.shell(fmt.Sprintf(`mkdir %[1]s/one; echo data >%[1]s/one/f`, s.Data))
			s.mount()
			s.artifactfs("log", "seen", s.Data+"/one")
			if got := readFile(t, s.path("seen", "latest", "f")); got != "data\n" {
				t.Fatalf("before: %q", got)
			}
			run(steps[0])
			time.Sleep(1200 * time.Millisecond) // past the TTL
			for _, name := range []string{"never", "never/v1", ".fields/never/v1/path", ".manifest/never/v1", "seen/v9"} {
				err := s.in(name, func() error { _, err := os.Lstat(s.path(name)); return err })
				if err == nil || errors.Is(err, os.ErrNotExist) {
					t.Errorf("%s: %v, though nobody can know", name, err)
				}
			}
			var b []byte
			err := s.in("seen", func() (err error) { b, err = os.ReadFile(s.path("seen", "v1", "f")); return err })
			if err == nil && string(b) != "data\n" || errors.Is(err, os.ErrNotExist) {
				t.Errorf("what was seen: %q, %v", b, err)
			}
			err = s.in("log", func() error { return os.WriteFile(s.path(".log", "seen"), []byte(s.Data+"/one\n"), 0) })
			if err == nil || errors.Is(err, os.ErrNotExist) {
				t.Errorf("log: %v", err)
			}
			if steps[1] == "" {
				return
			}
			run(steps[1])
			eventually(t, soon, "the store is back", func() error { _, err := os.ReadFile(s.path("seen", "latest", "f")); return err })
			if _, err := os.Lstat(s.path("never")); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("once it is back: %v", err)
			}
		})
	}
}
