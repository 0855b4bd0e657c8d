package cache

import (
	"testing"
	"time"
)

type paced struct {
	*source
	pace time.Duration
}

func (p paced) Pace() time.Duration { return p.pace }

// A store of which many ranges are asked for at once answers all of them late. It is far
// away only if it took as long to be listed, which counts too while it has not answered.
func TestPace(t *testing.T) {
	const late = 3 * far
	for _, c := range []struct {
		key           string
		pace          time.Duration // of listing; 0: it is not known
		before, after bool
	}{
		{"s3://unknown/k#1", 0, false, true},
		{"s3://far/k#1", late, true, true},
		{"s3://near/k#1", far / 5, false, false},
	} {
		cache := openCache(t, t.TempDir(), 64<<20)
		src := paced{newSource(c.key, unit), c.pace}
		if cache.far(src) != c.before {
			t.Errorf("%s: before the first answer far is %v, want %v", c.key, !c.before, c.before)
		}
		cache.answered(src, late)
		if cache.far(src) != c.after {
			t.Errorf("%s: far is %v, want %v", c.key, !c.after, c.after)
		}
	}
}
