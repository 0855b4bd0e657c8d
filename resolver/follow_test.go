package resolver

import (
	"fmt"
	"testing"

	"artifactfs.dev/artifactfs/internal/store"
)

// Only who reads in the order of the listing has files fetched that he has not opened.
func TestFollow(t *testing.T) {
	listing := func(size int64) *followed {
		f := newFollow()
		var list []store.File
		for i := range 100 {
			list = append(list, store.File{Name: fmt.Sprintf("%03d", i), Size: size})
		}
		list[5].Dir, list[6].Size = true, followLarge+1
		f.listed("d", list)
		w, _ := f.dirs.Get("d")
		return w
	}
	for _, c := range []struct {
		name string
		size int64
		open []int
		want int // files fetched ahead
	}{
		{"one file", 10, []int{3}, 0},
		{"two in order", 10, []int{10, 11}, 4},
		{"in order", 10, []int{10, 11, 12, 13, 14, 15, 16, 17}, 6 + 64},
		{"with gaps", 10, []int{10, 12, 14, 16, 18}, 32 + 6},
		{"again", 10, []int{10, 11, 11, 10, 11}, 4},
		{"at random", 10, []int{10, 60, 20, 80, 40, 90}, 0},
		{"backward", 10, []int{90, 80, 70, 60}, 0},
		{"over a directory and a large file", 10, []int{2, 3}, 2},
		{"to the end", 10, []int{96, 97, 98, 99}, 2},
		{"not too many bytes", followBytes / 4, []int{10, 11, 12, 13}, 4 + 2},
		{"no such file", 10, []int{200, 201, 202}, 0},
	} {
		w, got := listing(c.size), 0
		for _, i := range c.open {
			got += len(w.after(fmt.Sprintf("%03d", i), followBytes))
		}
		if got != c.want {
			t.Errorf("%s: %d files fetched ahead, want %d", c.name, got, c.want)
		}
	}
	w := listing(10)
	w.after("010", 25)
	if got := w.after("011", 25); len(got) != 2 {
		t.Errorf("in a small cache: %q", got)
	}
	f := newFollow()
	if f.listed("d", make([]store.File, followNames+1)); f.dirs.Len() != 0 {
		t.Error("a very large listing is kept")
	}
}
