package manifest_test

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"artifactfs.dev/artifactfs/internal/store"
	"artifactfs.dev/artifactfs/internal/store/bucket"
	"artifactfs.dev/artifactfs/internal/store/bucket/buckettest"
	"artifactfs.dev/artifactfs/manifest"
	"artifactfs.dev/artifactfs/resolver"
	"artifactfs.dev/artifactfs/resolver/sourcetest"
)

// eachBucket runs fn on an empty bucket in memory, and of each kind of server.
func eachBucket(t *testing.T, fn func(t *testing.T, b *bucket.Bucket)) {
	t.Run("mem", func(t *testing.T) { fn(t, newPrefix(t, "mem://")) })
	if !testing.Short() {
		buckettest.Each(t, func(t *testing.T, s buckettest.Store) { fn(t, newPrefix(t, s.URI)) })
	}
}

// newPrefix opens a prefix of a bucket that nothing lies in yet.
func newPrefix(t *testing.T, at string) *bucket.Bucket {
	t.Helper()
	base, params, _ := strings.Cut(at, "?")
	return openBucket(t, fmt.Sprintf("%s/%d?%s", base, prefixes.Add(1), params))
}

var prefixes atomic.Int64

func TestCatalog(t *testing.T) {
	t.Run("mem", func(t *testing.T) { testCatalog(t, "mem://", nil) })
	if !testing.Short() {
		buckettest.Each(t, func(t *testing.T, s buckettest.Store) {
			if s.Name != "s3" { // what the others answer then is a test of package bucket
				testCatalog(t, s.URI, nil)
				return
			}
			s, proxy := s.Through(t)
			testCatalog(t, s.URI, proxy.Down)
		})
	}
}

func testCatalog(t *testing.T, at string, down func() (mend func())) {
	const ttl = 50 * time.Millisecond
	sourcetest.Run(t, func(t *testing.T) *sourcetest.Backend {
		b := newPrefix(t, at)
		back := &sourcetest.Backend{
			TTL: ttl,
			Open: func(t testing.TB) resolver.Source {
				return manifest.NewCatalog(b, &manifest.CatalogOptions{TTL: ttl})
			},
			Write: func(t testing.TB, path, content string) {
				if err := b.Write(t.Context(), path, []byte(content)); err != nil {
					t.Fatal(err)
				}
			},
		}
		if down != nil {
			back.Break = func(testing.TB) func() {
				b.SetDeadline(time.Second) // of requests that the client makes again and again
				mend := down()
				return func() { mend(); b.SetDeadline(0) }
			}
		}
		return back
	})
}

var (
	_ resolver.Recaller       = (*manifest.Catalog)(nil)
	_ resolver.Pinner         = (*manifest.CatalogPins)(nil)
	_ resolver.SnapshotLister = (*manifest.CatalogPins)(nil)
)

// Of any number of makers one wins, and all are told its version.
func TestCatalogPinRace(t *testing.T) { eachBucket(t, testCatalogPinRace) }

func testCatalogPinRace(t *testing.T, b *bucket.Bucket) {
	ctx, id := t.Context(), "1000.eos.slurm-1"
	for round := range 10 {
		name := fmt.Sprintf("m%d", round)
		got := make([]int, 16)
		var wg sync.WaitGroup
		for i := range got {
			p := manifest.NewCatalog(b, nil).Pins()
			wg.Go(func() {
				pin, err := p.Pin(ctx, id, name, manifest.Latest, manifest.Target{Version: i + 1})
				if err != nil {
					t.Error(err)
					return
				}
				got[i] = pin.Version
			})
		}
		wg.Wait()
		slices.Sort(got)
		pin, err := manifest.NewCatalog(b, nil).Pins().Pinned(ctx, id, name, manifest.Latest)
		if got[0] != got[15] || err != nil || pin.Version != got[0] {
			t.Fatalf("makers were told %v; it is %+v, %v", got, pin, err)
		}
	}
}

func TestCatalogPins(t *testing.T) { eachBucket(t, testCatalogPins) }

func testCatalogPins(t *testing.T, b *bucket.Bucket) {
	p, ctx, id := manifest.NewCatalog(b, nil).Pins(), t.Context(), "1000.eos.slurm-1"
	if _, err := p.Pinned(ctx, id, "a/b", "prod"); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("Pinned of nothing: %v, want ErrNotExist", err)
	}
	for _, m := range []struct {
		v       int
		forward bool
		want    int
	}{{3, true, 3}, {2, true, 3}, {2, false, 2}, {5, true, 5}} {
		if err := p.Move(ctx, id, "a/b", "prod", manifest.Target{Version: m.v}, m.forward); err != nil {
			t.Fatal(err)
		}
		if pin, err := p.Pinned(ctx, id, "a/b", "prod"); err != nil || pin.Version != m.want {
			t.Errorf("after moving to %+v: %+v, %v", m, pin, err)
		}
	}
	long := strings.Repeat("n", 200) + "/" + strings.Repeat("m", 200)
	if _, err := p.Pin(ctx, id, long, manifest.Latest, manifest.Target{Version: 7}); err != nil {
		t.Fatal(err)
	}
	pins, err := p.Pins(ctx, id)
	if err != nil || len(pins) != 2 || pins[0].Name != "a/b" || pins[1].Name != long || pins[1].Version != 7 {
		t.Errorf("Pins = %+v, %v", pins, err)
	}
	stranger := store.WithCaller(ctx, store.Caller{UID: 1001, GID: 1001, PID: uint32(os.Getpid())})
	if _, err := p.Pinned(stranger, id, "a/b", "prod"); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("another user reads a pin: %v, want ErrPermission", err)
	}
	if err := p.Move(stranger, id, "a/b", "prod", manifest.Target{Version: 9}, false); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("another user moves a pin: %v, want ErrPermission", err)
	}
	if ids, err := p.Snapshots(stranger); err != nil || len(ids) != 0 {
		t.Errorf("another user lists %v, %v; want none", ids, err)
	}
	if ids, err := p.Snapshots(ctx); err != nil || !slices.Equal(ids, []string{id}) {
		t.Errorf("Snapshots = %v, %v", ids, err)
	}
	if err := p.Unpin(ctx, id, "a/b", "prod"); err != nil {
		t.Fatal(err)
	}
	if err := p.Unpin(ctx, id, "a/b", ""); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Unpin of nothing: %v, want ErrNotExist", err)
	}
	if err := p.Unpin(ctx, id, "", ""); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Pins(ctx, id); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Pins of what was taken away: %v, want ErrNotExist", err)
	}
}

var _ resolver.Book = (*manifest.Catalog)(nil)

func TestCatalogBook(t *testing.T) { eachBucket(t, testCatalogBook) }

func testCatalogBook(t *testing.T, b *bucket.Bucket) {
	c, ctx := manifest.NewCatalog(b, nil), t.Context()
	if _, err := c.Numbering(ctx); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("Numbering of a new store: %v, want ErrNotExist", err)
	}
	if n, err := c.SetNumbering(ctx, manifest.ByWandB, false); err != nil || n != manifest.ByWandB {
		t.Fatalf("SetNumbering in an empty store: %v, %v", n, err)
	}
	if n, err := c.SetNumbering(ctx, manifest.ByManifest, true); err != nil || n != manifest.ByManifest {
		t.Fatalf("SetNumbering after nothing was to be recorded: %v, %v", n, err)
	}
	if n, err := manifest.NewCatalog(b, nil).SetNumbering(ctx, manifest.ByWandB, true); err != nil || n != manifest.ByManifest {
		t.Fatalf("SetNumbering of what is recorded: %v, %v; want what it was", n, err)
	}
	w := manifest.WandB{Version: 0, Manifest: 1, Artifact: "e/p/m", ID: "a", Digest: "d", URL: "u"}
	if err := c.NoteWandB(ctx, "m", w); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("NoteWandB of no version: %v, want ErrNotExist", err)
	}
	if _, err := c.Publish(ctx, "m", hubDraft("/d")); err != nil {
		t.Fatal(err)
	}
	if err := c.NoteWandB(ctx, "m", w); err != nil {
		t.Fatal(err)
	}
	again := w
	again.Manifest, again.URL = 1, "another"
	if err := c.NoteWandB(ctx, "m", again); err != nil {
		t.Fatal(err)
	}
	if got, err := c.FromWandB(ctx, "m", 0); err != nil || *got != w {
		t.Errorf("FromWandB = %+v, %v; want %+v", got, err, w)
	}
	if _, err := c.FromWandB(ctx, "m", 1); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("FromWandB of nothing: %v, want ErrNotExist", err)
	}
	if got, err := c.WandBVersions(ctx, "m"); err != nil || !slices.Equal(got, []int{0}) {
		t.Errorf("WandBVersions = %v, %v; want v0", got, err)
	}
}

// What was listed before a log is the last answer after it, if the store then goes away.
func TestCatalogNamesSurvive(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a server")
	}
	s, proxy := buckettest.S3(t).Through(t)
	b, ctx := newPrefix(t, s.URI), t.Context()
	c := manifest.NewCatalog(b, nil)
	for range 2 {
		if _, err := c.Publish(ctx, "m", hubDraft("/d")); err != nil {
			t.Fatal(err)
		}
		if names, err := c.Names(ctx, ""); err != nil || !slices.Equal(names, []string{"m"}) {
			t.Fatalf("Names = %v, %v; want m", names, err)
		}
	}
	if err := c.SetAlias(ctx, "m", "prod", 1); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Publish(ctx, "m", hubDraft("/d")); err != nil {
		t.Fatal(err)
	}
	proxy.Down()
	b.SetDeadline(time.Second)
	if names, err := c.Names(ctx, ""); err != nil || !slices.Equal(names, []string{"m"}) {
		t.Errorf("Names while the store is away = %v, %v; want the last answer", names, err)
	}
}

// A version that is written while it is read is whole, or not there: its two files are
// asked for at one moment, and the answer about one can be older than the other.
func TestCatalogReadWhileWritten(t *testing.T) {
	store, proxy := buckettest.S3(t).Through(t)
	b := newPrefix(t, store.URI)
	for file, text := range map[string]string{
		"manifest.json": `{"name": "n", "version": 1, "type": "Artifact", "path": "/data", "metadata": {}}`, "metadata.json": `{"size": 1}`,
	} {
		if err := b.Write(t.Context(), "n/v1/"+file, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	var asked atomic.Int64
	proxy.Break(func(r *http.Request) buckettest.Fault {
		if strings.HasSuffix(r.URL.Path, "/n/v1/metadata.json") && asked.Add(1) == 1 {
			return buckettest.Fault{Status: 404, Body: `<Error><Code>NoSuchKey</Code></Error>`}
		}
		return buckettest.Fault{}
	})
	rec, err := manifest.NewCatalog(b, nil).Manifest(t.Context(), "n", 1)
	if err != nil || rec.Meta == nil || asked.Load() != 2 {
		t.Errorf("%+v, %v, after %d requests for metadata.json", rec, err, asked.Load())
	}
}

// Who writes metadata.json through a catalog finds it there, whoever was reading the
// version meanwhile.
func TestCatalogReadsItsWrites(t *testing.T) {
	store, proxy := buckettest.S3(t).Through(t)
	c, ctx := manifest.NewCatalog(newPrefix(t, store.URI), nil), t.Context()
	record := []byte(`{"name": "n", "version": 1, "type": "Artifact", "path": "/data", "metadata": {}}`)
	for _, err := range []error{c.Claim(ctx, "n", 1), c.Put(ctx, "n", 1, "manifest.json", record)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	asked, answer := make(chan struct{}), make(chan struct{})
	var count atomic.Int64
	proxy.Break(func(r *http.Request) buckettest.Fault {
		if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/n/v1/metadata.json") && count.Add(1) == 2 {
			close(asked)
			<-answer
			return buckettest.Fault{Status: 404, Body: `<Error><Code>NoSuchKey</Code></Error>`}
		}
		return buckettest.Fault{}
	})
	done := make(chan error)
	go func() { _, err := c.Manifest(ctx, "n", 1); done <- err }()
	<-asked
	if err := c.Put(ctx, "n", 1, "metadata.json", []byte(`{"size": 1}`)); err != nil {
		t.Error(err)
	}
	close(answer)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if rec, err := c.Manifest(ctx, "n", 1); err != nil || rec.Meta == nil {
		t.Errorf("%+v, %v: what was written is not there", rec, err)
	}
}

// Broken tells a number that was merely taken from one whose record is none.
func TestCatalogBroken(t *testing.T) {
	b := newPrefix(t, "mem://")
	c := manifest.NewCatalog(b, nil)
	ok2(t, c.Claim(t.Context(), "m", 1), c.Claim(t.Context(), "m", 2), b.Write(t.Context(), "m/v2/manifest.json", []byte("{")), b.Write(t.Context(), "m/v3/manifest.json", []byte(`{"path": "/d"}`)))
	for v, want := range map[int]bool{1: false, 2: true, 3: false, 9: false} {
		if err := c.Broken(t.Context(), "m", v); (err != nil) != want {
			t.Errorf("v%d: %v", v, err)
		}
	}
}
