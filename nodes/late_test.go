//go:build linux

package nodes

import (
	"errors"
	"log/slog"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// What was late is an error at once when the kernel asks again, for as long as that may
// be, and nothing else is.
func TestLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l late
		check := func(when string, off int64, n int, want error) {
			t.Helper()
			if got := l.again(off, n); !errors.Is(got, want) || (want == nil) != (got == nil) {
				t.Errorf("%s, %d bytes at %d: %v, want %v", when, n, off, got, want)
			}
		}
		check("before anything", 0, 4096, nil)
		l.note(8192, 8192, os.ErrDeadlineExceeded)
		check("a page of it", 12288, 4096, os.ErrDeadlineExceeded)
		check("the same page once more", 12288, 4096, os.ErrDeadlineExceeded)
		check("before it", 4096, 4096, nil)
		check("after it", 16384, 4096, nil)
		l.note(0, 4096, os.ErrDeadlineExceeded)
		check("of two at once, the first", 0, 4096, os.ErrDeadlineExceeded)
		check("of two at once, the second", 8192, 4096, os.ErrDeadlineExceeded)
		time.Sleep(asksAgain)
		check("later", 8192, 4096, nil)
		l.note(0, 4096, os.ErrDeadlineExceeded)
		check("what was late long before", 8192, 4096, nil)
	})
}

// stalled is content that never comes.
type stalled struct{ asked int }

func (s *stalled) ReadAt([]byte, int64) (int, error) {
	s.asked++
	return 0, os.ErrDeadlineExceeded
}

func (*stalled) Close() error { return nil }

// The kernel asks for many pages, and then for one of them again: whoever reads waits
// for one deadline.
func TestReadOfStalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &stalled{}
		h := &storedHandle{n: &storedNode{node{sys: &system{log: slog.New(slog.DiscardHandler)}}}, r: c}
		for _, want := range []struct{ off, n, asked int }{{0, 128 << 10, 1}, {0, 4096, 1}, {1 << 20, 4096, 2}} {
			if _, errno := h.Read(t.Context(), make([]byte, want.n), int64(want.off)); errno != syscall.ETIMEDOUT || c.asked != want.asked {
				t.Errorf("%d bytes at %d: %v, and it was asked %d times; want ETIMEDOUT, %d", want.n, want.off, errno, c.asked, want.asked)
			}
		}
	})
}
