package cache

import (
	"bytes"
	"errors"
	"os"
	"testing"
)

// What is damaged on the disk is noticed and fetched again.
func TestDamage(t *testing.T) {
	overwrite := func(t *testing.T, path string, off int64) {
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err == nil {
			_, err = f.WriteAt([]byte("damage"), off)
			f.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	swap := func(t *testing.T, a, b string) {
		for _, m := range [][2]string{{a, "x"}, {b, a}, {"x", b}} {
			if err := os.Rename(m[0], m[1]); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Chdir(t.TempDir())
	for name, damage := range map[string]func(t *testing.T, data, sums, other, otherSums string){
		"data":       func(t *testing.T, data, _, _, _ string) { overwrite(t, data, 100_000) },
		"header":     func(t *testing.T, _, sums, _, _ string) { overwrite(t, sums, 10) },
		"sum":        func(t *testing.T, _, sums, _, _ string) { overwrite(t, sums, header+16) },
		"truncated":  func(t *testing.T, data, _, _, _ string) { _ = os.Truncate(data, 300_000) },
		"short sums": func(t *testing.T, _, sums, _, _ string) { _ = os.Truncate(sums, header+20) },
		"no header":  func(t *testing.T, _, sums, _, _ string) { _ = os.Truncate(sums, 20) },
		"no data":    func(t *testing.T, data, _, _, _ string) { _ = os.Remove(data) },
		"no sums":    func(t *testing.T, _, sums, _, _ string) { _ = os.Remove(sums) },
		"swapped":    func(t *testing.T, data, _, other, _ string) { swap(t, data, other) },
		"both":       func(t *testing.T, data, sums, other, os string) { swap(t, data, other); swap(t, sums, os) },
		"empty":      func(t *testing.T, data, sums, _, _ string) { _ = os.Truncate(data, 0); _ = os.Truncate(sums, 0) },
		"other sums": func(t *testing.T, data, sums, other, otherSums string) {
			swap(t, data, other)
			swapSums(t, sums, otherSums)
		},
		"other units": func(t *testing.T, data, sums, _, _ string) {
			swapUnits(t, data, unit, 0)
			swapUnits(t, sums, 8, header)
		},
	} {
		for _, when := range []string{"open", "closed", "restart"} {
			t.Run(name+" "+when, func(t *testing.T) {
				dir := t.TempDir()
				c := openCache(t, dir, 64<<20)
				a, b := newSource("a", 2<<20), newSource("b", 2<<20)
				f, g := c.Object(a, 2<<20), c.Object(b, 2<<20)
				readAt(t, f, a.body, 0, 2<<20)
				readAt(t, g, b.body, 0, 2<<20)
				if when != "open" {
					f.Close()
					g.Close()
					settled(c) // a fetch may have the files open for a moment longer
				}
				if when == "restart" {
					c.Close()
				}
				da, db := c.dir+"/"+fileName("a", 2<<20), c.dir+"/"+fileName("b", 2<<20)
				damage(t, da, da+sumsSuffix, db, db+sumsSuffix)
				if when == "restart" {
					c = openCache(t, dir, 64<<20)
				}
				if when != "open" {
					f, g = c.Object(a, 2<<20), c.Object(b, 2<<20)
				}
				defer f.Close()
				defer g.Close()
				for range 2 {
					readAt(t, f, a.body, 0, 2<<20)
					readAt(t, g, b.body, 0, 2<<20)
				}
				if when == "restart" { // what it has written must not be taken for another's
					f.Close()
					g.Close()
					c.Close()
					c = openCache(t, dir, 64<<20)
					f, g = c.Object(a, 2<<20), c.Object(b, 2<<20)
					readAt(t, f, a.body, 0, 2<<20)
					readAt(t, g, b.body, 0, 2<<20)
				}
				unlinked := when == "open" && (name == "header" || name == "no data" || name == "no sums" || name == "swapped" || name == "other sums" || name == "both")
				if got := a.sent.Load(); got == 2<<20 && !unlinked {
					t.Errorf("nothing was fetched again")
				} else if got > 4<<20 {
					t.Errorf("%d bytes were fetched", got)
				}
			})
		}
	}
}

// However much of what is read turns out to be damaged, one after the other, all of it is
// fetched again and kept. What is damaged each time is read past the disk.
func TestDamageGoesOn(t *testing.T) {
	c := openCache(t, t.TempDir(), 64<<20)
	src := newSource("a", 32<<20)
	f := c.Object(src, int64(len(src.body)))
	defer f.Close()
	readAt(t, f, src.body, 0, 1<<20)
	settled(c)
	disk := f.o.disk.Load().data
	spoil := func(u int64) {
		if _, err := disk.WriteAt([]byte("damage"), u*unit+1000); err != nil {
			t.Error(err)
		}
	}
	next := map[int64]int64{0: 4, 4: 8, 8: 12} // spoilt when a unit is fetched again
	src.each = func(off, _ int64) fault {
		if u, ok := next[off/unit]; ok {
			spoil(u)
		}
		return fault{}
	}
	before := src.sent.Load()
	spoil(0)
	readAt(t, f, src.body, 0, 1<<20)
	if again := src.sent.Load() - before; again != 4*unit {
		t.Errorf("%d bytes were fetched again for four damaged units", again)
	}
	readAt(t, f, src.body, 0, 1<<20)
	if again := src.sent.Load() - before; again != 4*unit {
		t.Errorf("read again, %d bytes were fetched", again)
	}
}

// swapSums exchanges what two sums files say of the content, and not of which it is.
func swapSums(t *testing.T, a, b string) {
	x, err := os.ReadFile(a)
	y, err2 := os.ReadFile(b)
	if err = errors.Join(err, err2); err == nil {
		err = errors.Join(os.WriteFile(a, append(bytes.Clone(x[:header]), y[header:]...), 0o600), os.WriteFile(b, append(bytes.Clone(y[:header]), x[header:]...), 0o600))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// swapUnits exchanges the first two of a file's parts of n bytes.
func swapUnits(t *testing.T, path string, n, from int64) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, 2*n)
	if _, err := f.ReadAt(b, from); err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(append(bytes.Clone(b[n:]), b[:n]...), from); err != nil {
		t.Fatal(err)
	}
}
