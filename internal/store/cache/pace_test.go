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
// away only if it took as long to be listed.
func TestPace(t *testing.T) {
	const late = 3 * far
	for _, c := range []struct {
		key  string
		pace time.Duration // of listing; 0: it is not known
		want bool
	}{
		{"s3://unknown/k#1", 0, true},
		{"s3://far/k#1", late, true},
		{"s3://near/k#1", far / 5, false},
	} {
		cache := openCache(t, t.TempDir(), 64<<20)
		src := newSource(c.key, unit)
		cache.answered(paced{src, c.pace}, late)
		if o := (&object{c: cache, head: head{key: src.Key()}}); o.far() != c.want {
			t.Errorf("%s: far is %v, want %v", c.key, o.far(), c.want)
		}
	}
}
