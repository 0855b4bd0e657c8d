package resolver

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"testing"

	"artifactfs.dev/artifactfs/manifest"
)

// steps is a Pusher that notes what it is told, and what the store had by then.
type steps struct {
	s    *site
	seen []string
	err  error

	drafts []*manifest.Draft // pushed
}

func (p *steps) note(what, name string) {
	l, err := p.s.dir.Versions(ctx, name)
	if err == nil && len(l.Versions) > 0 {
		what += " with a version"
	}
	p.seen = append(p.seen, what)
}

func (p *steps) Intend(_ context.Context, name string, _ *manifest.Draft) (func(), error) {
	p.note("intend", name)
	return func() { p.note("drop", name) }, nil
}

func (p *steps) Push(_ context.Context, name string, version int, d *manifest.Draft) (*manifest.Push, error) {
	p.note("push", name)
	p.drafts = append(p.drafts, d)
	return &manifest.Push{ID: "x", State: manifest.PushQueued}, p.err
}

func (p *steps) Pushed(context.Context, string) (*manifest.Push, error) { return nil, fs.ErrNotExist }

// A log that W&B is to have too is noted before it has a number, and until it is
// pushed or will not be.
func TestIntend(t *testing.T) {
	for _, tt := range []struct {
		what string
		err  error
		want []string
	}{
		{"logged", nil, []string{"intend", "push with a version", "drop with a version"}},
		{"not pushed", errors.New("the disk is full"), []string{"intend", "push with a version", "drop with a version"}},
		{"not logged", nil, []string{"intend", "drop"}},
	} {
		p := &steps{err: tt.err}
		p.s = newSite(t, &Options{Pusher: p})
		p.s.file("d/x", "x")
		if tt.what == "not logged" {
			ok(t, os.WriteFile(p.s.root+"/data", nil, 0o600))
		}
		r, err := manifest.NewRequest(p.s.data + "/d")
		ok(t, err)
		res, err := p.s.Log(ctx, "data", r, LogOptions{})
		if (err != nil) != (tt.what == "not logged") || err == nil && (res.Warning != "") != (tt.err != nil) {
			t.Errorf("%s: %+v %v", tt.what, res, err)
		}
		if !slices.Equal(p.seen, tt.want) {
			t.Errorf("%s: %q, want %q", tt.what, p.seen, tt.want)
		}
	}
}

// A request that is answered with an earlier one's version has that one pushed.
func TestPushOfAnswered(t *testing.T) {
	p := &steps{}
	p.s = newSite(t, &Options{Pusher: p})
	p.s.file("d/x", "x")
	for range 2 {
		if n := p.s.log("data", `{"path": "DATA/d", "request_id": "r"}`); n != 1 {
			t.Fatalf("logged as v%d", n)
		}
	}
	rec, err := p.s.dir.Manifest(ctx, "data", 1)
	ok(t, err)
	for i, d := range p.drafts {
		if string(d.MetadataBytes()) != string(rec.RawMeta) {
			t.Errorf("push %d: %s\nwant %s", i, d.MetadataBytes(), rec.RawMeta)
		}
	}
	if len(p.drafts) != 2 {
		t.Errorf("%d pushes", len(p.drafts))
	}
}
