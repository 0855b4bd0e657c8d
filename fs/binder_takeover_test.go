//go:build linux

package fs

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"artifactfs.dev/artifactfs/manifest"
	"artifactfs.dev/artifactfs/nodes"
	"artifactfs.dev/artifactfs/resolver"
)

// unsteady is a store that does not answer while it hangs.
type unsteady struct {
	*manifest.Dir
	hang  chan bool // closed: from now on
	again chan bool // closed: no longer
	asked chan bool // somebody waits
}

func (u unsteady) Versions(ctx context.Context, name string) (*manifest.Listing, error) {
	select {
	case <-u.hang:
		select {
		case u.asked <- true:
		default:
		}
		<-u.again
	default:
	}
	return u.Dir.Versions(ctx, name)
}

// binding returns a binder over a store of versions v1, and a directory that stands for its mount.
func binding(t *testing.T, names ...string) (b *binder, src unsteady, mnt string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("binding needs root")
	}
	base, err := os.MkdirTemp("/tmp", "binder") // all may search it
	if err == nil {
		err = os.Chmod(base, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	mnt = base + "/mnt"
	t.Cleanup(func() {
		for _, name := range names {
			unix.Unmount(mnt+"/"+name+"/v1", unix.MNT_DETACH)
		}
		os.RemoveAll(base)
	})
	for _, name := range names {
		record := fmt.Sprintf(`{"type": "Artifact", "path": %q}`, base+"/data/"+name)
		for _, err := range []error{
			os.MkdirAll(base+"/data/"+name, 0o755), os.MkdirAll(mnt+"/"+name+"/v1", 0o755), os.MkdirAll(base+"/store/"+name+"/v1", 0o755),
			os.WriteFile(base+"/store/"+name+"/v1/manifest.json", []byte(record), 0o644),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	dir, err := manifest.OpenDir(base+"/store", nil)
	if err != nil {
		t.Fatal(err)
	}
	src = unsteady{dir, make(chan bool), make(chan bool), make(chan bool, 1)}
	tree := resolver.New(src, nil)
	b = newBinder(mnt, tree, &nodes.Own{}, len(names), slog.Default())
	_, b.lanes, b.pins = nodes.New(tree, nil)
	var st unix.Stat_t
	if err := unix.Stat(mnt, &st); err != nil {
		t.Fatal(err)
	}
	b.dev = st.Dev
	return b, src, mnt
}

// What is slow is taken over all the same, if it goes on: only what hangs is left. Here each answer comes when it is waited for, and
// then time is up.
func TestTakeOverSlowly(t *testing.T) {
	names := []string{"one", "two", "three", "hangs"}
	b, _, mnt := binding(t, names...)
	defer b.close()
	turns := make(map[string]chan bool)
	for _, name := range names {
		turns[name] = make(chan bool)
	}
	defer close(turns["hangs"])
	b.source = func(bd *resolver.Binding) (int, error) {
		<-turns[bd.Name]
		return sourceOf(bd)
	}
	waits := 0
	b.after = func(d time.Duration) <-chan time.Time {
		up := make(chan time.Time)
		if name := names[waits]; name != "hangs" {
			close(turns[name])
		} else {
			close(up)
		}
		waits++
		return up
	}
	root, err := unix.Open(mnt, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(root)
	left, refused := b.takeOver(root, []string{"one/v1", "two/v1", "three/v1", "hangs/v1"}, true)
	if !slices.Equal(left, []string{"hangs/v1"}) || refused {
		t.Errorf("left %q, refused %v; want what hangs", left, refused)
	}
	there, err := b.mounted()
	if err != nil || !there[mnt+"/one/v1"] || !there[mnt+"/two/v1"] || !there[mnt+"/three/v1"] {
		t.Errorf("mounted are %v, %v", there, err)
	}
}

// What was left is bound once it answers, without anybody asking for it.
func TestBoundLater(t *testing.T) {
	b, _, mnt := binding(t, "one")
	defer b.close()
	b.later([]string{"one/v1"})
	for end := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		there, err := b.mounted()
		if err == nil && there[mnt+"/one/v1"] {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("mounted are %v, %v", there, err)
		}
	}
}

// A store that does not answer while names are pinned keeps nobody from unmounting, and nothing from being bound.
func TestPinWhileStoreHangs(t *testing.T) {
	b, src, mnt := binding(t, "one", "two")
	defer b.close()
	if err := b.bind(t.Context(), version{"two", 1}); err != nil {
		t.Fatal(err)
	}
	b.source = func(bd *resolver.Binding) (int, error) {
		close(src.hang)
		return sourceOf(bd)
	}
	bound := make(chan error, 1)
	go func() { bound <- b.bind(context.Background(), version{"one", 1}) }()
	<-src.asked
	released := make(chan error, 1)
	go func() { released <- b.release() }()
	select {
	case err := <-released:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(time.Minute):
		t.Error("release waits for the store")
	}
	close(src.again)
	if err := <-bound; err != nil {
		t.Errorf("bind: %v", err)
	}
	if there, err := b.mounted(); err != nil || !there[mnt+"/one/v1"] || there[mnt+"/two/v1"] {
		t.Errorf("mounted are %v, %v", there, err)
	}
}
