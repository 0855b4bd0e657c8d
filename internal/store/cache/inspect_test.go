package cache

import (
	"os"
	"testing"
)

// What lies in a cache can be listed and verified while it is in use, and removed
// when it is not.
func TestInspect(t *testing.T) {
	dir := t.TempDir()
	c := openCache(t, dir, 64<<20)
	a, b := newSource("a", 2<<20), newSource("b", 3<<20)
	f, g := c.Object(a, 2<<20), c.Object(b, 3<<20)
	readAt(t, f, a.body, 0, 2<<20)
	readAt(t, g, b.body, 1<<20, 100)
	f.Close()
	list, err := List(dir)
	if err != nil || len(list) != 2 {
		t.Fatalf("%+v, %v", list, err)
	}
	for _, k := range list {
		want := map[string]int64{"a": 2 << 20, "b": unit}[k.Key]
		if k.Bytes != want || !k.InUse || k.Used.IsZero() {
			t.Errorf("%+v, want %d bytes", k, want)
		}
		if n, err := Verify(t.Context(), k); n != 0 || err != nil {
			t.Errorf("%s: %d, %v", k.Key, n, err)
		}
		if done, err := Prune(k); done || err != nil {
			t.Errorf("%s is in use, and removed: %v", k.Key, err)
		}
	}
	path := c.dir + "/" + fileName("a", 2<<20)
	swapUnits(t, path, unit, 3*unit)
	f = c.Object(a, 2<<20)
	for _, k := range list {
		if n, err := Verify(t.Context(), k); n != map[string]int{"a": 2}[k.Key] || err != nil {
			t.Errorf("damaged %s: %d, %v", k.Key, n, err)
		}
	}
	before := a.sent.Load()
	readAt(t, f, a.body, 0, 2<<20)
	if sent := a.sent.Load() - before; sent != 2*unit {
		t.Errorf("%d bytes were fetched for two units", sent)
	}
	f.Close()
	g.Close()
	c.Close()
	for _, k := range list {
		if done, err := Prune(k); !done || err != nil {
			t.Errorf("%s: %v, %v", k.Key, done, err)
		}
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("it is still there: %v", err)
	}
}
