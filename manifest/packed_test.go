package manifest

import "testing"

func TestPackedHas(t *testing.T) {
	names := []string{"a", "a-b", "b", "bb", "c", "m", "z"}
	for n := range len(names) + 1 {
		p := pack(names[:n])
		for i, name := range names {
			if got := p.has(name); got != (i < n) {
				t.Errorf("%q has %q: %v", p, name, got)
			}
		}
		for _, name := range []string{"", "-", "aa", "c-", "n", "zz", "a/b"} {
			if p.has(name) {
				t.Errorf("%q has %q", p, name)
			}
		}
	}
}
