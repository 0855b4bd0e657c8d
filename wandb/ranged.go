package wandb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// web is something that is read by HTTP ranges.
type web struct {
	c    *Client
	by   *http.Client
	what string // for messages: no signed address
	etag string // that it must have; "" if that is not known

	// address returns where it is, another place than one that was refused.
	address func(ctx context.Context, refused string) (string, error)

	mu   sync.Mutex // guards what follows
	size int64      // unknown: -1
}

// ranged reads one range of a web, and goes on where a connection breaks.
type ranged struct {
	ctx      context.Context
	w        *web
	off, end int64
	body     io.ReadCloser
	cancel   context.CancelCauseFunc
	broken   int // connections that broke without a byte
}

// stall is how long a connection may be silent.
const stall = 10 * time.Second

// maxSkip is how much is thrown away of a server that knows no ranges.
const maxSkip = 64 << 20

// maxBroken is how often a range is asked for that brings nothing.
const maxBroken = 4

func (r *ranged) Read(b []byte) (int, error) {
	for {
		if r.off >= r.end {
			return 0, io.EOF
		}
		if r.body == nil {
			if err := r.open(); err != nil {
				return 0, err
			}
		}
		n, err := r.read(b[:min(int64(len(b)), r.end-r.off)])
		r.off += int64(n)
		if n > 0 {
			r.broken = 0
			return n, nil
		}
		if err == nil {
			continue
		}
		r.Close()
		if r.ctx.Err() != nil {
			return 0, r.late()
		}
		if r.broken++; r.broken >= maxBroken || !awake(r.ctx, time.Duration(r.broken)*100*time.Millisecond) {
			_, words := networkError(err)
			return 0, r.fault(Unreachable, 0, "%s at byte %d of %d", words, r.off, r.end)
		}
	}
}

// read reads from the connection, which is given up when it is silent.
func (r *ranged) read(b []byte) (int, error) {
	t := time.AfterFunc(min(stall, attemptWithin(r.ctx, attemptTime)), func() { r.cancel(context.DeadlineExceeded) })
	defer t.Stop()
	n, err := r.body.Read(b)
	if err == io.EOF && r.off+int64(n) < r.end {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func (r *ranged) late() error {
	if errors.Is(r.ctx.Err(), context.Canceled) {
		return context.Canceled
	}
	return r.fault(TimedOut, 0, "no answer within the deadline")
}

// Close ends the connection.
func (r *ranged) Close() error {
	if r.body == nil {
		return nil
	}
	err := r.body.Close()
	r.cancel(nil)
	r.body = nil
	return err
}

// open asks for what is left of the range. An address whose signature has expired is
// replaced by a new one, three times at most.
func (r *ranged) open() error {
	const renewals = 3
	refused, renewed := "", 0
	_, err := retry(r.ctx, func(context.Context) (struct{}, error) {
		for {
			address, err := r.w.address(r.ctx, refused)
			if err != nil {
				return struct{}{}, err
			}
			status, err := r.ask(address)
			if err == nil || !signedAway(status) || renewed == renewals {
				return struct{}{}, err
			}
			refused = address
			renewed++
		}
	})
	if err != nil && r.ctx.Err() != nil {
		if errors.Is(err, context.Canceled) {
			return r.late()
		}
	}
	return err
}

// ask sends one request. An error that can pass is an again.
func (r *ranged) ask(address string) (status int, err error) {
	ctx, cancel := context.WithCancelCause(r.ctx)
	t := time.AfterFunc(attemptWithin(r.ctx, attemptTime), func() { cancel(context.DeadlineExceeded) })
	defer t.Stop()
	defer func() {
		if err != nil {
			cancel(nil)
		}
	}()
	h := http.Header{"Range": {fmt.Sprintf("bytes=%d-%d", r.off, r.end-1)}}
	res, err := r.w.c.fetch(ctx, r.w.by, address, h)
	if err != nil {
		if r.ctx.Err() != nil {
			return 0, r.late()
		}
		if refused := asRefused(err); refused != nil {
			return 0, fmt.Errorf("%s: %w", r.w.what, refused)
		}
		kind, words := TimedOut, "no answer within the time of one attempt"
		if cause := context.Cause(ctx); cause == nil {
			kind, words = networkError(err)
		}
		return 0, &again{err: r.fault(kind, 0, "%s", words)}
	}
	if err = r.accept(res); err != nil {
		res.Body.Close()
		return res.StatusCode, err
	}
	r.body, r.cancel = res.Body, cancel
	return res.StatusCode, nil
}

func (r *ranged) fault(kind Kind, status int, format string, args ...any) *Error {
	e := r.w.c.fail(kind, r.w.what, format, args...)
	e.Status = status
	return e
}

// accept looks at an answer: the bytes must be those that were asked for, of the
// object that was looked up.
func (r *ranged) accept(res *http.Response) error {
	switch res.StatusCode {
	case http.StatusOK, http.StatusPartialContent:
	default:
		e := r.w.c.refused(res, r.w.what)
		if res.StatusCode >= 500 || res.StatusCode == http.StatusTooManyRequests || res.StatusCode == http.StatusRequestTimeout {
			return &again{err: e, wait: waitAfter(res.Header, time.Now())}
		}
		return e
	}
	if tag := res.Header.Get("ETag"); r.w.etag != "" && tag != "" && !sameTag(tag, r.w.etag) {
		return r.fault(BadAnswer, 0, "it was changed since it was logged: its ETag is %s, expected %s", tag, r.w.etag)
	}
	at, total := int64(0), res.ContentLength
	if res.StatusCode == http.StatusPartialContent {
		var ok bool
		if at, total, ok = contentRange(res.Header.Get("Content-Range")); !ok || at != r.off {
			return r.fault(BadAnswer, res.StatusCode, "bytes were sent that were not asked for")
		}
	}
	if size := r.w.known(); size >= 0 && total >= 0 && total != size {
		return r.fault(BadAnswer, 0, "it has %d bytes, and had %d when it was logged", total, size)
	}
	if skip := r.off - at; skip > maxSkip {
		return r.fault(BadAnswer, 0, "its server knows no ranges")
	} else if skip > 0 {
		if _, err := io.CopyN(io.Discard, res.Body, skip); err != nil {
			kind, words := networkError(err)
			return &again{err: r.fault(kind, 0, "%s", words)}
		}
	}
	return nil
}

// contentRange reads bytes FROM-TO/TOTAL; the total may be *, which is -1.
func contentRange(s string) (from, total int64, ok bool) {
	s, ok = strings.CutPrefix(s, "bytes ")
	span, all, cut := strings.Cut(s, "/")
	first, _, dash := strings.Cut(span, "-")
	from, err := strconv.ParseInt(first, 10, 64)
	total, err2 := strconv.ParseInt(all, 10, 64)
	if all == "*" {
		total, err2 = -1, nil
	}
	return from, total, ok && cut && dash && err == nil && err2 == nil
}

// sameTag compares ETags: W&B records some without their quotes.
func sameTag(a, b string) bool {
	plain := func(s string) string { return strings.Trim(strings.TrimPrefix(s, "W/"), `"`) }
	return plain(a) == plain(b)
}

// length returns the size.
func (w *web) length(ctx context.Context) (int64, error) {
	if size := w.known(); size >= 0 {
		return size, nil
	}
	size, err := w.look(ctx)
	if err == nil {
		w.mu.Lock()
		w.size = size
		w.mu.Unlock()
	}
	return size, err
}

func (w *web) known() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.size
}

// look asks for the size, by the first byte: addresses are signed for GET alone.
func (w *web) look(ctx context.Context) (int64, error) {
	r := &ranged{ctx: ctx, w: w, end: 1}
	defer r.Close()
	var size int64
	_, err := retry(ctx, func(context.Context) (struct{}, error) {
		address, err := w.address(ctx, "")
		if err != nil {
			return struct{}{}, err
		}
		res, err := w.c.fetch(ctx, w.by, address, http.Header{"Range": {"bytes=0-0"}})
		if refused := asRefused(err); refused != nil {
			return struct{}{}, fmt.Errorf("%s: %w", w.what, refused)
		}
		if err != nil {
			kind, words := networkError(err)
			return struct{}{}, &again{err: r.fault(kind, 0, "%s", words)}
		}
		defer res.Body.Close()
		if res.StatusCode == http.StatusRequestedRangeNotSatisfiable {
			size = 0
			return struct{}{}, nil
		}
		if err := r.accept(res); err != nil {
			return struct{}{}, err
		}
		size = res.ContentLength
		if res.StatusCode == http.StatusPartialContent {
			_, size, _ = contentRange(res.Header.Get("Content-Range"))
		}
		return struct{}{}, nil
	})
	if err == nil && size < 0 {
		err = fmt.Errorf("%s: its server does not say how large it is: %w", w.what, syscall.EIO)
	}
	return size, err
}
