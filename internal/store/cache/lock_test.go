package cache

import (
	"os"
	"strconv"
	"testing"
	"time"
)

// What a process left that was a second one once goes after a day, but not what one has open
// that has run for so long.
func TestAbandoned(t *testing.T) {
	dir := t.TempDir()
	var slots []*Cache
	for i := range 4 {
		c := openCache(t, dir, 64<<20)
		src := newSource(strconv.Itoa(i), 1<<20)
		f := c.Object(src, 1<<20)
		readAt(t, f, src.body, 0, 1<<20)
		settled(c)
		f.Close()
		slots = append(slots, c)
	}
	long := time.Now().Add(-2 * abandoned)
	for _, i := range []int{1, 2} { // in use, and left
		if err := os.Chtimes(slots[i].dir+"/lock", long, long); err != nil {
			t.Fatal(err)
		}
	}
	for _, i := range []int{0, 2, 3} {
		slots[i].Close()
	}
	first := openCache(t, dir, 64<<20)
	settled(first)
	for i, want := range []int{2, 2, 0, 2} {
		if got := len(files(t, slots[i])); got != want {
			t.Errorf("in place %d are %d files, want %d", i, got, want)
		}
	}
}
