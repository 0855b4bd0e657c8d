package cache

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"
)

// Filling fetches what is missing and nothing else, and what is there can be opened whole.
func TestFill(t *testing.T) {
	dir := t.TempDir()
	c := openCache(t, dir, 512<<20)
	src := newSource("a", 20<<20+5)
	f := c.Object(src, int64(len(src.body)))
	readAt(t, f, src.body, 9<<20, 1<<20)
	settled(c)
	kept := f.Kept()
	fl := NewFiller(3)
	if err := fl.Fill(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	if kept+fl.Fetched() != f.size || f.Kept() != f.size || src.sent.Load() != f.size {
		t.Errorf("%d were there, %d fetched, %d sent, %d there now of %d", kept, fl.Fetched(), src.sent.Load(), f.Kept(), f.size)
	}
	if file, err := f.Ready(); err != nil {
		t.Error(err)
	} else {
		file.Close()
	}
	f.Close()
	kill(c)
	c = openCache(t, dir, 512<<20)
	f = c.Object(src, f.size)
	defer f.Close()
	swapUnits(t, c.dir+"/"+fileName("a", f.size), unit, 0)
	if err := fl.Fill(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	if again := src.sent.Load() - f.size; again != 2*unit {
		t.Errorf("%d bytes were fetched again for two damaged units", again)
	}
}

// Filling that is given up ends, and what has come stays for the next.
func TestFillEnds(t *testing.T) {
	c := openCache(t, t.TempDir(), 512<<20)
	src := newSource("a", 40<<20)
	gate := make(chan struct{})
	src.each = func(off, _ int64) fault {
		if off > 0 {
			return fault{gate: gate}
		}
		return fault{}
	}
	ctx, cancel := context.WithCancel(t.Context())
	f := c.Object(src, f40)
	fl := NewFiller(2)
	done := make(chan error)
	go func() { done <- fl.Fill(ctx, f) }()
	for f.Kept() < int64(c.unitsPer)*unit {
		time.Sleep(time.Millisecond)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("given up, it is %v", err)
	}
	close(gate)
	settled(c)
	before := src.sent.Load()
	if err := fl.Fill(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	f.Close()
	if again := src.sent.Load() - before; before < 8<<20 || again != f40-before {
		t.Errorf("%d bytes were sent before, %d after", before, again)
	}
}

const f40 = 40 << 20

// What cannot be kept is said so, and a store that fails for a moment is waited for.
func TestFillFails(t *testing.T) {
	c := openCache(t, t.TempDir(), 4<<20)
	big, unnamed, gone, bad := newSource("a", 16<<20), newSource("", 1<<20), newSource("b", 2<<20), newSource("c", 2<<20)
	gone.each = func(int64, int64) fault { return fault{err: os.ErrNotExist} }
	bad.each = func(int64, int64) fault {
		if bad.requests.Load() > 1 {
			return fault{}
		}
		return fault{err: errors.New("503")}
	}
	for _, x := range []struct {
		src  *source
		want error
	}{{big, ErrNoRoom}, {unnamed, ErrUnnamed}, {gone, os.ErrNotExist}, {bad, nil}} {
		f := c.Object(x.src, int64(len(x.src.body)))
		if err := NewFiller(2).Fill(t.Context(), f); !errors.Is(err, x.want) {
			t.Errorf("%q: %v, want %v", x.src.key, err, x.want)
		}
		f.Close()
	}
	if u := c.Usage(); u.Used > u.Limit {
		t.Errorf("%+v", u)
	}
}

// A file of which half was read is fetched to its end, by whoever had it open, but not
// one that would take most of the cache.
func TestRest(t *testing.T) {
	c := openCache(t, t.TempDir(), 64<<20)
	for _, x := range []struct {
		key        string
		size, read int // MiB
		all        bool
	}{{"half", 16, 8, true}, {"less", 16, 6, false}, {"large", 40, 30, false}} {
		src := newSource(x.key, x.size<<20)
		for at := x.read<<20 - 256<<10; at >= 0; at -= 256 << 10 { // backward: nothing is read ahead
			f := c.Object(src, int64(len(src.body)))
			readAt(t, f, src.body, at, 256<<10)
			f.Close()
		}
		settled(c)
		if sent := int(src.sent.Load() >> 20); x.all && sent != x.size || !x.all && sent != x.read {
			t.Errorf("%s: %d MiB were fetched of %d, %d read", x.key, sent, x.size, x.read)
		}
		f := c.Object(src, int64(len(src.body)))
		if file, err := f.Ready(); (err == nil) != x.all {
			t.Errorf("%s: %v", x.key, err)
		} else if err == nil {
			file.Close()
		}
		f.Close()
	}
}
