package wandb

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
)

const (
	attemptTime = 30 * time.Second // of one attempt
	maxTries    = 20
	firstWait   = 2 * time.Second
	longestWait = time.Minute
	maxDials    = 3 // of a server that nothing listens at, where somebody waits
)

// retryable reports whether the same request can have another answer. Of the 4xx
// those can that say so; a conflict can where a run is upserted.
func retryable(k Kind, status int) bool {
	switch k {
	case Unreachable, TimedOut, RateLimited:
		return status != http.StatusNotImplemented
	case BadAnswer:
		switch status {
		case 400, 413, 422, 501:
			return false
		}
		return status >= 400
	}
	return false
}

// again is an attempt that may be repeated, after wait if that is not zero.
type again struct {
	err  *Error
	wait time.Duration
	dial bool // there was not even a connection
}

func (a *again) Error() string { return a.err.Error() }

func (a *again) Unwrap() []error {
	if a.wait > 0 {
		return []error{a.err, &backoff.RetryAfterError{Duration: a.wait}}
	}
	return []error{a.err}
}

// retry repeats an attempt while it fails in a way that can pass, within the
// deadline of ctx. A wait that would pass the deadline is not begun, and with
// little time the waits are shorter: through a mount that is the difference between
// an answer and none.
func retry[T any](ctx context.Context, attempt func(context.Context) (T, error)) (T, error) {
	return retryFor(ctx, attemptTime, attempt)
}

// retryFor is retry for attempts that may each take as long as limit.
func retryFor[T any](ctx context.Context, limit time.Duration, attempt func(context.Context) (T, error)) (T, error) {
	b := &backoff.ExponentialBackOff{InitialInterval: firstWait, RandomizationFactor: 0.25, Multiplier: 2, MaxInterval: longestWait}
	opts := []backoff.RetryOption{backoff.WithBackOff(b), backoff.WithMaxTries(triesOf(ctx)), backoff.WithMaxElapsedTime(0)}
	if ctx.Value(onceKey{}) != nil {
		opts = append(opts, backoff.WithMaxTries(1))
	}
	end, waits := ctx.Deadline()
	if waits {
		left := time.Until(end)
		b.InitialInterval = max(min(firstWait, left/15), 10*time.Millisecond)
		opts = append(opts, backoff.WithMaxElapsedTime(max(left, time.Nanosecond)))
	}
	var last *again
	dials := 0
	v, err := backoff.Retry(ctx, func() (T, error) {
		one, cancel := context.WithTimeout(ctx, attemptWithin(ctx, limit))
		defer cancel()
		v, err := attempt(one)
		if a, ok := err.(*again); ok {
			if dials++; !a.dial {
				dials = 0
			} else if waits && dials >= maxDials {
				return v, backoff.Permanent(a)
			}
			// Cut off by the deadline, an attempt knows less than the one before.
			if last == nil || ctx.Err() == nil {
				last = a
			}
		} else if err != nil {
			err = backoff.Permanent(err)
		}
		return v, err
	}, opts...)
	if _, ok := err.(*again); ok || last != nil && errors.Is(err, context.DeadlineExceeded) {
		err = last.err // backoff's own words for a passed deadline say nothing
	}
	return v, err
}

type triesKey struct{}

// WithTries returns a context whose requests are sent n times at most: for those who
// come back later by themselves.
func WithTries(ctx context.Context, n int) context.Context {
	return context.WithValue(ctx, triesKey{}, n)
}

func triesOf(ctx context.Context) uint {
	if n, ok := ctx.Value(triesKey{}).(int); ok && n > 0 {
		return uint(n)
	}
	return maxTries
}

// once is for asking whether a server is back: each question is asked one time.
func once(ctx context.Context) context.Context { return context.WithValue(ctx, onceKey{}, true) }

type onceKey struct{}

// attemptWithin returns how long one attempt may take: half of what is left, so
// that a lost packet costs an attempt and not the answer.
func attemptWithin(ctx context.Context, limit time.Duration) time.Duration {
	end, ok := ctx.Deadline()
	if !ok {
		return limit
	}
	left := time.Until(end)
	if left/2 > 2*time.Second {
		left /= 2
	}
	return min(limit, left)
}

// awake waits for d, and reports whether ctx lasted.
func awake(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// waitAfter returns how long the server asks to wait: Retry-After in seconds or as
// a date, else the time until its limit is reset.
func waitAfter(h http.Header, now time.Time) time.Duration {
	if text := h.Get("Retry-After"); text != "" {
		if s, err := strconv.ParseFloat(text, 64); err == nil && s >= 0 {
			return seconds(s)
		}
		if t, err := http.ParseTime(text); err == nil {
			return max(t.Sub(now), 0)
		}
	}
	if s, err := strconv.ParseFloat(h.Get("RateLimit-Reset"), 64); err == nil && s > 0 {
		return seconds(s)
	}
	return 0
}

// seconds bounds what a header says: an hour is for ever.
func seconds(s float64) time.Duration {
	return time.Duration(min(s, 3600) * float64(time.Second))
}

// pace slows requests down when the server says that few are left.
type pace struct {
	mu   sync.Mutex // guards next
	next time.Time
}

// fewLeft is from how many remaining requests on they are spread over the time.
const fewLeft = 10

// heard takes note of what an answer says of the limit.
func (p *pace) heard(h http.Header, now time.Time) {
	left, err := strconv.ParseFloat(h.Get("RateLimit-Remaining"), 64)
	if err != nil || left >= fewLeft {
		return
	}
	reset, err := strconv.ParseFloat(h.Get("RateLimit-Reset"), 64)
	if err != nil || reset <= 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if next := now.Add(seconds(reset / (max(left, 0) + 1))); next.After(p.next) {
		p.next = next
	}
}

// wait waits for the next request's turn. It reports false at once if that is
// beyond the deadline.
func (p *pace) wait(ctx context.Context) bool {
	p.mu.Lock()
	until := p.next
	p.mu.Unlock()
	d := time.Until(until)
	if d <= 0 {
		return true
	}
	if end, ok := ctx.Deadline(); ok && until.After(end) {
		return false
	}
	return awake(ctx, d)
}
