package cache

import (
	"bytes"
	"crypto/md5"
	"errors"
	"io"
	"os"
	"syscall"
	"testing"
)

// A file that is complete can be opened, and stays while it is.
func TestOpenWhole(t *testing.T) {
	dir := t.TempDir()
	c := openCache(t, dir, 4<<20)
	src := digested{newSource("a", 2<<20)}
	sum := md5.Sum(src.body)
	src.digest = sum[:]
	f := c.Object(src, 2<<20)
	readAt(t, f, src.body, 0, 100)
	readAt(t, f, src.body, 1<<20, 1<<19)
	if _, err := f.Open(t.Context()); !errors.Is(err, ErrIncomplete) {
		t.Fatalf("a part of it: %v", err)
	}
	readAt(t, f, src.body, 0, 2<<20)
	real, err := f.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	other := newSource("b", 20<<20)
	g := c.Object(other, 20<<20)
	defer g.Close()
	for off := 0; off < 20<<20; off += 1 << 20 {
		readAt(t, g, other.body, off, 1<<20)
	}
	if got, err := io.ReadAll(real); err != nil || !bytes.Equal(got, src.body) {
		t.Errorf("after the cache was full: %d bytes, %v", len(got), err)
	}
	f.Close()
	real.Close()
	for off := 0; off < 20<<20; off += 1 << 20 {
		readAt(t, g, other.body, off, 1<<20)
	}
	settled(c)
	f = c.Object(src, 2<<20)
	defer f.Close()
	if _, err := f.Open(t.Context()); !errors.Is(err, ErrIncomplete) {
		t.Errorf("closed, it is not evicted: %v", err)
	}
}

// What is open whole stays for who reads it when its process is killed.
func TestOpenWholeSurvives(t *testing.T) {
	dir := t.TempDir()
	c := openCache(t, dir, 4<<20)
	src, other := newSource("a", 2<<20), newSource("b", 20<<20)
	f := c.Object(src, 2<<20)
	readAt(t, f, src.body, 0, 2<<20)
	real, err := f.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	kill(c)
	c = openCache(t, dir, 4<<20)
	g := c.Object(other, 20<<20)
	defer g.Close()
	stream := func() {
		for off := 0; off < 20<<20; off += 1 << 20 {
			readAt(t, g, other.body, off, 1<<20)
		}
		settled(c)
	}
	stream()
	if got, err := io.ReadAll(real); err != nil || !bytes.Equal(got, src.body) {
		t.Errorf("after the cache was full: %d bytes, %v", len(got), err)
	}
	if u := c.Usage(); u.Used > u.Limit {
		t.Errorf("%+v", u)
	}
	real.Close()
	stream()
	if list, err := List(dir); err != nil || len(list) != 1 {
		t.Errorf("closed, it stays: %+v, %v", list, err)
	}
}

// What is open whole stays also when its sums are lost, and it is fetched anew.
func TestOpenWholeReplaced(t *testing.T) {
	dir := t.TempDir()
	c := openCache(t, dir, 64<<20)
	src := newSource("a", 2<<20)
	f := c.Object(src, 2<<20)
	readAt(t, f, src.body, 0, 2<<20)
	real, err := f.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer real.Close()
	kill(c)
	c = openCache(t, dir, 64<<20)
	if err := os.Remove(c.dir + "/" + f.o.name + sumsSuffix); err != nil {
		t.Fatal(err)
	}
	f = c.Object(src, 2<<20)
	defer f.Close()
	readAt(t, f, src.body, 0, unit)
	if got, err := io.ReadAll(real); err != nil || !bytes.Equal(got, src.body) {
		t.Errorf("%d bytes, right: %v, %v", len(got), bytes.Equal(got, src.body), err)
	}
}

// What a process wrote without getting to its sum is given back by the next one.
func TestTrim(t *testing.T) {
	dir := t.TempDir()
	c := openCache(t, dir, 64<<20)
	src := newSource("a", 8<<20)
	f := c.Object(src, 8<<20)
	readAt(t, f, src.body, 0, 100)
	kill(c)
	data, err := os.OpenFile(c.dir+"/"+fileName("a", 8<<20), os.O_RDWR, 0)
	if err == nil {
		_, err = data.WriteAt(make([]byte, 2<<20), 4<<20)
		data.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	c = openCache(t, dir, 64<<20)
	if takes := du(t, c.dir); takes > 1<<20 {
		t.Errorf("%d bytes on the disk", takes)
	}
	before := src.requests.Load()
	f = c.Object(src, 8<<20)
	defer f.Close()
	readAt(t, f, src.body, 0, 100)
	if src.requests.Load() != before {
		t.Error("what was there is gone too")
	}
}

// A file that takes more of the disk than is known of is another one.
func TestExcess(t *testing.T) {
	c := openCache(t, t.TempDir(), 64<<20)
	src := newSource("a", 8<<20)
	f := c.Object(src, 8<<20)
	readAt(t, f, src.body, 0, 100)
	f.Close()
	settled(c)
	if err := os.WriteFile(c.dir+"/"+fileName("a", 8<<20), make([]byte, 8<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	f = c.Object(src, 8<<20)
	defer f.Close()
	readAt(t, f, src.body, 0, 100)
	if takes := du(t, c.dir); takes > 1<<20 {
		t.Errorf("%d bytes on the disk", takes)
	}
}

// Content with another digest is an error, and is fetched anew by who opens it next, also
// after a restart.
func TestDigest(t *testing.T) {
	for _, restart := range []bool{false, true} {
		dir := t.TempDir()
		c := openCache(t, dir, 64<<20)
		src := digested{newSource("a", 2<<20)}
		sum := md5.Sum(src.body)
		src.digest = sum[:]
		right := src.body[5]
		src.body[5]++
		f := c.Object(src, 2<<20)
		_, _ = f.ReadContext(t.Context(), make([]byte, 2<<20), 0)
		settled(c)
		if _, err := f.ReadContext(t.Context(), make([]byte, 10), 0); !errors.Is(err, syscall.EIO) {
			t.Errorf("read: %v, want EIO", err)
		}
		f.Close()
		if restart {
			kill(c)
			c = openCache(t, dir, 64<<20)
		}
		src.body[5] = right
		f = c.Object(src, 2<<20)
		readAt(t, f, src.body, 0, 2<<20)
		settled(c)
		readAt(t, f, src.body, 0, 2<<20)
		if file, err := f.Open(t.Context()); err != nil {
			t.Error(err)
		} else {
			file.Close()
		}
		f.Close()
	}
}
