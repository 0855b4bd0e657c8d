package manifest_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"artifactfs.dev/artifactfs/internal/store/bucket"
	"artifactfs.dev/artifactfs/manifest"
	"artifactfs.dev/artifactfs/resolver"
)

var (
	_ resolver.UseKeeper = (*manifest.Dir)(nil)
	_ resolver.UseKeeper = (*manifest.Catalog)(nil)
)

// everyUsed is all that a store keeps, one after the other.
func everyUsed(t *testing.T, k resolver.UseKeeper) string {
	t.Helper()
	var list []string
	ok(t, k.EachUsed(context.Background(), func(name string, v int) { list = append(list, fmt.Sprintf("%s:v%d", name, v)) }))
	slices.Sort(list)
	return strings.Join(list, " ")
}

func keptUsed(t *testing.T, k resolver.UseKeeper, name string, v int) string {
	t.Helper()
	refs, err := k.KeptUsed(context.Background(), name, v)
	ok(t, err)
	return strings.Join(refs, " ")
}

func testKeepUsed(t *testing.T, k interface {
	resolver.UseKeeper
	resolver.Claimer
}) {
	ctx := context.Background()
	if got := everyUsed(t, k); got != "" {
		t.Errorf("an empty store keeps %q", got)
	}
	for _, name := range []string{"m", "a/b"} {
		ok2(t, k.Claim(ctx, name, 1), k.Claim(ctx, name, 2), k.KeepUsed(ctx, name, 2, []string{"x:v1"}), k.KeepUsed(ctx, name, 2, []string{"x:v1", "e/p/y:v3"}))
	}
	if got := keptUsed(t, k, "a/b", 2) + "," + keptUsed(t, k, "a/b", 1) + "," + keptUsed(t, k, "none", 1); got != "x:v1 e/p/y:v3,," {
		t.Errorf("kept: %q", got)
	}
	if got := everyUsed(t, k); got != "a/b:v2 m:v2" {
		t.Errorf("all that is kept: %q", got)
	}
}

func TestKeepUsed(t *testing.T) {
	eachBucket(t, func(t *testing.T, b *bucket.Bucket) {
		testKeepUsed(t, manifest.NewCatalog(b, nil))
		ok(t, b.Write(t.Context(), ".artifactfs/used/m/v1.json", []byte("[]")))
		if got := keptUsed(t, manifest.NewCatalog(b, nil), "m", 1); got != "" {
			t.Errorf("of what is no account: %q", got)
		}
	})
	root := t.TempDir()
	d := open(t, root, &manifest.DirOptions{Log: slog.New(slog.DiscardHandler)})
	testKeepUsed(t, d)
	if err := d.KeepUsed(context.Background(), "m", 9, nil); err == nil {
		t.Error("kept of a number that nobody has taken")
	}
	// What is no account says nothing, and stops nobody.
	used := root + "/.artifactfs/used/"
	ok2(t, syscall.Mkfifo(used+"m/v1.json", 0o644), os.Symlink(root, used+"loop"), os.WriteFile(used+"m/v7.json", []byte("{"), 0o644))
	ok2(t, os.MkdirAll(used+"a/b/.hidden", 0o755), os.WriteFile(used+"v1.json", nil, 0o644), os.WriteFile(used+"a/b/v1.json", []byte(`["x:v1"]`), 0o644))
	if got := everyUsed(t, d); got != "a/b:v1 a/b:v2 m:v2 m:v7" {
		t.Errorf("all that is kept: %q", got)
	}
	if got := keptUsed(t, d, "m", 1) + keptUsed(t, d, "m", 7) + keptUsed(t, d, "a/b", 1); got != "" {
		t.Errorf("of what is no account: %q", got)
	}
}

// Everybody may add to the directory: what was not kept by who made the version, or by
// root, is not believed.
func TestKeptByAStranger(t *testing.T) {
	d, root := shared(t, 0o1777)
	ok2(t, d.Claim(user(alice), "m", 1), d.Claim(user(alice), "m", 2), d.KeepUsed(user(alice), "m", 1, []string{"x:v1"}))
	ok(t, d.KeepUsed(user(bob), "m", 2, []string{"evil:v1"}))
	if got := keptUsed(t, d, "m", 1); got != "x:v1" {
		t.Errorf("of alice's: %q", got)
	}
	if got := keptUsed(t, d, "m", 2); got != "" {
		t.Errorf("of bob's about alice's: %q", got)
	}
	// What is not for the caller is as if it were not there.
	ok2(t, os.Chmod(root+"/.artifactfs/used/m/v1.json", 0o600), os.Chmod(root+"/.artifactfs/used/m", 0o711))
	if refs, err := d.KeptUsed(user(bob), "m", 1); len(refs) > 0 || err != nil {
		t.Errorf("read by bob: %q, %v", refs, err)
	}
	ok(t, d.EachUsed(user(bob), func(name string, v int) { t.Errorf("bob sees %s:v%d", name, v) }))
}
