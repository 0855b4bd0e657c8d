package resolver

import (
	"context"
	"sync"
	"time"
)

// refresh is the control file that has the tree forget what it remembers, whatever
// is written. Everybody may: what comes of it is what is there. But what everybody
// remembers is forgotten with it, so it is done once a second at most.
type refresh struct{ t *Tree }

var _ Control = refresh{}

func (r refresh) Open(context.Context, int) (Handle, error) { return &refreshHandle{t: r.t}, nil }

type refreshHandle struct{ t *Tree }

// Write returns when it has been done, since it was asked for.
func (h *refreshHandle) Write(ctx context.Context, p []byte, _ int64) (int, error) {
	if err := h.t.refreshes.ask(ctx, h.t.Refresh); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (h *refreshHandle) Read(context.Context, []byte, int64) (int, error) { return 0, nil }
func (h *refreshHandle) Flush(context.Context) error                      { return nil }
func (h *refreshHandle) Size() int64                                      { return 0 }
func (h *refreshHandle) Close() error                                     { return nil }

// seldom does one thing for many who ask, with a second between one time and the
// next. The zero value is ready.
type seldom struct {
	mu      sync.Mutex // guards below
	pending chan struct{}
	next    time.Time
}

const seldomEvery = time.Second

// ask returns when do has been called after ask was, and has returned.
func (s *seldom) ask(ctx context.Context, do func()) error {
	s.mu.Lock()
	if s.pending == nil {
		now, done := time.Now(), make(chan struct{})
		if s.next.Before(now) {
			s.next = now
		}
		s.pending = done
		time.AfterFunc(s.next.Sub(now), func() {
			s.mu.Lock()
			s.pending = nil // who asks from here on is not answered by this
			s.next = time.Now().Add(seldomEvery)
			s.mu.Unlock()
			do()
			close(done)
		})
	}
	pending := s.pending
	s.mu.Unlock()
	select {
	case <-pending:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
