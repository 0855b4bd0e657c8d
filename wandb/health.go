package wandb

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"
)

// health is whether the server answers.
type health struct {
	server func(Kind, string) *Error

	mu     sync.Mutex // guards what follows
	err    error      // of the last question; nil if it was answered
	since  time.Time  // when answers stopped coming
	failed time.Time  // when the last question failed
	last   time.Time  // when the last question was answered, or failed
}

// heard takes note of how a question went.
func (h *health) heard(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last = time.Now()
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		h.err = nil
		return
	}
	h.fail(err)
}

func (h *health) fail(err error) {
	if h.err == nil {
		h.since = time.Now()
	}
	h.err, h.failed = err, time.Now()
}

// whole reports whether an error is about the server as a whole, not about what was
// asked for.
func whole(err error) bool {
	for _, k := range []Kind{Unreachable, TimedOut, Unauthorized, RateLimited, Slow} {
		if IsKind(err, k) {
			return true
		}
	}
	return false
}

// noAnswerYet is said of a question that is still out.
var noAnswerYet = fmt.Sprintf("no answer after %v, and it is waited for in the background", patience)

// slow takes note that an answer is late.
func (h *health) slow() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err == nil {
		h.fail(h.server(Slow, noAnswerYet))
	}
}

// down returns why there is no use in asking now: the server failed less than ttl ago.
func (h *health) down(ttl time.Duration) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if whole(h.err) && time.Since(h.failed) < ttl {
		return h.err
	}
	return nil
}

// unwell reports whether the last question failed.
func (h *health) unwell() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.err != nil
}

// good is how long an answer is evidence that the server is well.
const good = time.Minute

// proven reports whether the server has answered of late.
func (h *health) proven() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.err == nil && time.Since(h.last) < good
}

// cause returns the error of the last question that failed.
func (h *health) cause() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err == nil {
		return h.server(Slow, noAnswerYet)
	}
	return h.err
}

// late is the error of a caller who leaves before there is an answer.
func (h *health) late(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return context.Canceled
	}
	return h.server(TimedOut, "no answer within the deadline")
}

// forgive lets the next question be asked at once.
func (h *health) forgive() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.failed = time.Time{}
}
