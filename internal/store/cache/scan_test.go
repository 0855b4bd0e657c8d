package cache

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"
)

// fillDir writes n objects of one unit as an earlier process left them, the first of them
// unused the longest.
func fillDir(t testing.TB, dir string, n int) []*source {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	list := make([]*source, n)
	at := time.Now().Add(-time.Hour)
	for i := range list {
		src := &source{key: fmt.Sprint("object ", i), body: []byte(fmt.Sprint("content ", i))}
		d, err := createDisk(dir, head{src.key, int64(len(src.body))})
		if err == nil {
			err = d.write(0, src.body)
		}
		if err == nil {
			err = os.Chtimes(d.sums.Name(), at, at.Add(time.Duration(i)*time.Millisecond))
		}
		if err != nil {
			t.Fatal(err)
		}
		d.close()
		list[i] = src
	}
	return list
}

// A cache with many files is there at once. What is asked for is taken over first, and
// the longest unused is the first to be evicted, as if nobody had restarted.
func TestOpenLarge(t *testing.T) {
	n := 1000
	if s := os.Getenv("CACHE_TEST_FILES"); s != "" {
		n, _ = strconv.Atoi(s)
	}
	dir := t.TempDir()
	list := fillDir(t, dir+"/0", n)
	if err := os.WriteFile(dir+"/0/stray", []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	c, err := open(dir, &Options{Size: int64(n) * 64 << 10}, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	opened := time.Since(start)
	first := list[0]
	f := c.Object(first, int64(len(first.body)))
	readAt(t, f, first.body, 0, len(first.body))
	f.Close()
	read := time.Since(start)
	if err := c.Scanned(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d files: opened after %v, the first read after %v, all seen after %v", n, opened, read, time.Since(start))
	settled(c)
	if u := c.Usage(); u.Objects != n || u.Used != int64(n)*(objectCharge+blockCharge+page) || u.Used < du(t, c.dir) {
		t.Errorf("%+v of %d files, %d bytes on the disk", u, n, du(t, c.dir))
	}
	if _, err := os.Stat(dir + "/0/stray"); err == nil {
		t.Error("what is no object stays")
	}
	c.Resize(int64(n/2) * (objectCharge + blockCharge + page) * spare / (spare - 1))
	for _, i := range []int{0, 1, n/2 - 2, n/2 + 2, n - 1} {
		f := c.Object(list[i], int64(len(list[i].body)))
		if there, want := f.Kept() > 0, i == 0 || i > n/2; there != want {
			t.Errorf("file %d of %d is there: %v", i, n, there)
		}
		f.Close()
	}
	if first.requests.Load() > 0 {
		t.Error("what was there was fetched")
	}
}

// While it is not known what there is, reads are answered, and nothing is kept.
func TestScanning(t *testing.T) {
	dir := t.TempDir()
	list := fillDir(t, dir+"/0", 2)
	c := openCache(t, dir, 64<<20)
	c.mu.Lock()
	c.scanning = true
	c.mu.Unlock()
	new := newSource("new", 3<<20)
	f := c.Object(new, 3<<20)
	defer f.Close()
	readAt(t, f, new.body, 0, 3<<20)
	settled(c)
	if f.Kept() > 0 {
		t.Error("something is kept")
	}
	g := c.Object(list[0], int64(len(list[0].body)))
	defer g.Close()
	readAt(t, g, list[0].body, 0, len(list[0].body))
	if list[0].requests.Load() > 0 {
		t.Error("what was there was fetched")
	}
	if _, err := os.Stat(c.dir + "/" + fileName("new", 3<<20)); !os.IsNotExist(err) {
		t.Errorf("a file was made: %v", err)
	}
}
