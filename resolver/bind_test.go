package resolver

import (
	"strings"
	"testing"
	"time"
)

// A link that leaves a version which takes most of a second to be looked at is found
// at the next check. One that takes longer is looked at rarely, but is.
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
		b.took, b.at = c.took, now
		now = now.Add(c.after)
		err := s.RewalkBinding(ctx, b)
		if found := err != nil && strings.Contains(err.Error(), "leaves the version"); found != c.found {
			t.Errorf("a look took %v: %v later: %v; want it found: %v", c.took, c.after, err, c.found)
		}
	}
}
