package resolver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"artifactfs.dev/artifactfs/manifest"
)

// usedBy logs a version as a job, and returns what it is recorded to have been made from.
func (s *site) usedBy(ctx context.Context, name, request string) string {
	s.Helper()
	req, err := manifest.FinishRequest([]byte(strings.ReplaceAll(request, "DATA", s.data)))
	ok(s.T, err)
	r, err := s.Tree.Log(ctx, name, req, LogOptions{})
	ok(s.T, err)
	rec, err := s.dir.Manifest(context.Background(), name, r.Version)
	ok(s.T, err)
	if !slices.Equal(rec.Manifest.UsedArtifacts, r.Used) {
		s.Errorf("recorded %q, answered %q", rec.Manifest.UsedArtifacts, r.Used)
	}
	return strings.Join(append(r.Used, r.Warning), " ")
}

func TestUses(t *testing.T) {
	s, _ := pinSite(t)
	s.log("other", "d")
	s.log("n/ested", "d")
	a, b := inJob("a"), inJob("b")

	s.want("nothing yet", s.usedBy(a, "out", `{"path": "DATA/d"}`), "")
	s.want("latest", s.linkAs(a, "m/latest"), "v5")
	s.Opened(a, "other", 1)
	s.Opened(a, "n/ested", 1)
	s.Opened(b, "m", 2)
	s.want("a", s.usedBy(a, "out", `{"path": "DATA/d"}`), "m:v5 n/ested:v1 other:v1 ")
	s.want("b", s.usedBy(b, "out", `{"path": "DATA/d"}`), "m:v2 ")
	s.want("nobody", s.usedBy(ctx, "out", `{"path": "DATA/d"}`), "")
	s.want("with what is said", s.usedBy(b, "out", `{"path": "DATA/d", "used_artifacts": ["x:v9", "m:v2"]}`), "x:v9 m:v2 ")

	// What the job logged moves its latest, and is not what it used. What it used
	// before stays used.
	s.want("own", s.usedBy(a, "m", `{"path": "DATA/d"}`), "m:v5 n/ested:v1 other:v1 ")
	s.want("latest is its own", s.linkAs(a, "m/latest"), "v6")
	s.want("which it has read now", s.usedBy(a, "out", `{"path": "DATA/d"}`), "m:v5 m:v6 n/ested:v1 other:v1 ")

	// Uses are no aliases.
	s.want(".snapshot", s.ls(".snapshot/"+mustID(a)+"/m"), "latest@ v1@ v2@ v3@ v4@ v5@ v6@")
	pins, err := s.pinsOf(ctx, mustID(a))
	ok(t, err)
	for _, p := range pins {
		if p.IsUse() {
			t.Errorf("%+v is taken for an alias", p)
		}
	}
	if got := s.Snapshot(a).Used; len(got) != 4 {
		t.Errorf("the snapshot says %q", got)
	}

	// Another node, or the daemon that comes after this one, knows them too.
	again := New(s.dir, &Options{Job: testJob, Pins: []Pinner{s.dir.Pins()}, Log: s.opt.Log})
	got, err := again.used(a)
	ok(t, err)
	s.want("elsewhere", strings.Join(got, " "), "m:v5 m:v6 n/ested:v1 other:v1")
}

func mustID(ctx context.Context) string { id, _ := testJob(ctx); return id }

func TestUsesWithoutPins(t *testing.T) {
	s, _ := pinSite(t)
	s.Tree.opt.NoPins = true
	a := inJob("a")
	s.want("latest", s.linkAs(a, "m/latest"), "v5")
	s.log("m", "d")
	s.want("moves", s.linkAs(a, "m/latest"), "v6")
	s.want("both are used", s.usedBy(a, "out", `{"path": "DATA/d"}`), "m:v5 m:v6 ")

	s, _ = pinSite(t)
	s.Tree.opt.NoUses = true
	s.want("latest", s.linkAs(a, "m/latest"), "v5")
	s.Opened(a, "m", 1)
	s.want("off", s.usedBy(a, "out", `{"path": "DATA/d"}`), "")
	if _, err := os.Stat(s.root + "/.artifactfs/snapshots/" + mustID(a) + "/m@v5"); err == nil {
		t.Error("a use is noted though lineage is off")
	}
}

type realPins = manifest.Pins // which has a method of that name

// slowPins answer when they are let.
type slowPins struct {
	*realPins
	gate chan struct{}
	err  error
}

func (p *slowPins) Pin(ctx context.Context, id, name, alias string, to manifest.Target) (*manifest.Pin, error) {
	select {
	case <-p.gate:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if p.err != nil {
		return nil, p.err
	}
	return p.realPins.Pin(ctx, id, name, alias, to)
}

// A place that hangs or refuses keeps no open from going on, and a log waits for it.
func TestUseWaits(t *testing.T) {
	s, _ := pinSite(t)
	slow := &slowPins{realPins: s.dir.Pins(), gate: make(chan struct{})}
	s.Tree.opt.Pins = []Pinner{slow}
	a := inJob("a")
	begin := time.Now()
	s.Opened(a, "m", 1)
	if took := time.Since(begin); took < useWait || took > useWait+20*time.Second {
		t.Errorf("the first open took %v", took)
	}
	took := time.Hour
	for try := 0; try < 5 && took > useWait/2; try++ { // of a busy machine
		begin = time.Now()
		s.Opened(a, "m", 1)
		took = time.Since(begin)
	}
	if took > useWait/2 {
		t.Errorf("an open after the first took %v", took)
	}
	time.AfterFunc(100*time.Millisecond, func() { close(slow.gate) })
	s.want("the log waits", s.usedBy(a, "out", `{"path": "DATA/d"}`), "m:v1 ")

	for _, err := range []error{syscall.EIO, syscall.EACCES} {
		slow.err = fmt.Errorf("pin: %w", err)
		job := inJob("refused-" + err.Error())
		s.Opened(job, "m", 2)
		s.want("on this node", s.usedBy(job, "out", `{"path": "DATA/d"}`), "m:v2 ")
	}
}

var errBroken = fmt.Errorf("pins: %w", syscall.EIO)

// brokenLister cannot be read.
type brokenLister struct{ Pinner }

func (brokenLister) Snapshots(context.Context) ([]string, error) { return nil, errBroken }
func (brokenLister) Pins(context.Context, string) ([]*manifest.Pin, error) {
	return nil, errBroken
}

// A version is logged whatever becomes of its history, and the answer says so.
func TestLogWithoutUses(t *testing.T) {
	s, _ := pinSite(t)
	s.Tree.opt.Pins = []Pinner{brokenLister{s.dir.Pins()}}
	got := s.usedBy(inJob("a"), "out", `{"path": "DATA/d", "used_artifacts": ["x:v1"]}`)
	if !strings.HasPrefix(got, "x:v1 used_artifacts may lack") || !strings.Contains(got, errors.Unwrap(errBroken).Error()) {
		t.Errorf("answer %q", got)
	}
}
