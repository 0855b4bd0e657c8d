package cache

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A disk may take room for a file, and then not what is written there. Reads go to the store,
// what was not written is not taken for kept, and it is said why; when the disk is well again
// it is used again.
func TestWriteFails(t *testing.T) {
	const size = 3 << 20
	for _, of := range []string{"data", "sums"} {
		t.Run(of, func(t *testing.T) {
			c := openCache(t, t.TempDir(), 1<<30)
			src := newSource("a", size)
			f := c.Object(src, size)
			defer f.Close()
			readAt(t, f, src.body, 0, unit)
			settled(c)
			d := f.o.disk.Load()
			file := map[string]**os.File{"data": &d.data, "sums": &d.sums}[of]
			well := *file
			bad, err := os.Open(well.Name()) // it can be read, but not written
			if err != nil {
				t.Fatal(err)
			}
			*file = bad
			readAt(t, f, src.body, 0, size)
			settled(c)
			if got := f.Kept(); got != unit {
				t.Errorf("%d bytes are kept, of which %d were written", got, unit)
			}
			if got := c.Usage().Trouble; !strings.Contains(got, syscall.EBADF.Error()) {
				t.Errorf("the trouble is %q, want it to say %q", got, syscall.EBADF.Error())
			}
			if _, err := f.Ready(); !errors.Is(err, ErrIncomplete) {
				t.Errorf("it can be opened whole: %v", err)
			}
			before := src.sent.Load()
			readAt(t, f, src.body, 0, unit)
			if src.sent.Load() != before {
				t.Error("what is kept is not read while the disk fails")
			}
			if takes, used := du(t, c.dir), c.Usage().Used; takes > used {
				t.Errorf("%d bytes are taken, and %d accounted for", takes, used)
			}

			*file = well
			bad.Close()
			c.mu.Lock()
			c.broken = time.Time{}
			c.mu.Unlock()
			readAt(t, f, src.body, 0, size)
			settled(c)
			if got := f.Kept(); got != size {
				t.Errorf("when the disk is well again, %d bytes are kept of %d", got, size)
			}
		})
	}
}
