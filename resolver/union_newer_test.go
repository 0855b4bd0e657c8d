package resolver

import (
	"testing"
	"time"

	"artifactfs.dev/artifactfs/manifest"
	"artifactfs.dev/artifactfs/wandb"
)

// What another process has logged to both is seen at once, although W&B's listing is
// good for a while yet; a version that W&B has deleted is asked after once.
func TestUnionNewer(t *testing.T) {
	t.Parallel()
	b := newBoth(t)
	b.fill()
	c, err := wandb.NewClient(wandb.Config{BaseURL: b.srv.URL, Key: wandb.Key(b.srv.Key), Entity: "team"})
	ok(t, err)
	u, err := NewUnion(b.dir, wandb.NewSource(c, &wandb.SourceOptions{TTL: time.Hour, Dir: t.TempDir()}), manifest.ByWandB)
	ok(t, err)
	latest := func() int {
		t.Helper()
		l, err := u.Versions(ctx, "both")
		ok(t, err)
		return l.Latest
	}
	if got := latest(); got != 2 {
		t.Fatalf("latest is v%d, want v2", got)
	}
	b.log("both", "one")
	b.pushed("both", 4)
	if got := latest(); got != 3 {
		t.Errorf("once the book has v3, latest is v%d", got)
	}
	ok(t, b.dir.NoteWandB(ctx, "both", manifest.WandB{Version: 9, Manifest: 1, Artifact: "team/nemotron/both", ID: "gone"}))
	n := b.srv.Requests("ListVersions")
	for range 5 {
		if got := latest(); got != 3 {
			t.Errorf("with a version that W&B does not have, latest is v%d", got)
		}
	}
	if asked := b.srv.Requests("ListVersions") - n; asked != 1 {
		t.Errorf("W&B was asked %d times after a version that it does not have", asked)
	}
}
