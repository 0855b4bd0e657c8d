package resolver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"artifactfs.dev/artifactfs/manifest"
)

type jobKey struct{}

// inJob returns a context of a job of the user who runs the tests.
func inJob(name string) context.Context {
	return context.WithValue(ctx, jobKey{}, fmt.Sprintf("%d.-.%s", os.Getuid(), name))
}

func testJob(ctx context.Context) (string, bool) {
	id, _ := ctx.Value(jobKey{}).(string)
	return id, id != "blind"
}

// pinSite is a site with five versions of m, whose clock stands until it is moved.
func pinSite(t *testing.T, places ...Pinner) (*site, *time.Time) {
	t.Helper()
	now := time.Now()
	s := newSite(t, &Options{Job: testJob, Now: func() time.Time { return now }})
	if places == nil {
		places = []Pinner{s.dir.Pins()}
	}
	s.Tree.opt.Pins = places
	s.file("d/x", "1")
	for range 5 {
		s.log("m", "d")
	}
	return s, &now
}

func (s *site) linkAs(ctx context.Context, path string) string {
	s.Helper()
	target, err := s.walkAs(ctx, path).Node.(Link).Readlink(ctx)
	if err != nil {
		return err.Error()
	}
	return target
}

func TestJobPins(t *testing.T) {
	s, now := pinSite(t)
	a, b := inJob("a"), inJob("b")
	s.want("first", s.linkAs(a, "m/latest"), "v5")
	s.log("m", "d")
	s.want("a", s.linkAs(a, "m/latest"), "v5")
	s.want("b", s.linkAs(b, "m/latest"), "v6")
	s.want("nobody", s.readlink("m/latest"), "v6")
	s.want("the store's own layout", s.read(".manifest/m/latest"), "v6")

	// Another node, which has nothing in memory.
	other := New(s.dir, &Options{Job: testJob, Pins: []Pinner{s.dir.Pins()}})
	v, err := other.Resolve(a, manifest.Ref{Name: "m", Version: "latest"})
	ok(t, err)
	s.want("on another node", v.String(), "m:v5")

	// Fields: two jobs in latest at one time are in two directories.
	ea, eb := s.walkAs(a, ".fields/m/latest"), s.walkAs(b, ".fields/m/latest")
	if ea.Key == eb.Key || ea.Valid != 0 {
		t.Errorf("fields of two jobs have the keys %q and %q, kept %v", ea.Key, eb.Key, ea.Valid)
	}
	// lstat: the length of the caller's own link, never kept.
	ok(t, s.dir.SetAlias(ctx, "m", "prod", 6))
	for range 4 {
		s.log("m", "d")
	}
	e := s.walkAs(a, "m/latest")
	mine, err := e.Node.(*aliasLink).Stat(a)
	ok(t, err)
	if mine.Attr.Size != 2 || s.walkAs(ctx, "m/latest").Attr.Size != 3 || mine.Valid != 0 {
		t.Errorf("size %d in the job, kept %v; %d outside", mine.Attr.Size, mine.Valid, s.walkAs(ctx, "m/latest").Attr.Size)
	}
	// Looking pins nothing; reading does. An alias that is gone goes on in its job.
	c := inJob("c")
	s.walkAs(c, "m/prod")
	ok(t, s.dir.SetAlias(ctx, "m", "prod", 2))
	s.want("prod", s.linkAs(c, "m/prod"), "v2")
	ok(t, s.dir.SetAlias(ctx, "m", "prod", 3))
	ok(t, s.dir.RemoveAlias(ctx, "m", "prod"))
	s.want("prod, removed", s.linkAs(c, "m/prod"), "v2")

	// What is unpinned by hand is resolved anew, within the second.
	ok(t, s.dir.Pins().Unpin(ctx, fmt.Sprintf("%d.-.a", os.Getuid()), "m", "latest"))
	s.want("at once", s.linkAs(a, "m/latest"), "v5")
	*now = now.Add(2 * time.Second)
	s.want("later", s.linkAs(a, "m/latest"), "v10")
}

// A job reads what it wrote, by whatever door.
func TestOwnWrites(t *testing.T) {
	s, _ := pinSite(t)
	a, b := inJob("a"), inJob("b")
	s.want("a", s.linkAs(a, "m/latest"), "v5")
	s.want("b", s.linkAs(b, "m/latest"), "v5")
	req, err := manifest.FinishRequest([]byte(s.data + "/d"))
	ok(t, err)
	_, err = s.Tree.Log(a, "m", req, LogOptions{})
	ok(t, err)
	s.log("m", "d") // v7, nobody's
	s.want("a after its log", s.linkAs(a, "m/latest"), "v6")
	s.want("b", s.linkAs(b, "m/latest"), "v5")
	ok(t, s.Tree.point(b, "m", "latest", []byte("v7"), true)) // upstream's rename
	s.want("b after its own", s.linkAs(b, "m/latest"), "v7")
	ok(t, s.Tree.point(b, "m", "latest", []byte("v4"), true)) // was overtaken
	s.want("b is not moved back", s.linkAs(b, "m/latest"), "v7")

	_, err = s.Tree.Log(inJob("writer"), "m", req, LogOptions{})
	ok(t, err)
	s.log("m", "d")
	s.want("a job that has only logged", s.linkAs(inJob("writer"), "m/latest"), "v8")

	ok(t, s.Tree.Alias(ctx, manifest.Ref{Name: "m", Version: "v1"}, "prod"))
	s.want("prod", s.linkAs(a, "m/prod"), "v1")
	ok(t, s.Tree.Alias(a, manifest.Ref{Name: "m", Version: "v2"}, "prod"))
	s.want("prod, moved by its job", s.linkAs(a, "m/prod"), "v2")
}

func TestSnapshotView(t *testing.T) {
	s, _ := pinSite(t)
	s.log("embed/model", "d")
	a, b := inJob("a"), inJob("b")
	id := fmt.Sprintf("%d.-.a", os.Getuid())
	s.want("a", s.linkAs(a, "m/latest"), "v5")
	s.log("m", "d")
	s.wantLs(".snapshot", id+"/")
	s.wantLs(".snapshot/"+id, "embed/ m/")
	s.wantLs(".snapshot/"+id+"/m", "latest@ v1@ v2@ v3@ v4@ v5@ v6@")
	s.wantLs(".snapshot/"+id+"/embed", "model/")
	s.wantLs(".snapshot/"+id+"/embed/model", "v1@") // latest is not resolved
	s.want("latest", s.linkAs(b, ".snapshot/"+id+"/m/latest"), "v5")
	s.want("v1", s.readlink(".snapshot/"+id+"/embed/model/v1"), "../../../../embed/model/v1")
	s.want("data", s.read(".snapshot/"+id+"/m/latest/x"), "1")
	s.wantNone(".snapshot/"+id+"/embed/model/latest", fs.ErrNotExist, "has not resolved latest of embed/model")
	s.wantNone(".snapshot/"+id+"/m/v9", fs.ErrNotExist)
	s.wantNone(".snapshot/1.-.none", fs.ErrNotExist)
	s.want("by the job itself", s.linkAs(a, ".snapshot/"+id+"/embed/model/latest"), "v1")
	s.want("then by others", s.linkAs(b, ".snapshot/"+id+"/embed/model/latest"), "v1")
	ok(t, s.Tree.Alias(ctx, manifest.Ref{Name: "m", Version: "v2"}, "prod"))
	s.want("prod", s.linkAs(a, "m/prod"), "v2")
	ok(t, s.Tree.RemoveAlias(ctx, "m", "prod"))
	s.wantLs("m", "latest@ v1/ v2/ v3/ v4/ v5/ v6/")
	s.wantLs(".snapshot/"+id+"/m", "latest@ prod@ v1@ v2@ v3@ v4@ v5@ v6@") // as it was
	if strings.Contains(s.ls(""), "snapshot") {
		t.Error("the root lists .snapshot")
	}
}

// brokenPins is a place that always fails in one way.
type brokenPins struct {
	err   error
	calls int
}

func (p *brokenPins) Pinned(context.Context, string, string, string) (*manifest.Pin, error) {
	p.calls++
	return nil, p.err
}
func (p *brokenPins) Pin(context.Context, string, string, string, manifest.Target) (*manifest.Pin, error) {
	p.calls++
	return nil, p.err
}
func (p *brokenPins) Move(context.Context, string, string, string, manifest.Target, bool) error {
	p.calls++
	return p.err
}

// A place that refuses is passed over; the last is memory, where all ranks of a
// node agree, and the status says so.
func TestRefusedPins(t *testing.T) {
	refusing := &brokenPins{err: fmt.Errorf("mkdir: %w", fs.ErrPermission)}
	s, now := pinSite(t, refusing)
	a := inJob("a")
	var wg sync.WaitGroup
	got := make([]string, 16)
	for i := range got {
		wg.Go(func() { got[i], _ = (&aliasLink{s.Tree, "m", "latest"}).Readlink(a) })
		s.log("m", "d")
	}
	wg.Wait()
	for _, g := range got {
		s.want("a rank", g, got[0])
	}
	*now = now.Add(time.Hour)
	s.want("later", s.linkAs(a, "m/latest"), got[0])
	st := s.Tree.Snapshot(a)
	if st == nil || len(st.Pins) != 1 || st.Pins[0].Where != here || st.Pins[0].Newest != 21 || !strings.Contains(st.Refused, "permission denied") {
		t.Errorf("status %+v", st)
	}
	state := manifest.OpenPins(t.TempDir(), s.root, s.Tree.data, nil)
	s.Tree.opt.Pins = []Pinner{refusing, state}
	s.want("with state_root", s.linkAs(inJob("b"), "m/latest"), "v21")
	if p, err := state.Pinned(ctx, fmt.Sprintf("%d.-.b", os.Getuid()), "m", "latest"); err != nil || p.Version != 21 {
		t.Errorf("state_root has %+v, %v", p, err)
	}
}

// Where it is not known what a job has pinned, no other version is given.
func TestUnreachablePins(t *testing.T) {
	for _, err := range []error{syscall.EIO, os.ErrDeadlineExceeded, syscall.ESTALE} {
		s, now := pinSite(t)
		a := inJob("a")
		s.want("before", s.linkAs(a, "m/latest"), "v5")
		s.log("m", "d")
		*now = now.Add(time.Hour)
		s.Tree.opt.Pins = []Pinner{&brokenPins{err: err}}
		s.want("known", s.linkAs(a, "m/latest"), "v5")
		if v, got := (&aliasLink{s.Tree, "m", "latest"}).Readlink(inJob("b")); !errors.Is(got, err) {
			t.Errorf("%v: %s, %v", err, v, got)
		}
	}
}

// Outside a job nothing is asked; in one, only memory is, once it is known.
func TestPinCost(t *testing.T) {
	places := &brokenPins{err: fs.ErrNotExist}
	s, _ := pinSite(t, places)
	s.readlink("m/latest")
	if places.calls != 0 {
		t.Errorf("%d calls outside a job", places.calls)
	}
	counted := &countedPins{Pinner: s.dir.Pins()}
	s.Tree.opt.Pins = []Pinner{counted}
	for range 100 {
		s.want("in a job", s.linkAs(inJob("a"), "m/latest"), "v5")
	}
	if counted.calls != 1 {
		t.Errorf("looked for %d times in a second", counted.calls)
	}
	if s.Tree.Blind() {
		t.Error("blind")
	}
	s.linkAs(context.WithValue(ctx, jobKey{}, "blind"), "m/latest")
	if !s.Tree.Blind() {
		t.Error("a caller that cannot be seen is not noted")
	}
}

type countedPins struct {
	Pinner
	calls int
}

func (p *countedPins) Pinned(ctx context.Context, id, name, alias string) (*manifest.Pin, error) {
	p.calls++
	return p.Pinner.Pinned(ctx, id, name, alias)
}
