package resolver

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// What leaves a version is found at the next check, however long it took to walk it; only where a look takes longer than a
// second is it looked at rarely, but it is.
func TestRewalkInTime(t *testing.T) {
	now := time.Now()
	s := newSite(t, &Options{Now: func() time.Time { return now }})
	s.file("d/sub/x", "1")
	s.log("a", "d")
	b, err := s.Bindable(ctx, "a", 1)
	ok(t, err)
	ok(t, s.WalkBinding(ctx, b))
	s.symlink("../../elsewhere", "d/sub/leaves")
	for _, c := range []struct {
		took, after time.Duration
		found       bool
	}{
		{0, 2 * time.Second, true},
		{900 * time.Millisecond, 2 * time.Second, true},
		{10 * time.Second, 2 * time.Second, false},
		{10 * time.Second, 4 * time.Minute, true},
	} {
		b.took, b.looked = c.took, now
		now = now.Add(c.after)
		err := s.RewalkBinding(ctx, b)
		if found := err != nil && strings.Contains(err.Error(), "leaves the version"); found != c.found {
			t.Errorf("a look took %v: %v later: %v; want it found: %v", c.took, c.after, err, c.found)
		}
	}
}

// Many directories whose look takes too long are not bound, and few are: that is a busy machine.
func TestSlowLookIsNotBound(t *testing.T) {
	now := time.Now()
	s := newSite(t, &Options{Now: func() time.Time { now = now.Add(2 * time.Second); return now }})
	for _, dirs := range []int{fewDirs - 2, fewDirs + 2} {
		name := fmt.Sprint("of", dirs)
		for i := range dirs {
			s.file(fmt.Sprintf("%s/%d/x", name, i), "1")
		}
		s.log(name, name)
		b, err := s.Bindable(ctx, name, 1)
		ok(t, err)
		if err := s.WalkBinding(ctx, b); (err != nil) != (dirs > fewDirs) {
			t.Errorf("%d directories whose look takes 2 s: %v", dirs, err)
		}
	}
}

// Whatever is done to a version, walking what has changed says what walking all of it says.
func TestRewalkAsWalk(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			s := newSite(t, nil)
			s.file("d/x", "1")
			s.log("a", "d")
			b, err := s.Bindable(ctx, "a", 1)
			ok(t, err)
			ok(t, s.WalkBinding(ctx, b))
			real, _ := filepath.EvalSymlinks(s.data + "/d")
			m := mutator{rand.New(rand.NewPCG(seed, 1)), real}
			for step := range 60 {
				what := ""
				for range m.IntN(3) + 1 { // some within one tick of the file system's clock
					what += " " + m.change()
				}
				again := s.RewalkBinding(ctx, b)
				whole := s.WalkBinding(ctx, &Binding{Name: b.Name, N: b.N, Real: b.Real})
				if (again == nil) != (whole == nil) {
					t.Fatalf("step %d,%s: what has changed: %v; all of it: %v", step, what, again, whole)
				}
			}
		})
	}
}

// mutator changes a directory as somebody would who should not.
type mutator struct {
	*rand.Rand
	top string
}

// place is a path some levels down, of few names: what is made is met again.
func (m mutator) place() string {
	path := m.top
	for range m.IntN(3) + 1 {
		path = filepath.Join(path, string("abc"[m.IntN(3)]))
	}
	return path
}

// change does one thing, or fails at it, and says what.
func (m mutator) change() string {
	at, other := m.place(), m.place()
	switch m.IntN(8) {
	case 0, 1:
		os.MkdirAll(at, 0o755)
		return "mkdir " + at
	case 2:
		os.WriteFile(at, nil, 0o644)
		return "write " + at
	case 3, 4:
		os.RemoveAll(at)
		return "rm " + at
	case 5:
		os.Rename(at, other)
		return "mv " + at + " " + other
	case 6:
		os.Symlink(filepath.Base(other), at)
		return "ln " + at + " inside"
	}
	os.Symlink("/etc", at)
	return "ln " + at + " outside"
}
