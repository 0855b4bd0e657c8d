package manifest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A child of the test does one of these to a store.
var crashOps = map[string]func(*Dir) (int, error){
	"first log": func(d *Dir) (int, error) { return d.Publish(bg, "a/b", crashDraft("/crash")) },
	"next log":  func(d *Dir) (int, error) { return d.Publish(bg, "m", crashDraft("/crash")) },
	"alias":     func(d *Dir) (int, error) { return 0, d.SetAlias(bg, "m", "prod", 2) },
	"retire":    func(d *Dir) (int, error) { return 0, d.Retire(bg, "m", 2, "why", false) },
	"upstream": func(d *Dir) (int, error) {
		dr := crashDraft("/crash")
		return 3, errors.Join(d.Claim(bg, "m", 3), d.Put(bg, "m", 3, "manifest.json", dr.ManifestBytes(3)),
			d.Put(bg, "m", 3, "metadata.json", dr.MetadataBytes()), d.Advance(bg, "m", 3))
	},
}

var bg = context.Background()

func crashDraft(path string) *Draft {
	return &Draft{
		Manifest: Manifest{Path: path, Type: "T"}, Metadata: Object{{"path", path}},
		RequestID: "the request", Sidecar: Object{{"uid", 0}}, Aliases: []string{"best"},
	}
}

// TestCrashChild is the child: it kills itself at the step in its environment,
// or else prints the steps that it passed, and its answer.
func TestCrashChild(t *testing.T) {
	root, op, at := os.Getenv("CRASH_ROOT"), os.Getenv("CRASH_OP"), os.Getenv("CRASH_AT")
	if root == "" {
		t.Skip("runs as a child of TestCrash")
	}
	d, err := OpenDir(root, nil)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	d.step = func(name string) {
		n++
		fmt.Printf("step %d %s\n", n, name)
		if fmt.Sprint(n) == at {
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
	v, err := crashOps[op](d)
	fmt.Printf("answer v%d %v\n", v, err)
}

// crash runs the child and returns what it printed.
func crash(t *testing.T, root, op string, at int) string {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestCrashChild$")
	cmd.Env = append(os.Environ(), "CRASH_ROOT="+root, "CRASH_OP="+op, fmt.Sprintf("CRASH_AT=%d", at))
	out, _ := cmd.Output()
	killed := cmd.ProcessState.Sys().(syscall.WaitStatus).Signaled()
	if killed != (at > 0) {
		t.Fatalf("%s at step %d: %v\n%s", op, at, cmd.ProcessState, out)
	}
	return string(out)
}

// A store survives kill -9 at every step of every change: it is valid, the next
// log works, no part of a version is listed, and who was answered has it.
func TestCrash(t *testing.T) {
	for op := range crashOps {
		steps := strings.Count(crash(t, crashStore(t), op, 0), "step ")
		if steps == 0 {
			t.Fatalf("%s has no steps", op)
		}
		for at := range steps + 1 {
			t.Run(fmt.Sprintf("%s/%d", op, at), func(t *testing.T) {
				root := crashStore(t)
				out := crash(t, root, op, at)
				afterCrash(t, root, op, out)
			})
		}
	}
}

func crashStore(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	d := openT(t, root)
	for _, path := range []string{"/1", "/2"} {
		if _, err := d.Publish(bg, "m", &Draft{Manifest: Manifest{Path: path}, Metadata: Object{}}); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func openT(t *testing.T, root string) *Dir {
	t.Helper()
	d, err := OpenDir(root, nil)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func afterCrash(t *testing.T, root, op, out string) {
	t.Helper()
	name, before := "m", 2
	if op == "first log" {
		name, before = "a/b", 0
	}
	wantValid(t, root, name)
	answered := strings.Contains(out, "answer")
	if answered {
		l, _ := openT(t, root).Versions(bg, name)
		if strings.Contains(out, "answer v3") && (!slices.Contains(l.Versions, 3) || l.Latest != 3) {
			t.Errorf("answered v3, but there is %+v", l)
		}
	}
	// The writer tries again with its request_id: one version has it, whenever
	// the first attempt died.
	d := openT(t, root)
	if op == "first log" || op == "next log" {
		v, err := d.Publish(bg, name, crashDraft("/crash"))
		if err != nil || v <= before {
			t.Fatalf("the same request after the crash: v%d, %v", v, err)
		}
		l := wantValid(t, root, name)
		if got := logged(t, d, name, l, "/crash"); len(got) != 1 || got[0] != v {
			t.Errorf("the request was logged as %v, answered as v%d; want one", got, v)
		}
		if l.Aliases["best"] != v {
			t.Errorf("alias best is v%d; want v%d", l.Aliases["best"], v)
		}
	}
	old := wantValid(t, root, name)
	v, err := d.Publish(bg, name, &Draft{Manifest: Manifest{Path: "/next"}, Metadata: Object{}})
	if err != nil || slices.Contains(old.Claimed, v) {
		t.Fatalf("the next log: v%d, %v; taken were %v", v, err, old.Claimed)
	}
	if l := wantValid(t, root, name); l.Latest != v {
		t.Errorf("latest is v%d after v%d was logged", l.Latest, v)
	}
	wantSwept(t, root, name)
}

// wantValid checks that what is listed can be read, and that upstream's reader
// of latest finds a version.
func wantValid(t *testing.T, root, name string) *Listing {
	t.Helper()
	d := openT(t, root)
	l, err := d.Versions(bg, name)
	if errors.Is(err, fs.ErrNotExist) && name == "a/b" {
		return &Listing{}
	}
	if err != nil {
		t.Fatal(err)
	}
	if l.Warning != "" {
		t.Errorf("warning: %s", l.Warning)
	}
	for _, v := range l.Versions {
		if r, err := d.Manifest(bg, name, v); err != nil || r.Meta == nil {
			// Only upstream's own order has a moment without metadata.json.
			if err != nil || r.Manifest.Path != "/crash" || r.Manifest.Type != "T" {
				t.Errorf("v%d is listed, but reads %v, %v", v, r, err)
			}
		}
	}
	text, err := os.ReadFile(filepath.Join(root, name, "latest"))
	if err == nil {
		_, err = os.Stat(filepath.Join(root, name, string(text), "manifest.json"))
	}
	if err != nil && !(errors.Is(err, fs.ErrNotExist) && text == nil && name == "a/b") {
		t.Errorf("latest holds %q: %v", text, err)
	}
	return l
}

// logged returns the versions whose path is path.
func logged(t *testing.T, d *Dir, name string, l *Listing, path string) (out []int) {
	t.Helper()
	for _, v := range l.Versions {
		if r, err := d.Manifest(bg, name, v); err != nil {
			t.Error(err)
		} else if r.Manifest.Path == path {
			out = append(out, v)
		}
	}
	return out
}

// wantSwept checks that the dead writer's temporary files go with the next log.
func wantSwept(t *testing.T, root, name string) {
	t.Helper()
	temporary := func() (found []string) {
		filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
			if isTemporary(e.Name()) {
				found = append(found, path)
			}
			return err
		})
		return found
	}
	if _, err := openT(t, root).Publish(bg, name, &Draft{Manifest: Manifest{Path: "/sweep"}, Metadata: Object{}}); err != nil {
		t.Fatal(err)
	}
	if left := temporary(); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// What a writer left in a version that is not among the newest by the time it is old goes too, with one of the next writers.
func TestSweepOlderVersions(t *testing.T) {
	root, long := t.TempDir(), time.Now().Add(-2*time.Hour)
	publish := func() {
		t.Helper()
		if _, err := openT(t, root).Publish(bg, "old", &Draft{Manifest: Manifest{Path: "/data"}, Metadata: Object{}}); err != nil {
			t.Fatal(err)
		}
	}
	for range 40 {
		publish()
	}
	left := filepath.Join(root, "old", "v3", "metadata.json.tmp.999999999.X") // beyond what a pid can be
	if err := os.WriteFile(left, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(left, long, long); err != nil {
		t.Fatal(err)
	}
	for range 300 {
		if _, err := os.Lstat(left); err != nil {
			return
		}
		publish()
	}
	t.Errorf("%s is there", left)
}

// v0 is swept as the others are.
func TestSweepV0(t *testing.T) {
	root, long := t.TempDir(), time.Now().Add(-2*time.Hour)
	left := filepath.Join(root, "m", "v0", "metadata.json.tmp.999999999.X")
	if err := os.MkdirAll(filepath.Dir(left), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(left, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(left, long, long); err != nil {
		t.Fatal(err)
	}
	wantSwept(t, root, "m")
}
