//go:build linux

package nodes

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"artifactfs.dev/artifactfs/manifest"
	"artifactfs.dev/artifactfs/resolver"
)

// A version is in use while a thread waits for an answer there, and for a while after, unless that has ended.
func TestInUse(t *testing.T) {
	ended := exec.Command("true")
	if err := ended.Run(); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		l, k, me := &Lanes{}, versionKey{"m", 1}, uint32(os.Getpid())
		want := func(when string, use bool) {
			t.Helper()
			if got := l.InUse("m", 1); got != use {
				t.Errorf("%s: in use %v, want %v", when, got, use)
			}
		}
		want("at first", false)
		l.used(k, me, time.Time{})
		time.Sleep(time.Hour)
		want("while somebody waits", true)
		l.used(k, me, time.Now())
		time.Sleep(calm - 1)
		want("soon after the answer", true)
		time.Sleep(time.Nanosecond)
		want("a while after the answer", false)
		l.used(k, uint32(ended.Process.Pid), time.Now())
		want("by whoever has ended", false)
		l.used(k, 0, time.Now())
		want("by whoever is not seen", true)
		time.Sleep(calm)
		want("a while after that", false)
		for i := range 2 * maxUsers {
			l.used(k, uint32(1<<30+i), time.Time{})
		}
		if n := len(l.versions[k].users); n != maxUsers {
			t.Errorf("%d users are remembered, want %d", n, maxUsers)
		}
		l.Bound("m", 1, "")
		l.used(k, me, time.Now())
		want("once it is bound", false)
	})
}

// Each request by which a program may begin something is noted.
func TestRequestsAreUse(t *testing.T) {
	base := t.TempDir()
	record := fmt.Sprintf(`{"type": "Artifact", "path": %q}`, base+"/data")
	for _, err := range []error{
		os.Mkdir(base+"/data", 0o755), os.WriteFile(base+"/data/f", nil, 0o644), os.MkdirAll(base+"/store/m/v1", 0o755),
		os.WriteFile(filepath.Join(base, "store/m/v1/manifest.json"), []byte(record), 0o644),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	dir, err := manifest.OpenDir(base+"/store", nil)
	if err != nil {
		t.Fatal(err)
	}
	node, lanes, _ := New(resolver.New(dir, nil), &Options{Opened: func(context.Context, string, int) {}})
	raw := fusefs.NewNodeFS(node, &fusefs.Options{})
	caller := fuse.Caller{Pid: 1}
	find := func(dir uint64, name string) uint64 {
		var out fuse.EntryOut
		if st := raw.Lookup(nil, &fuse.InHeader{NodeId: dir, Caller: caller}, name, &out); st != fuse.OK {
			t.Fatalf("%s: %v", name, st)
		}
		return out.NodeId
	}
	v1 := find(find(fuse.FUSE_ROOT_ID, "m"), "v1")
	file := find(v1, "f")
	at := func(id uint64) fuse.InHeader { return fuse.InHeader{NodeId: id, Caller: caller} }
	for what, ask := range map[string]func() fuse.Status{
		"lookup":                func() fuse.Status { find(v1, "f"); return fuse.OK },
		"stat":                  func() fuse.Status { return raw.GetAttr(nil, &fuse.GetAttrIn{InHeader: at(v1)}, &fuse.AttrOut{}) },
		"stat of a file":        func() fuse.Status { return raw.GetAttr(nil, &fuse.GetAttrIn{InHeader: at(file)}, &fuse.AttrOut{}) },
		"chdir":                 func() fuse.Status { return raw.Access(nil, &fuse.AccessIn{InHeader: at(v1), Mask: 1}) },
		"opendir":               func() fuse.Status { return raw.OpenDir(nil, &fuse.OpenIn{InHeader: at(v1)}, &fuse.OpenOut{}) },
		"open":                  func() fuse.Status { return raw.Open(nil, &fuse.OpenIn{InHeader: at(file)}, &fuse.OpenOut{}) },
		"lookup of what is not": func() fuse.Status { raw.Lookup(nil, ptr(at(v1)), "none", &fuse.EntryOut{}); return fuse.OK },
	} {
		lanes.versions = nil
		if st := ask(); st != fuse.OK {
			t.Errorf("%s: %v", what, st)
		}
		if v := lanes.versions[versionKey{"m", 1}]; v == nil || v.users[1].IsZero() {
			t.Errorf("%s is not noted: %+v", what, v)
		}
	}
}

func ptr[T any](v T) *T { return &v }
