package manifest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"artifactfs.dev/artifactfs/internal/store"
)

func testPins(t *testing.T) (p *Pins, id, dir string) {
	t.Helper()
	root := t.TempDir()
	p = openT(t, root).Pins()
	id = fmt.Sprintf("%d.eos.slurm-1", os.Getuid())
	return p, id, root + "/.artifactfs/snapshots/" + id
}

func wantPin(t *testing.T, what string, p *Pin, err error, v int) {
	t.Helper()
	if err != nil || p.Version != v {
		t.Errorf("%s: %+v, %v; want v%d", what, p, err, v)
	}
}

// Of any number of makers on any number of nodes one wins, all are told its version,
// and nobody ever sees an empty pin.
func TestPinRace(t *testing.T) {
	p, id, dir := testPins(t)
	root := filepath.Dir(filepath.Dir(filepath.Dir(dir)))
	for round := range 20 {
		name := fmt.Sprintf("m%d", round)
		const makers = 16
		got := make([]int, makers)
		var wg sync.WaitGroup
		for i := range makers {
			node := openT(t, root).Pins()
			wg.Go(func() {
				if pin, err := node.Pinned(bg, id, name, Latest); err != nil && !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("seen in the making: %+v, %v", pin, err)
				}
				pin, err := node.Pin(bg, id, name, Latest, Target{Version: i + 1})
				if err != nil {
					t.Error(err)
					return
				}
				got[i] = pin.Version
			})
		}
		wg.Wait()
		slices.Sort(got)
		pin, err := p.Pinned(bg, id, name, Latest)
		if got[0] != got[makers-1] || err != nil || pin.Version != got[0] {
			t.Fatalf("makers were told %v; it is %+v, %v", got, pin, err)
		}
	}
	if b, _ := os.ReadFile(dir + "/m0@latest"); !strings.HasPrefix(string(b), "v") || len(b) > 3 {
		t.Errorf("a pin holds %q", b)
	}
	list, _ := os.ReadDir(dir)
	for _, e := range list {
		if strings.Contains(e.Name(), "tmp") {
			t.Errorf("left behind: %s", e.Name())
		}
	}
}

// Between writing a pin and naming it there is none, and others make theirs: a maker
// that is killed there has made none, and one that goes on has lost.
func TestPinStopped(t *testing.T) {
	p, id, dir := testPins(t)
	other := openT(t, filepath.Dir(filepath.Dir(filepath.Dir(dir)))).Pins()
	p.step = func(s string) {
		if s != "pin written" {
			return
		}
		if pin, err := other.Pinned(bg, id, "m", Latest); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("before it has its name: %+v, %v", pin, err)
		}
		pin, err := other.Pin(bg, id, "m", Latest, Target{Version: 2})
		wantPin(t, "another maker", pin, err, 2)
	}
	pin, err := p.Pin(bg, id, "m", Latest, Target{Version: 1})
	wantPin(t, "the one that was stopped", pin, err, 2)
}

func TestMoveAndUnpin(t *testing.T) {
	p, id, dir := testPins(t)
	if err := p.Move(bg, id, "a/b", "prod", Target{Version: 3}, true); err != nil {
		t.Fatal(err)
	}
	for _, m := range []struct {
		v       int
		forward bool
		want    int
	}{{2, true, 3}, {2, false, 2}, {5, true, 5}} {
		if err := p.Move(bg, id, "a/b", "prod", Target{Version: m.v}, m.forward); err != nil {
			t.Fatal(err)
		}
		pin, err := p.Pinned(bg, id, "a/b", "prod")
		wantPin(t, fmt.Sprintf("%+v", m), pin, err, m.want)
	}
	pin, err := p.Pin(bg, id, "a/b", Latest, Target{Version: 1})
	wantPin(t, "another alias", pin, err, 1)
	pins, err := p.Pins(bg, id)
	if err != nil || len(pins) != 2 || pins[0].Name != "a/b" || pins[0].Alias != Latest || pins[1].Alias != "prod" {
		t.Errorf("Pins = %v, %v", pins, err)
	}
	if ids, err := p.Snapshots(bg); err != nil || !slices.Equal(ids, []string{id}) {
		t.Errorf("Snapshots = %v, %v", ids, err)
	}
	var wg sync.WaitGroup
	for v := range 40 { // whoever is last, the highest stays
		wg.Go(func() { p.Move(bg, id, "m", Latest, Target{Version: v + 1}, true) })
	}
	wg.Wait()
	pin, err = p.Pinned(bg, id, "m", Latest)
	wantPin(t, "forty movers", pin, err, 40)
	// A mover that has looked, and a higher one that comes before it has written.
	other, done := openT(t, filepath.Dir(filepath.Dir(filepath.Dir(dir)))).Pins(), make(chan error, 1)
	p.step = func(string) {
		p.step = func(string) {}
		go func() { done <- other.Move(bg, id, "m", Latest, Target{Version: 50}, true) }()
		select {
		case err := <-done:
			done <- err
		case <-time.After(200 * time.Millisecond): // it waits
		}
	}
	if err := errors.Join(p.Move(bg, id, "m", Latest, Target{Version: 45}, true), <-done); err != nil {
		t.Error(err)
	}
	pin, err = p.Pinned(bg, id, "m", Latest)
	wantPin(t, "two movers", pin, err, 50)
	if err := p.Unpin(bg, id, "m", ""); err != nil {
		t.Error(err)
	}
	for _, u := range []struct{ name, alias string }{{"a/b", "prod"}, {"a/b", ""}, {"", ""}} {
		if err := p.Unpin(bg, id, u.name, u.alias); err != nil {
			t.Errorf("Unpin(%q, %q): %v", u.name, u.alias, err)
		}
		if err := p.Unpin(bg, id, u.name, u.alias); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Unpin(%q, %q) again: %v", u.name, u.alias, err)
		}
	}
	if _, err := os.Lstat(dir); err == nil {
		t.Error("the snapshot is still there")
	}
}

// What is no pin is ignored with a reason, and never waited for.
func TestHostilePins(t *testing.T) {
	p, id, dir := testPins(t)
	wantPin1, err := p.Pin(bg, id, "good", Latest, Target{Version: 1})
	wantPin(t, "good", wantPin1, err, 1)
	hostile := map[string]func(path string) error{
		"fifo":    func(path string) error { return syscall.Mkfifo(path, 0o644) },
		"symlink": func(path string) error { return os.Symlink("good@latest", path) },
		"dir":     func(path string) error { return os.Mkdir(path, 0o755) },
		"big":     func(path string) error { return os.WriteFile(path, make([]byte, 10<<20), 0o644) },
		"empty":   func(path string) error { return os.WriteFile(path, nil, 0o644) },
		"garbage": func(path string) error { return os.WriteFile(path, []byte("v2 or so"), 0o644) },
		"number":  func(path string) error { return os.WriteFile(path, []byte("2"), 0o644) },
		"zeros":   func(path string) error { return os.WriteFile(path, []byte("v02"), 0o644) },
		"huge":    func(path string) error { return os.WriteFile(path, []byte("v99999999999999999999"), 0o644) },
	}
	if os.Getuid() == 0 {
		hostile["stranger's"] = func(path string) error {
			return errors.Join(os.WriteFile(path, []byte("v2"), 0o644), os.Chown(path, 54001, 0))
		}
	}
	for what, make := range hostile {
		if err := make(dir + "/" + escapePin(what) + "@latest"); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		for _, ask := range []func() (*Pin, error){
			func() (*Pin, error) { return p.Pinned(bg, id, what, Latest) },
			func() (*Pin, error) { return p.Pin(bg, id, what, Latest, Target{Version: 1}) },
		} {
			if pin, err := ask(); !errors.Is(err, fs.ErrInvalid) || !strings.Contains(err.Error(), "is ignored") {
				t.Errorf("%s: %+v, %v; want it ignored", what, pin, err)
			}
		}
		if d := time.Since(start); d > 5*time.Second {
			t.Errorf("%s: took %v", what, d)
		}
	}
	if pins, err := p.Pins(bg, id); err != nil || len(pins) != 1 || pins[0].Name != "good" {
		t.Errorf("Pins = %v, %v; want the good one", pins, err)
	}
	for _, bad := range []string{"", "x", "1", "1.", "01.a.b", "-1.a.b", "1.a/b", "../1.a.b", "4294967296.a.b", "1." + strings.Repeat("a", 300)} {
		if _, err := p.Pin(bg, bad, "m", Latest, Target{Version: 1}); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("id %q: %v", bad, err)
		}
	}
}

// A snapshot's directory that is somebody else's, or no directory, is not used.
func TestHostileSnapshots(t *testing.T) {
	p, id, dir := testPins(t)
	if err := p.Prepare(bg); err != nil {
		t.Fatal(err)
	}
	if fi, err := os.Stat(filepath.Dir(dir)); err != nil || fi.Mode().Perm() != 0o777 || fi.Mode()&fs.ModeSticky == 0 {
		t.Errorf("snapshots has mode %v, %v; want it as /tmp", fi.Mode(), err)
	}
	elsewhere := t.TempDir()
	os.WriteFile(elsewhere+"/m@latest", []byte("v7"), 0o644)
	if err := os.Symlink(elsewhere, dir); err != nil {
		t.Fatal(err)
	}
	for _, ask := range []func() (*Pin, error){
		func() (*Pin, error) { return p.Pinned(bg, id, "m", Latest) },
		func() (*Pin, error) { return p.Pin(bg, id, "m", Latest, Target{Version: 1}) },
	} {
		if pin, err := ask(); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("through a link: %+v, %v", pin, err)
		}
	}
	if os.Getuid() != 0 {
		t.Skip("the rest needs two users")
	}
	os.Chmod(filepath.Dir(filepath.Dir(filepath.Dir(dir))), 0o755)
	for d := dir; len(d) > len(os.TempDir()); d = filepath.Dir(d) {
		os.Chmod(filepath.Dir(d), 0o755|os.ModeSticky|0o022)
	}
	p = openT(t, filepath.Dir(filepath.Dir(filepath.Dir(dir)))).Pins()
	d, err := OpenDir(filepath.Dir(filepath.Dir(filepath.Dir(dir))), &DirOptions{Local: store.NewLocal(&store.Options{AsCaller: true}), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	p = d.Pins()
	alice, bob := as(54001), as(54002)
	pin, err := p.Pin(alice, "54001.-.j", "m", Latest, Target{Version: 4})
	wantPin(t, "alice", pin, err, 4)
	if pin, err := p.Pinned(bob, "54001.-.j", "m", Latest); err == nil {
		t.Errorf("bob reads alice's pin: %+v", pin)
	}
	if err := p.Move(bob, "54001.-.j", "m", Latest, Target{Version: 9}, false); err == nil {
		t.Error("bob moves alice's pin")
	}
	if err := p.Unpin(bob, "54001.-.j", "", ""); err == nil {
		t.Error("bob removes alice's snapshot")
	}
	if ids, err := p.Snapshots(bob); err != nil || len(ids) != 0 {
		t.Errorf("bob sees %v, %v", ids, err)
	}
	if _, err := p.Pin(bob, "54001.-.k", "m", Latest, Target{Version: 9}); err == nil {
		t.Error("bob pins for alice")
	}
	if pin, err := p.Pinned(alice, "54001.-.k", "m", Latest); err == nil {
		t.Errorf("alice believes bob's pin: %+v", pin)
	}
	// In a directory of bob's, alice's pins would be his to take away.
	trap := filepath.Dir(dir) + "/54001.-.l"
	if err := errors.Join(os.Mkdir(trap, 0o777), os.Chmod(trap, 0o777), os.Chown(trap, 54002, -1)); err != nil {
		t.Fatal(err)
	}
	if pin, err := p.Pin(alice, "54001.-.l", "m", Latest, Target{Version: 4}); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("alice pins in bob's directory: %+v, %v", pin, err)
	}
	pin, err = p.Pinned(alice, "54001.-.j", "m", Latest)
	wantPin(t, "alice in the end", pin, err, 4)
}

func as(uid uint32) context.Context {
	return store.WithCaller(bg, store.Caller{UID: uid, GID: uid})
}

// A snapshot goes when nobody has used it for long; use counts from the last reading.
func TestPinsExpire(t *testing.T) {
	p, id, dir := testPins(t)
	base := filepath.Dir(dir)
	uid := strings.SplitN(id, ".", 2)[0]
	age := func(id string, made, read time.Duration) {
		path := base + "/" + id
		now := time.Now()
		os.Chtimes(path+"/m@latest", now.Add(-read), now.Add(-made))
		os.Chtimes(path, now.Add(-made), now.Add(-made))
	}
	for _, job := range []string{"old", "used", "young"} {
		if _, err := p.Pin(bg, uid+".-."+job, "m", Latest, Target{Version: 1}); err != nil {
			t.Fatal(err)
		}
	}
	age(uid+".-.old", pinAge+time.Hour, pinAge+time.Hour)
	age(uid+".-.used", pinAge+time.Hour, 3*pinTouch)
	age(uid+".-.young", pinAge-time.Hour, pinAge-time.Hour)
	p.last.Store(0)
	if _, err := p.Pin(bg, id, "m", Latest, Target{Version: 1}); err != nil {
		t.Fatal(err)
	}
	ids, err := p.Snapshots(bg)
	if want := []string{uid + ".-.used", uid + ".-.young", id}; err != nil || !slices.Equal(ids, want) {
		t.Errorf("left are %v, %v; want %v", ids, err, want)
	}
	pin, err := p.Pinned(bg, uid+".-.used", "m", Latest)
	wantPin(t, "used", pin, err, 1)
	if again, err := p.Pinned(bg, uid+".-.used", "m", Latest); err != nil || time.Since(again.Used) > time.Minute || !again.Since.Equal(pin.Since) {
		t.Errorf("after it was read: %+v, %v; want it used now, and since %v", again, err, pin.Since)
	}
}

func TestPinFiles(t *testing.T) {
	long := strings.Repeat(strings.Repeat("n", 200)+"/", 5) + "m"
	for _, tt := range []struct{ name, alias string }{
		{"m", Latest}, {"a/b/c", "prod"}, {"a@b%2F", "x@y"}, {"with space\n", "é"}, {"a", strings.Repeat("é", 100)}, {long, Latest},
	} {
		file, text := pinFile(tt.name, tt.alias)
		name, alias, v, ok := parsePin(file, []byte("manifest:v12"+text))
		if len(file) > 255 || strings.ContainsAny(file, "/\n\x00 ") || file[0] == '.' || !ok || name != tt.name || alias != tt.alias || v != (Target{12, ByManifest}) {
			t.Errorf("%q %q: %q, then %q %q %v %v", tt.name, tt.alias, file, name, alias, v, ok)
		}
	}
}

func FuzzPin(f *testing.F) {
	f.Add("m@latest", []byte("v2"))
	f.Add("m@latest", []byte("wandb:v0"))
	f.Add("%00", []byte("v2\na%2Fb@prod"))
	f.Fuzz(func(t *testing.T, file string, text []byte) {
		name, alias, v, ok := parsePin(file, text)
		if !ok {
			return
		}
		again, more := pinFile(name, alias)
		if n, a, w, ok := parsePin(again, []byte(v.String()+more)); !ok || n != name || a != alias || w != v {
			t.Errorf("%q %q: %q %q %v, and again %q %q %v %v", file, text, name, alias, v, n, a, w, ok)
		}
	})
}
