package manifest_test

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"artifactfs.dev/artifactfs/internal/store"
	"artifactfs.dev/artifactfs/manifest"
)

const (
	alice = 12001
	bob   = 12002
)

// shared returns a store as a shared mount opens it, in a directory that every
// user can reach, with the mode of the root.
func shared(t *testing.T, mode fs.FileMode) (*manifest.Dir, string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("takes root to act as other users")
	}
	base, err := os.MkdirTemp("", "shared")
	ok(t, err)
	t.Cleanup(func() { os.RemoveAll(base) })
	root := filepath.Join(base, "root")
	ok2(t, os.Chmod(base, 0o755), os.Mkdir(root, 0o755), os.Chmod(root, mode))
	return open(t, root, sharedOptions()), root
}

func sharedOptions() *manifest.DirOptions {
	return &manifest.DirOptions{
		Local: store.NewLocal(&store.Options{AsCaller: true}),
		TTL:   100 * time.Millisecond,
		Log:   slog.New(slog.DiscardHandler),
	}
}

func user(uid uint32) context.Context {
	return store.WithCaller(context.Background(), store.Caller{UID: uid, GID: uid})
}

func versionOf(path string) *manifest.Draft {
	return &manifest.Draft{Manifest: manifest.Manifest{Path: path}, Metadata: manifest.Object{}}
}

// A log needs the writer's own permission; refused, it leaves nothing.
func TestCallerMayNotWrite(t *testing.T) {
	d, root := shared(t, 0o755)
	v, err := d.Publish(user(alice), "m", versionOf("/d"))
	if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "uid 12001") || !strings.Contains(err.Error(), root) {
		t.Errorf("Publish = v%d, %v; want who may not write where", v, err)
	}
	if left, _ := os.ReadDir(root); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	_, err = d.Publish(context.Background(), "m", versionOf("/d"))
	ok(t, err)
	for what, err := range map[string]error{
		"Publish":  second(d.Publish(user(alice), "m", versionOf("/d"))),
		"Claim":    d.Claim(user(alice), "m", 2),
		"SetAlias": d.SetAlias(user(alice), "m", "prod", 1),
		"Retire":   d.Retire(user(alice), "m", 1, "", false),
		"Advance":  d.Advance(user(alice), "m", 1), // changes nothing, needs nothing
	} {
		if what == "Advance" != (err == nil) || err != nil && !errors.Is(err, fs.ErrPermission) {
			t.Errorf("%s by a user without rights: %v", what, err)
		}
	}
	if l, err := d.Versions(user(alice), "m"); err != nil || l.Latest != 1 || len(l.Claimed) != 1 || len(l.Retired) > 0 {
		t.Errorf("Versions = %+v, %v; want v1 alone", l, err)
	}
}

// Where all may write, files are their writer's, with the modes of upstream's.
func TestCallerWrites(t *testing.T) {
	d, root := shared(t, 0o777|fs.ModeSticky)
	umask := syscall.Umask(0o022)
	defer syscall.Umask(umask)
	for i, uid := range []uint32{alice, bob} {
		name := []string{"embed/a", "embed/b"}[i]
		if i == 1 {
			ok(t, os.Chmod(root+"/embed", 0o777))
		}
		dr := versionOf("/d")
		dr.RequestID = "r"
		for range 2 {
			v, err := d.Publish(user(uid), name, dr)
			if err != nil || v != 1 {
				t.Fatalf("Publish = v%d, %v", v, err)
			}
		}
		for path, mode := range map[string]fs.FileMode{
			name: 0o755 | fs.ModeDir, name + "/v1": 0o755 | fs.ModeDir, name + "/v1/manifest.json": 0o644,
			name + "/latest": 0o644, ".artifactfs/log/" + name + "/v1.json": 0o644,
		} {
			fi, err := os.Lstat(root + "/" + path)
			ok(t, err)
			if owner := fi.Sys().(*syscall.Stat_t).Uid; owner != uid || fi.Mode() != mode {
				t.Errorf("%s is uid %d's, %v; want uid %d, %v", path, owner, fi.Mode(), uid, mode)
			}
		}
	}
	// The other's request_id is no answer of mine, in a file that I cannot read.
	dr := versionOf("/other")
	dr.RequestID = "r"
	if _, err := d.Publish(user(bob), "embed/a", dr); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("bob's log to alice's directory: %v", err)
	}
}

// An .artifactfs that a writer cannot write is no reason to refuse a log.
func TestCallerWithoutSidecar(t *testing.T) {
	d, root := shared(t, 0o777)
	ok2(t, os.Mkdir(root+"/.artifactfs", 0o755), os.Mkdir(root+"/.artifactfs/log", 0o700))
	dr := versionOf("/d")
	dr.RequestID = "r"
	for want := 1; want <= 2; want++ {
		v, err := d.Publish(user(alice), "m", dr)
		if err != nil || v != want {
			t.Fatalf("Publish = v%d, %v; want v%d", v, err, want)
		}
	}
	// A link in its place is not followed either.
	ok2(t, os.RemoveAll(root+"/.artifactfs"), os.Mkdir(root+"/elsewhere", 0o777), os.Symlink("elsewhere", root+"/.artifactfs"))
	_, err := d.Publish(user(alice), "m", versionOf("/d"))
	ok(t, err)
	if list, _ := os.ReadDir(root + "/elsewhere"); len(list) > 0 {
		t.Errorf("written through a link: %v", list)
	}
}

// What a caller may not read is not answered from what others have read.
func TestCallerMayNotRead(t *testing.T) {
	d, root := shared(t, 0o777)
	for range 3 {
		_, err := d.Publish(user(alice), "m", versionOf("/d"))
		ok(t, err)
	}
	read := func(uid uint32, v int) error { return second(d.Manifest(user(uid), "m", v)) }
	list := func(uid uint32) (*manifest.Listing, error) { return d.Versions(user(uid), "m") }
	ok2(t, read(alice, 2), second(list(alice)), read(bob, 2), second(list(bob)))

	ok(t, os.Chmod(root+"/m/v2/manifest.json", 0o600))
	if err := read(alice, 2); err != nil {
		t.Errorf("the owner's read: %v", err)
	}
	if err := read(bob, 2); !errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a read without the right: %v; want permission denied", err)
	}
	ok(t, os.Chmod(root+"/m/v3", 0o700))
	if l, err := list(bob); err != nil || l.Latest != 3 {
		t.Errorf("latest for who may not read it = %+v, %v; want v3, not another version's data", l, err)
	}
	if err := read(bob, 3); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("reading it: %v; want permission denied", err)
	}
	// Whoever lists first: bob cannot tell whether v3 is complete, alice can.
	for _, d := range []*manifest.Dir{open(t, root, sharedOptions())} {
		l, err := d.Versions(user(bob), "m")
		if err != nil || l.Latest != 3 {
			t.Errorf("listed by bob first: %+v, %v; want latest v3", l, err)
		}
		if l, err = d.Versions(user(alice), "m"); err != nil || !slices.Equal(l.Versions, []int{1, 2, 3}) {
			t.Errorf("then by alice: %+v, %v; want all", l, err)
		}
	}

	ok(t, os.Chmod(root+"/m", 0o700))
	if _, err := list(bob); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("listing without the right: %v; want permission denied", err)
	}
	if err := read(bob, 1); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("reading below a closed directory: %v; want permission denied", err)
	}
	ok2(t, second(list(alice)), read(alice, 1))

	ok(t, os.Chmod(root, 0o700))
	for _, name := range []string{"m", "none"} {
		if _, err := d.Versions(user(bob), name); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("Versions(%s) below a closed root: %v; want permission denied", name, err)
		}
	}
	if _, err := d.Names(user(bob), ""); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("Names of a closed root: %v; want permission denied", err)
	}
	if since, err := d.Degraded(); err != nil {
		t.Errorf("a refusal counts as a failure of the store: since %v, %v", since, err)
	}
	ok(t, os.Chmod(root, 0o777))
	ok(t, second(d.Names(user(bob), "")))
}

// While the store is gone, the last answer is for whom it was given to.
func TestCallerLastAnswer(t *testing.T) {
	d, root := shared(t, 0o777)
	_, err := d.Publish(user(alice), "m", versionOf("/d"))
	ok(t, err)
	ok2(t, second(d.Versions(user(alice), "m")), second(d.Manifest(user(alice), "m", 1)))
	ok(t, os.Rename(root, root+".gone"))
	time.Sleep(150 * time.Millisecond)
	l, err := d.Versions(user(alice), "m")
	if err != nil || l.Latest != 1 || !strings.Contains(l.Warning, "last known") {
		t.Errorf("alice's last answer: %+v, %v", l, err)
	}
	if _, err := d.Versions(user(bob), "m"); !errors.Is(err, syscall.EIO) {
		t.Errorf("bob was never answered, and gets %v; want EIO", err)
	}
	if _, err := d.Manifest(user(bob), "m", 1); !errors.Is(err, syscall.EIO) {
		t.Errorf("bob never read it, and gets %v; want EIO", err)
	}
	if since, err := d.Degraded(); err == nil || since.IsZero() {
		t.Errorf("Degraded = %v, %v; want when and why", since, err)
	}
}

// It stays theirs when somebody else has asked since, and was told the same.
func TestCallerLastNames(t *testing.T) {
	d, root := shared(t, 0o777)
	_, err := d.Publish(user(alice), "m", versionOf("/d"))
	ok(t, err)
	ok(t, second(d.Names(user(alice), "")))
	time.Sleep(150 * time.Millisecond)
	ok(t, second(d.Names(user(bob), "")))
	ok(t, os.Rename(root, root+".gone"))
	time.Sleep(150 * time.Millisecond)
	for _, who := range []uint32{alice, bob} {
		if names, err := d.Names(user(who), ""); err != nil || !slices.Equal(names, []string{"m"}) {
			t.Errorf("uid %d: Names = %q, %v; want the last answer", who, names, err)
		}
	}
	if _, err := d.Names(user(1234), ""); !errors.Is(err, syscall.EIO) {
		t.Errorf("a third, who never asked, gets %v; want EIO", err)
	}
}

// Who can write beside the artifact cannot hide its versions.
func TestCallerCannotRetireOthers(t *testing.T) {
	d, root := shared(t, 0o755)
	_, err := d.Publish(context.Background(), "m", versionOf("/d"))
	ok(t, err)
	for _, dir := range []string{"retired", "retired/m"} {
		err := os.Mkdir(root+"/.artifactfs/"+dir, 0o755)
		if err != nil && !errors.Is(err, fs.ErrExist) {
			t.Fatal(err)
		}
	}
	ok(t, d.Retire(context.Background(), "m", 1, "", false))
	for _, dir := range []string{".artifactfs", ".artifactfs/retired", ".artifactfs/retired/m"} {
		if fi, err := os.Stat(root + "/" + dir); err != nil || fi.Mode().Perm()&0o022 != 0 {
			t.Errorf("%s: %v, %v; want nobody else to write it", dir, fi.Mode(), err)
		}
	}
	for _, dir := range []string{"log", "requests", "locks"} {
		if fi, err := os.Stat(root + "/.artifactfs/" + dir); err != nil || fi.Mode() != fs.ModeDir|fs.ModeSticky|0o777 {
			t.Errorf(".artifactfs/%s: %v, %v; want everybody to add to it", dir, fi.Mode(), err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// A latest that the caller may not read is none, even where there is a v0: that
// nothing was shown yet is not that v0 was.
func TestHiddenLatestZero(t *testing.T) {
	d, root := shared(t, 0o755)
	ok2(t, d.Claim(context.Background(), "m", 0), d.Put(context.Background(), "m", 0, "manifest.json", []byte(`{"path": "/d"}`)),
		d.Advance(context.Background(), "m", 0), os.Chmod(root+"/m/latest", 0o600))
	if l, err := open(t, root, sharedOptions()).Versions(user(alice), "m"); err != nil || l.Latest != manifest.NoVersion {
		t.Errorf("Versions = %+v, %v; want no latest", l, err)
	}
}
