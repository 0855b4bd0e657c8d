package resolver

import (
	"context"
	"slices"
	"testing"
	"time"

	"artifactfs.dev/artifactfs/manifest"
)

// What is retired by W&B's number is hidden as by the store's own, and latest moves back,
// whether W&B answers or not; its number goes on leading to it.
func TestUnionRetired(t *testing.T) {
	t.Parallel()
	b := newBoth(t)
	b.fill()
	b.log("both", "two")
	b.pushed("both", 4) // W&B's v3
	s := b.mount("mw", "", nil)
	s.want("latest", s.readlink("both/latest"), "v3")
	retire := func(version string, undo bool) {
		t.Helper()
		_, err := s.Retire(ctx, manifest.Ref{Name: "both", Version: version}, "wrong", undo)
		ok(t, err)
	}
	retire("v3", false)
	retire("v0", false)
	fresh := func() *site { return b.mount("mw", "", nil) }
	s = fresh()
	s.wantLs("both", "latest@ prod@ v1/ v2/")
	s.want("latest, v3 retired", s.readlink("both/latest"), "v2")
	s.want("a retired version", s.read("both/v3/f"), "two")
	s.want("W&B's own view", s.readlink(".wandb/both/latest"), "v3")
	v, err := s.Resolve(ctx, manifest.Ref{Name: "both", Version: "v3"})
	ok(t, err)
	if len(v.Warnings) != 1 {
		t.Errorf("a retired version resolves with warnings %q", v.Warnings)
	}
	b.srv.Down()
	down := fresh()
	down.wantLs("both", "latest@ v1/")
	down.want("latest, W&B down", down.readlink("both/latest"), "../.manifest/both/v3/data")
	ok(t, b.srv.Up())
	s = fresh()
	retire("v3", true)
	s.want("latest, v3 back", fresh().readlink("both/latest"), "v3")
}

// countedBook has a thousand versions, W&B's vN being the store's vN+1, and counts what is read.
type countedBook struct {
	Book
	reads int
}

func (b *countedBook) WandBVersions(context.Context, string) (all []int, err error) {
	for n := range 1000 {
		all = append(all, n)
	}
	return all, nil
}

func (b *countedBook) FromWandB(_ context.Context, _ string, n int) (*manifest.WandB, error) {
	b.reads++
	return &manifest.WandB{Version: n, Manifest: n + 1}, nil
}

// Each number of W&B's costs a request in a bucket: a retired version is looked for where it is likely, and nothing is read twice.
func TestRetiredReads(t *testing.T) {
	b := &countedBook{}
	u := &Union{book: b}
	l := &manifest.Listing{Latest: 999}
	l.Versions, _ = b.WandBVersions(ctx, "")
	if got := u.hideRetired("a", l, []int{500}); !slices.Equal(got.Retired, []int{499}) || len(got.Versions) != 999 || b.reads != 1 {
		t.Errorf("%v is hidden after %d reads", got.Retired, b.reads)
	}
	for range 3 { // W&B has no such version
		u.hidden["a"].at = time.Time{}
		if got := u.hideRetired("a", l, []int{500, 3000}); !slices.Equal(got.Retired, []int{499}) || b.reads != 1000 {
			t.Errorf("%v is hidden after %d reads", got.Retired, b.reads)
		}
	}
}
