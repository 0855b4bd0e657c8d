package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"syscall"
	"time"

	"artifactfs.dev/artifactfs/internal/store"
)

// Options of a Client; nil and zero values are fine.
type Options struct {
	// Allowed returns why requests may not go to a place, if they may not, and whether
	// it was named by who runs this: then it may have any address. Nil: to https only.
	Allowed func(u *url.URL) (named bool, err error)

	Deadline time.Duration // of one look; 0: store.DefaultDeadline
	Lasts    time.Duration // how long what was looked at is good for; 0: a minute
}

// Client asks web servers. It is safe for concurrent use.
type Client struct {
	opt Options
	by  [reaches]*http.Transport
}

// NewClient returns a client.
func NewClient(o *Options) *Client {
	c := &Client{}
	if o != nil {
		c.opt = *o
	}
	if c.opt.Allowed == nil {
		c.opt.Allowed = func(u *url.URL) (bool, error) {
			if u.Scheme != "https" {
				return false, fmt.Errorf("%s is not https: %w", Show(u), syscall.EPERM)
			}
			return false, nil
		}
	}
	if c.opt.Deadline <= 0 {
		c.opt.Deadline = store.DefaultDeadline
	}
	if c.opt.Lasts <= 0 {
		c.opt.Lasts = time.Minute
	}
	for r := range c.by {
		c.by[r] = reach(r).transport()
	}
	return c
}

// statusError is an answer that says that what was asked for is not to be had.
type statusError struct {
	at     string
	status int
}

func (e *statusError) Error() string {
	words := fmt.Sprintf("%s: the server answers %d %s", e.at, e.status, http.StatusText(e.status))
	if e.status == http.StatusForbidden || e.status == http.StatusUnauthorized {
		words += "; no credentials are sent, and an address that is signed may have expired"
	}
	return words
}

// Unwrap returns what a status means to a file.
func (e *statusError) Unwrap() error {
	switch e.status {
	case http.StatusNotFound, http.StatusGone:
		return os.ErrNotExist
	case http.StatusForbidden, http.StatusUnauthorized:
		return os.ErrPermission
	}
	return syscall.EIO
}

// tries is how often a request is sent that fails in a way that may pass.
const tries = 4

// ask sends a request until there is an answer that is worth reading. It returns where
// that came from. The caller closes the body.
func (c *Client) ask(ctx context.Context, method string, p place, h http.Header) (*http.Response, place, error) {
	u := p.u
	for try := 1; ; try++ {
		res, at, err := c.follow(ctx, method, p, h)
		again, wait := mayPass(res, err, try)
		if !again || try == tries {
			return res, at, c.failed(ctx, u, err)
		}
		if err == nil {
			err = &statusError{Show(u), res.StatusCode}
			discard(res)
		}
		if until, ok := ctx.Deadline(); ok && time.Until(until) < wait {
			return nil, place{}, c.failed(ctx, u, err)
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil, place{}, c.failed(ctx, u, err)
		}
	}
}

// failed says what an error of a connection is to a file. No words of its own hold
// more of a URL than Show.
func (c *Client) failed(ctx context.Context, u *url.URL, err error) error {
	var status *statusError
	switch {
	case err == nil, errors.Is(err, errRefused):
		return err
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("%s: no answer in time: %w", Show(u), os.ErrDeadlineExceeded)
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %w", Show(u), ctx.Err())
	case errors.As(err, &status):
		return err
	}
	return fmt.Errorf("%s: the server does not answer (%v): %w", Show(u), err, syscall.EIO)
}

// mayPass reports whether to ask again, and when.
func mayPass(res *http.Response, err error, try int) (bool, time.Duration) {
	wait := 100 * time.Millisecond << (try - 1)
	if err != nil {
		var lost *net.OpError
		return !errors.Is(err, errRefused) && (errors.As(err, &lost) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)), wait
	}
	switch res.StatusCode {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway,
		http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		if n, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil && n >= 0 {
			wait = time.Duration(n) * time.Second
		}
		return true, wait
	}
	return false, 0
}

// discard closes a body so that its connection can be used again, if little is left.
func discard(res *http.Response) {
	_, _ = io.CopyN(io.Discard, res.Body, 4096)
	res.Body.Close()
}
