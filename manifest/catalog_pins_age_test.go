package manifest_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"artifactfs.dev/artifactfs/internal/store/bucket/buckettest"
	"artifactfs.dev/artifactfs/manifest"
)

// A snapshot in a bucket goes when nobody has used it for long. What is read is in use,
// which is noted once a day.
func TestCatalogPinsExpire(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a server")
	}
	s := buckettest.S3(t)
	b := openBucket(t, strings.Replace(s.URI, "?", "/root?", 1))
	open := func() *manifest.CatalogPins { return manifest.NewCatalog(b, nil).Pins() } // as another daemon
	dir, ctx := s.Dir+"/root/.artifactfs/snapshots/", t.Context()
	const day = 24 * time.Hour
	age := func(id string, by time.Duration) {
		t.Helper()
		files, err := filepath.Glob(dir + id + "*")
		inside, err2 := filepath.Glob(dir + id + "/*")
		if err != nil || err2 != nil || len(files)+len(inside) == 0 {
			t.Fatalf("nothing of %s to age", id)
		}
		for _, f := range append(files, inside...) {
			if err := os.Chtimes(f, time.Now().Add(-by), time.Now().Add(-by)); err != nil {
				t.Fatal(err)
			}
		}
	}
	pin := func(p *manifest.CatalogPins, id string) *manifest.Pin {
		t.Helper()
		got, err := p.Pin(ctx, id, "m", manifest.Latest, manifest.Target{Version: 1})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if err := b.Write(ctx, ".artifactfs/snapshots/.swept", nil); err != nil { // so that nobody looks yet
		t.Fatal(err)
	}
	for _, id := range []string{"7.-.old", "7.-.used", "7.-.young", "8.-.old"} {
		pin(open(), id)
	}
	age("7.-.young", 29*day)
	for _, id := range []string{"7.-.old", "7.-.used", "8.-.old"} {
		age(id, 31*day)
	}
	p := open()
	was, err := p.Pinned(ctx, "7.-.used", "m", manifest.Latest)
	if err != nil || time.Since(was.Used) > time.Hour || time.Since(was.Since) < 30*day {
		t.Fatalf("a pin that is read: %+v, %v; want it used now and made long ago", was, err)
	}
	if all, err := open().Pins(ctx, "7.-.used"); err != nil || len(all) != 1 || time.Since(all[0].Used) > time.Hour {
		t.Errorf("another node lists %+v, %v; want one that is in use", all, err)
	}
	left := func() []string {
		t.Helper()
		ids, err := p.Snapshots(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return ids
	}
	all := []string{"7.-.new", "7.-.old", "7.-.used", "7.-.young", "8.-.old"}
	if pin(open(), "7.-.new"); !slices.Equal(left(), all) {
		t.Errorf("%v are left within an hour of the last look; want all", left())
	}
	// An hour later some node looks again.
	age(".swept", 2*time.Hour)
	pin(open(), "7.-.new")
	want := []string{"7.-.new", "7.-.used", "7.-.young"}
	for end := time.Now().Add(30 * time.Second); !slices.Equal(left(), want); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%v are left, want %v", left(), want)
		}
	}
	// Whoever removes the rest leaves nothing.
	for _, id := range want {
		if err := p.Unpin(ctx, id, "", ""); err != nil {
			t.Errorf("Unpin %s: %v", id, err)
		}
	}
	if ids := left(); len(ids) != 0 {
		t.Errorf("%v are left", ids)
	}
}
