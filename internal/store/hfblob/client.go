package hfblob

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// client makes requests as one user of one Hub.
type client struct {
	o    Options
	base *url.URL
	http *http.Client
}

func newClient(o *Options) (*client, error) {
	c := &client{}
	if o != nil {
		c.o = *o
	}
	if c.o.Endpoint == "" {
		c.o.Endpoint = endpoint
	}
	if c.o.Timeout == 0 {
		c.o.Timeout = 20 * time.Second
	}
	if c.o.Wait == 0 {
		c.o.Wait = time.Minute
	}
	base, err := url.Parse(strings.TrimRight(c.o.Endpoint, "/"))
	if err != nil || base.Host == "" || base.Scheme != "https" && base.Scheme != "http" {
		return nil, fmt.Errorf("the Hub's endpoint %q is not a URL such as %s", c.o.Endpoint, endpoint)
	}
	c.base = base
	if c.o.Transport == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.MaxIdleConnsPerHost = 32
		c.o.Transport = t
	}
	c.http = &http.Client{Transport: c.o.Transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return c, nil
}

// request is one that can be made again.
type request struct {
	method string
	url    string // whole
	body   func() (io.ReadCloser, error)
	size   int64
	header http.Header
	once   bool // an answer that is lost may have had its effect: the caller looks
}

// attempt makes a request once. Its answer begins, and goes on, within the timeout.
func (c *client) attempt(ctx context.Context, r *request) (*http.Request, *http.Response, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	timer := time.AfterFunc(c.o.Timeout, func() { cancel(errNoAnswer) })
	req, err := http.NewRequestWithContext(ctx, r.method, r.url, nil)
	if err != nil {
		cancel(nil)
		return nil, nil, err
	}
	if r.body != nil {
		if req.Body, err = r.body(); err != nil {
			cancel(nil)
			return nil, nil, err
		}
		req.Body = &sending{req.Body, timer, c.o.Timeout}
		req.GetBody, req.ContentLength = r.body, r.size
	}
	for k, v := range r.header {
		req.Header[k] = v
	}
	req.Header.Set("User-Agent", "artifactfs; gocloud/hfblob")
	if c.o.Token != "" && c.own(req.URL) {
		req.Header.Set("Authorization", "Bearer "+c.o.Token)
	}
	res, err := c.http.Do(req)
	if err != nil {
		timer.Stop()
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		cancel(nil)
		return req, nil, plain(err)
	}
	timer.Stop()
	res.Body = &receiving{res.Body, timer, c.o.Timeout, func() { cancel(nil) }, ctx}
	return req, res, nil
}

var errNoAnswer = errors.New("the Hub does not answer")

// plain takes the URL off an error: it may be signed.
func plain(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// sending is a body that must be taken on and on.
type sending struct {
	io.ReadCloser
	timer   *time.Timer
	timeout time.Duration
}

func (s *sending) Read(b []byte) (int, error) {
	s.timer.Reset(s.timeout)
	return s.ReadCloser.Read(b)
}

// receiving is a body of which each read must end in time. Between reads it may rest.
type receiving struct {
	io.ReadCloser
	timer   *time.Timer
	timeout time.Duration
	closed  func()
	ctx     context.Context // of this one request
}

func (r *receiving) Read(b []byte) (int, error) {
	r.timer.Reset(r.timeout)
	n, err := r.ReadCloser.Read(b)
	r.timer.Stop()
	if err != nil && err != io.EOF && context.Cause(r.ctx) != nil {
		err = context.Cause(r.ctx)
	}
	return n, err
}

func (r *receiving) Close() error {
	err := r.ReadCloser.Close()
	r.timer.Stop()
	r.closed()
	return err
}

// own reports whether a URL is on the Hub's own host, which alone is told the token.
func (c *client) own(u *url.URL) bool { return u.Scheme == c.base.Scheme && u.Host == c.base.Host }

// tries is how often a request is made that has no answer: whoever waits is better
// told within seconds that there is none.
const tries = 4

// do makes a request until it has an answer: a redirect is one. It waits where the Hub
// asks for that and there is time.
func (c *client) do(ctx context.Context, r *request) (*http.Response, error) {
	if c.o.Offline {
		return nil, errOffline
	}
	begun := time.Now()
	for try := 0; ; try++ {
		req, res, err := c.attempt(ctx, r)
		switch {
		case err == nil && res.StatusCode < 400:
			return res, nil
		case err == nil:
			err = errorOf(req, res)
		case ctx.Err() != nil:
			return nil, ctx.Err()
		}
		wait, ok := c.retry(res, r.once, try)
		if !ok {
			return nil, err
		}
		if err := c.sleep(ctx, begun, wait, err); err != nil {
			return nil, err
		}
	}
}

// retry says how long to wait before a request that failed is made again, if at all.
func (c *client) retry(res *http.Response, once bool, try int) (time.Duration, bool) {
	switch {
	case res != nil && res.StatusCode == http.StatusTooManyRequests:
		return limitOf(res.Header), true
	case res != nil && res.StatusCode == http.StatusConflict: // with another operation, which will end
		return backoff(try), try+1 < tries
	case once, try+1 >= tries, res != nil && !transient(res.StatusCode):
		return 0, false
	}
	return backoff(try), true
}

// backoff is 250 ms, doubled at each try up to 8 s, and half of it by chance.
func backoff(try int) time.Duration {
	d := min(250*time.Millisecond<<min(try, 10), 8*time.Second)
	return d/2 + rand.N(d/2)
}

// sleep waits, unless there is no time for that: then it returns why it would have.
func (c *client) sleep(ctx context.Context, begun time.Time, d time.Duration, why error) error {
	until, ok := ctx.Deadline()
	if !ok {
		until = begun.Add(c.o.Wait)
	}
	if time.Until(until) < d {
		return fmt.Errorf("the Hub is to be asked again in %s, and that is too late: %w", d.Round(time.Second), why)
	}
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// api makes a request to the Hub's API and reads its JSON into out. It follows where a
// repository has been moved.
func (c *client) api(ctx context.Context, r *request, out any) (http.Header, error) {
	for hop := 0; ; hop++ {
		res, err := c.do(ctx, r)
		if err != nil {
			return nil, err
		}
		if res.StatusCode >= 300 {
			res.Body.Close()
			to, err := res.Request.URL.Parse(res.Header.Get("Location"))
			if err != nil || !c.own(to) || hop > 3 {
				return nil, fmt.Errorf("%s %s is redirected to where the Hub is not", r.method, res.Request.URL.Path)
			}
			moved := *r
			moved.url = to.String()
			r = &moved
			continue
		}
		err = json.NewDecoder(io.LimitReader(res.Body, 64<<20)).Decode(out)
		res.Body.Close()
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", r.method, res.Request.URL.Path, err)
		}
		return res.Header, nil
	}
}

// jsonBody makes a request's body of v.
func jsonBody(r *request, v any) *request {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return bytesBody(r, b, "application/json")
}

func bytesBody(r *request, b []byte, contentType string) *request {
	if r.header == nil {
		r.header = http.Header{}
	}
	r.header.Set("Content-Type", contentType)
	r.body = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }
	r.size = int64(len(b))
	return r
}
