package sourcetest

import (
	"fmt"
	"io/fs"
	"math"
	"slices"
	"sync"
	"testing"

	"artifactfs.dev/artifactfs/manifest"
	"artifactfs.dev/artifactfs/resolver"
)

func publishDraft(t *testing.T, s resolver.Source, d *manifest.Draft, want int) {
	t.Helper()
	got, err := as[resolver.Publisher](t, s).Publish(ctx, d.Manifest.Name, d)
	if err != nil || got != want {
		t.Fatalf("Publish(%s) = v%d, %v; want v%d", d.Manifest.Name, got, err, want)
	}
}

func testNumbering(t *testing.T, b *Backend) {
	s := b.Open(t)
	publish(t, s, "m", "/1", 1)
	publish(t, s, "m", "/2", 2)
	if !b.Flat {
		publish(t, s, "m/sub", "/1", 1)
	}
	wantVersions(t, s, "m", 2, 1, 2)
	p := as[resolver.Publisher](t, s)
	for _, name := range badNames {
		if v, err := p.Publish(ctx, name, draft(name, "/d")); err == nil {
			t.Errorf("Publish(%q) = v%d; want an error", name, v)
		}
	}
	if _, err := p.Publish(ctx, "m", draft("m", "")); err == nil {
		t.Error("a draft without a path was logged")
	}
	if b.Write == nil {
		return
	}
	b.Write(t, "m/v9/x", "")
	publish(t, s, "m", "/10", 10)
	b.Write(t, "m/v012/x", "")
	publish(t, s, "m", "/13", 13)
	wantVersions(t, s, "m", 13, 1, 2, 10, 13)
}

func testRequestID(t *testing.T, b *Backend) {
	s, other := b.Open(t), b.Open(t)
	d := draft("m", "/d")
	d.RequestID = "job 7/../step\x00"
	publishDraft(t, s, d, 1)
	publishDraft(t, s, d, 1)
	publishDraft(t, other, d, 1)
	d.RequestID = "another"
	publishDraft(t, other, d, 2)
	e := draft("n", "/d")
	e.RequestID = "another"
	publishDraft(t, s, e, 1) // ids are a name's own

	d.RequestID = "at once"
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			s := []resolver.Source{s, other}[i%2]
			if v, err := s.(resolver.Publisher).Publish(ctx, "m", d); v != 3 || err != nil {
				t.Errorf("Publish with a request_id, 16 at once = v%d, %v; want v3", v, err)
			}
		})
	}
	wg.Wait()
	wantVersions(t, s, "m", 3, 1, 2, 3)
}

func testPublishRace(t *testing.T, b *Backend) {
	const writers, each = 16, 5
	sources := []resolver.Source{b.Open(t), b.Open(t), b.Open(t)}
	as[resolver.Publisher](t, sources[0])
	var mu sync.Mutex
	got := make(map[int]string)
	var wg sync.WaitGroup
	for w := range writers {
		p := sources[w%len(sources)].(resolver.Publisher)
		wg.Go(func() {
			for i := range each {
				path := fmt.Sprintf("/%d/%d", w, i)
				v, err := p.Publish(ctx, "m", draft("m", path))
				mu.Lock()
				if err != nil || got[v] != "" {
					t.Errorf("Publish(%s) = v%d, %v; that is %s", path, v, err, got[v])
				}
				got[v] = path
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	s := b.Open(t)
	l := versions(t, s, "m")
	if len(l.Versions) != writers*each || l.Latest != slices.Max(l.Versions) {
		t.Errorf("%d versions, latest v%d; want %d and the highest", len(l.Versions), l.Latest, writers*each)
	}
	for v, path := range got {
		if r, err := s.Manifest(ctx, "m", v); err != nil || r.Manifest.Path != path {
			t.Errorf("v%d: %v, %v; want %s", v, r, err, path)
		}
	}
}

func testClaimRace(t *testing.T, b *Backend) {
	sources := []resolver.Source{b.Open(t), b.Open(t)}
	as[resolver.Claimer](t, sources[0])
	for v := 1; v <= 20; v++ {
		won := make(chan int, 16)
		var wg sync.WaitGroup
		for w := range cap(won) {
			wg.Go(func() {
				if err := sources[w%2].(resolver.Claimer).Claim(ctx, "m", v); err == nil {
					won <- w
				} else {
					wantError(t, err, fs.ErrExist, "Claim of a taken number")
				}
			})
		}
		wg.Wait()
		if len(won) != 1 {
			t.Fatalf("v%d was claimed by %d writers; want 1", v, len(won))
		}
	}
}

func testClaimer(t *testing.T, b *Backend) {
	s := b.Open(t)
	c := as[resolver.Claimer](t, s)
	record, meta := []byte(`{"path": "/d"}`), []byte(`{"k": 1}`)
	check(t, c.Claim(ctx, "m", 3))
	wantError(t, c.Claim(ctx, "m", 3), fs.ErrExist, "Claim of a taken number")
	wantError(t, c.Claim(ctx, "m", math.MaxInt), fs.ErrInvalid, "Claim of the last number")
	if l := wantVersions(t, s, "m", manifest.NoVersion); !slices.Equal(l.Claimed, []int{3}) {
		t.Errorf("Claimed = %v; want v3", l.Claimed)
	}
	wantError(t, c.Advance(ctx, "m", 3), fs.ErrNotExist, "Advance to an incomplete version")
	wantError(t, c.Put(ctx, "m", 4, "manifest.json", record), fs.ErrNotExist, "Put into a version that was not claimed")
	wantError(t, c.Put(ctx, "m", 3, "latest", record), fs.ErrInvalid, "Put of another file")
	wantError(t, c.Put(ctx, "m", 3, "manifest.json", []byte("{")), fs.ErrInvalid, "Put of what is no manifest")
	check(t, c.Put(ctx, "m", 3, "manifest.json", record))
	check(t, c.Put(ctx, "m", 3, "metadata.json", meta))
	wantError(t, c.Put(ctx, "m", 3, "manifest.json", []byte(`{"path": "/e"}`)), fs.ErrExist, "Put over a record")
	wantError(t, c.Put(ctx, "m", 3, "metadata.json", meta), fs.ErrExist, "Put over a metadata.json")
	check(t, c.Advance(ctx, "m", 3))
	wantVersions(t, s, "m", 3, 3)
	if r, err := s.Manifest(ctx, "m", 3); err != nil || string(r.Raw) != string(record) || string(r.RawMeta) != string(meta) {
		t.Errorf("the record is %v, %v", r, err)
	}
	publish(t, s, "m", "/d", 4)
}

func testLatestForward(t *testing.T, b *Backend) {
	s := b.Open(t)
	c := as[resolver.Claimer](t, s)
	for v := range 3 {
		publish(t, s, "m", "/d", v+1)
	}
	check(t, c.Advance(ctx, "m", 1))
	wantVersions(t, s, "m", 3, 1, 2, 3)
	wantVersions(t, b.Open(t), "m", 3, 1, 2, 3)
	// The other order: a higher version, made known before a lower one.
	for _, v := range []int{5, 4} {
		check(t, c.Claim(ctx, "m", v))
		check(t, c.Put(ctx, "m", v, "manifest.json", []byte(`{"path": "/d"}`)))
		check(t, c.Put(ctx, "m", v, "metadata.json", []byte(`{}`)))
	}
	check(t, c.Advance(ctx, "m", 5))
	check(t, c.Advance(ctx, "m", 4))
	wantVersions(t, b.Open(t), "m", 5, 1, 2, 3, 4, 5)
}

func testAlias(t *testing.T, b *Backend) {
	s := b.Open(t)
	a := as[resolver.Aliaser](t, s)
	publish(t, s, "m", "/1", 1)
	publish(t, s, "m", "/2", 2)
	want := func(s resolver.Source, alias string, v int) {
		t.Helper()
		if got := versions(t, s, "m").Aliases[alias]; got != v {
			t.Errorf("alias %s is v%d; want v%d", alias, got, v)
		}
	}
	check(t, a.SetAlias(ctx, "m", "prod", 1))
	want(s, "prod", 1)
	want(b.Open(t), "prod", 1)
	check(t, a.SetAlias(ctx, "m", "prod", 2))
	check(t, a.SetAlias(ctx, "m", "validated", 1))
	want(s, "prod", 2)
	want(s, "validated", 1)
	wantNames(t, s, "m")
	wantVersions(t, s, "m", 2, 1, 2)
	wantError(t, a.SetAlias(ctx, "m", "prod", 9), fs.ErrNotExist, "SetAlias to no version")
	wantError(t, a.SetAlias(ctx, "none", "prod", 1), fs.ErrNotExist, "SetAlias of no artifact")
	want(s, "prod", 2)
	for _, alias := range []string{"", ".", "..", "latest", "v3", "3", "a/b", ".x", "x\x00", "v²", "v٣"} {
		wantError(t, a.SetAlias(ctx, "m", alias, 1), fs.ErrInvalid, fmt.Sprintf("SetAlias(%q)", alias))
	}
	check(t, a.RemoveAlias(ctx, "m", "prod"))
	want(s, "prod", 0)
	wantError(t, a.RemoveAlias(ctx, "m", "prod"), fs.ErrNotExist, "RemoveAlias of none")
	d := draft("m", "/3")
	d.Aliases = []string{"prod", "best"}
	publishDraft(t, s, d, 3)
	want(s, "prod", 3)
	want(s, "best", 3)
}

func testRetire(t *testing.T, b *Backend) {
	s := b.Open(t)
	r := as[resolver.Retirer](t, s)
	for v := range 3 {
		publish(t, s, "m", "/d", v+1)
	}
	wantVersions(t, s, "m", 3, 1, 2, 3)
	check(t, r.Retire(ctx, "m", 3, "logged by mistake", false))
	for _, s := range []resolver.Source{s, b.Open(t)} {
		l := wantVersions(t, s, "m", 2, 1, 2)
		if !slices.Equal(l.Retired, []int{3}) || !slices.Contains(l.Claimed, 3) {
			t.Errorf("Retired %v, Claimed %v; want v3 in both", l.Retired, l.Claimed)
		}
		if _, err := s.Manifest(ctx, "m", 3); err != nil {
			t.Errorf("Manifest of a retired version: %v", err)
		}
		if why, err := s.(resolver.Retirer).Retirement(ctx, "m", 3); err != nil || why.Why != "logged by mistake" || why.When == "" {
			t.Errorf("Retirement = %+v, %v; want why and when", why, err)
		}
		_, err := s.(resolver.Retirer).Retirement(ctx, "m", 2)
		wantError(t, err, fs.ErrNotExist, "Retirement of what is not retired")
	}
	check(t, r.Retire(ctx, "m", 1, "", false))
	wantVersions(t, s, "m", 2, 2)
	check(t, r.Retire(ctx, "m", 2, "", false))
	wantVersions(t, s, "m", manifest.NoVersion)
	check(t, r.Retire(ctx, "m", 2, "", true))
	wantVersions(t, s, "m", 2, 2)
	check(t, r.Retire(ctx, "m", 3, "", true))
	wantVersions(t, s, "m", 3, 2, 3)
	wantError(t, r.Retire(ctx, "m", 9, "", false), fs.ErrNotExist, "Retire of no version")
	wantError(t, r.Retire(ctx, "m", 3, "", true), fs.ErrNotExist, "undoing what was not done")
	publish(t, s, "m", "/d", 4)
	wantVersions(t, s, "m", 4, 2, 3, 4)
}

func testImmutable(t *testing.T, b *Backend) {
	s := b.Open(t)
	publish(t, s, "m", "/first", 1)
	before, err := s.Manifest(ctx, "m", 1)
	check(t, err)
	text := string(before.Raw)
	publish(t, s, "m", "/second", 2)
	if c, ok := s.(resolver.Claimer); ok {
		wantError(t, c.Claim(ctx, "m", 1), fs.ErrExist, "Claim of a logged version")
		wantError(t, c.Put(ctx, "m", 1, "manifest.json", []byte(`{"path": "/third"}`)), fs.ErrExist, "Put over a record")
	}
	for _, s := range []resolver.Source{s, b.Open(t)} {
		r, err := s.Manifest(ctx, "m", 1)
		if err != nil || string(r.Raw) != text {
			t.Errorf("v1 is %s, %v; want %s", r.Raw, err, text)
		}
	}
}

func testOtherNode(t *testing.T, b *Backend) {
	here, there := b.Open(t), b.Open(t)
	publish(t, here, "m", "/1", 1)
	wantVersions(t, here, "m", 1, 1)
	wantVersions(t, there, "m", 1, 1)
	publish(t, here, "m", "/2", 2)
	wantVersions(t, here, "m", 2, 1, 2) // read your writes
	b.within(t, "v2 is seen elsewhere", func() bool {
		l := versions(t, there, "m")
		return l.Latest == 2 && slices.Equal(l.Versions, []int{1, 2})
	})
	publish(t, here, "n", "/1", 1)
	b.within(t, "n is seen elsewhere", func() bool {
		names, err := there.Names(ctx, "")
		return err == nil && slices.Contains(names, "n")
	})
}

func testConcurrentUse(t *testing.T, b *Backend) {
	s, other := b.Open(t), b.Open(t)
	publish(t, s, "m", "/d", 1)
	done := make(chan struct{})
	var writers, readers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			for range 10 {
				p := []resolver.Source{s, other}[w%2].(resolver.Publisher)
				if _, err := p.Publish(ctx, "m", draft("m", "/d")); err != nil {
					t.Error(err)
				}
			}
		})
		readers.Go(func() { watch(t, []resolver.Source{s, other}[w%2], "m", done) })
	}
	writers.Wait()
	close(done)
	readers.Wait()
	wantLatest := 41
	b.within(t, "all are seen", func() bool { return versions(t, other, "m").Latest == wantLatest })
}

// watch polls a name until done: latest must be readable and never go back.
func watch(t *testing.T, s resolver.Source, name string, done <-chan struct{}) {
	before := 0
	for {
		select {
		case <-done:
			return
		default:
		}
		l, err := s.Versions(ctx, name)
		if err != nil {
			t.Errorf("Versions: %v", err)
			return
		}
		if l.Latest < before || !slices.Contains(l.Versions, l.Latest) {
			t.Errorf("latest is v%d after v%d, of %v", l.Latest, before, l.Versions)
			return
		}
		before = l.Latest
		if _, err := s.Manifest(ctx, name, l.Latest); err != nil {
			t.Errorf("Manifest of latest, v%d: %v", l.Latest, err)
			return
		}
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// testVersionZero: v0 is a version like any other, and "no version" another thing.
// Stores that count from 1 have it where an upstream writer made it.
func testVersionZero(t *testing.T, b *Backend) {
	s := b.Open(t)
	c := as[resolver.Claimer](t, s)
	check(t, c.Claim(ctx, "m", 0))
	wantVersions(t, s, "m", manifest.NoVersion)
	check(t, c.Put(ctx, "m", 0, "manifest.json", []byte(`{"path": "/0"}`)))
	check(t, c.Put(ctx, "m", 0, "metadata.json", []byte(`{}`)))
	wantVersions(t, b.Open(t), "m", 0, 0) // without a latest, the highest
	check(t, c.Advance(ctx, "m", 0))
	wantVersions(t, s, "m", 0, 0)
	if a, ok := s.(resolver.Aliaser); ok {
		check(t, a.SetAlias(ctx, "m", "first", 0))
		if n, ok := versions(t, s, "m").Alias("first"); n != 0 || !ok {
			t.Errorf("alias first is v%d, %v; want v0", n, ok)
		}
	}
	publish(t, s, "m", "/1", 1)
	wantVersions(t, s, "m", 1, 0, 1)
	r := as[resolver.Retirer](t, s)
	check(t, r.Retire(ctx, "m", 1, "", false))
	wantVersions(t, s, "m", 0, 0)
	check(t, r.Retire(ctx, "m", 0, "", false))
	for _, s := range []resolver.Source{s, b.Open(t)} {
		wantVersions(t, s, "m", manifest.NoVersion)
	}
}
