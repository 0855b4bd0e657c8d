package resolver

import (
	"testing"

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
