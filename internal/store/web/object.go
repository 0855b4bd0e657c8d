package web

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"artifactfs.dev/artifactfs/internal/store"
)

// Object is the content that a file had when it was looked at. It is safe for
// concurrent use.
type Object struct {
	c       *Client
	url     *url.URL
	Size    int64
	ModTime time.Time // zero if the server does not say
	is      identity

	mu   sync.Mutex // guards what follows
	at   place      // where it was redirected to; none: ask at url
	till time.Time  // when to ask at url again
}

var _ store.Object = (*Object)(nil)

// identity is how a server names the content of a file.
type identity struct {
	etag     string // "" if there is none
	modified string // Last-Modified, "" if there is none
	sure     bool   // the content is the same wherever this is
}

// identityOf reads an answer's head. A time of change says what the content is once it
// is long enough ago: in that second there may be another (RFC 9110, 8.8.2.2).
func identityOf(h http.Header) identity {
	is := identity{etag: h.Get("ETag"), modified: h.Get("Last-Modified")}
	changed, err := http.ParseTime(is.modified)
	now, err2 := http.ParseTime(h.Get("Date"))
	is.sure = is.strong() || is.etag == "" && err == nil && err2 == nil && now.Sub(changed) > time.Minute
	return is
}

// strong reports whether the tag stands for the very bytes.
func (is identity) strong() bool { return strings.HasPrefix(is.etag, `"`) }

// conditions has a server send a range only of this content.
func (is identity) conditions(h http.Header) {
	if is.strong() {
		h.Set("If-Match", is.etag)
		h.Set("If-Range", is.etag)
		return
	}
	if is.modified != "" {
		h.Set("If-Unmodified-Since", is.modified)
	}
}

// same reports whether an answer is of this content. Not every server heeds conditions,
// and some leave a header out of a range's answer, but not both.
func (is identity) same(h http.Header) bool {
	now := identity{etag: h.Get("ETag"), modified: h.Get("Last-Modified")}
	if is.etag != "" && now.etag != "" {
		return is.etag == now.etag
	}
	return is.modified != "" && is.modified == now.modified
}

// Look asks a server for what it says of a file; fs.ErrNotExist if it has none. It asks
// for the first byte, because addresses may be signed for GET alone.
func (c *Client) Look(ctx context.Context, u *url.URL) (*Object, error) {
	ctx, cancel := context.WithTimeout(ctx, c.opt.Deadline)
	defer cancel()
	res, _, err := c.ask(ctx, http.MethodGet, place{u: u}, http.Header{"Range": {"bytes=0-0"}})
	if err != nil {
		return nil, err
	}
	discard(res)
	o := &Object{c: c, url: u, Size: -1, is: identityOf(res.Header)}
	switch res.StatusCode {
	case http.StatusPartialContent, http.StatusRequestedRangeNotSatisfiable:
		_, _, o.Size = contentRange(res.Header.Get("Content-Range"))
	case http.StatusOK:
		o.Size = res.ContentLength
	default:
		return nil, &statusError{Show(u), res.StatusCode}
	}
	if o.Size < 0 {
		if err := o.head(ctx); err != nil {
			return nil, err
		}
	}
	if o.ModTime, err = http.ParseTime(o.is.modified); err != nil {
		o.ModTime = time.Time{}
	}
	switch e := res.Header.Get("Content-Encoding"); {
	case e != "" && e != "identity":
		return nil, fmt.Errorf("%s: its server sends it encoded as %s only: %w", Show(u), e, syscall.EOPNOTSUPP)
	case o.is.etag == "" && o.is.modified == "":
		return nil, fmt.Errorf("%s: its server says neither ETag nor Last-Modified, so that a change would not be noticed; copy it to a directory or a bucket: %w", Show(u), syscall.EOPNOTSUPP)
	}
	return o, nil
}

// head asks for a length that a range's answer did not say.
func (o *Object) head(ctx context.Context) error {
	res, _, err := o.c.ask(ctx, http.MethodHead, place{u: o.url}, nil)
	if err != nil {
		return err
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK || res.ContentLength < 0 {
		return fmt.Errorf("%s: its server does not say how large it is, and a file has a size; copy it to a directory or a bucket: %w", Show(o.url), syscall.EOPNOTSUPP)
	}
	o.Size, o.is = res.ContentLength, identityOf(res.Header)
	return nil
}

// Key is the URL and what its server names the content by; "" where that is no name
// for certain. A query, which may be a signature, is in it as a digest.
func (o *Object) Key() string {
	if !o.is.sure {
		return ""
	}
	key := Show(o.url)
	if o.url.RawQuery != "" {
		key += fmt.Sprintf("?%x", sha256.Sum256([]byte(o.url.RawQuery)))
	}
	if o.is.strong() {
		return key + "#" + o.is.etag
	}
	return key + "#" + o.is.modified
}

// Tag is what its server names the content by, certain or not.
func (o *Object) Tag() string { return o.is.etag + o.is.modified }

// ReadRange reads from the content that was looked at: EIO once the file has another.
func (o *Object) ReadRange(ctx context.Context, off, n int64) (io.ReadCloser, error) {
	if n = min(n, o.Size-off); n <= 0 {
		return http.NoBody, nil
	}
	h := http.Header{"Range": {fmt.Sprintf("bytes=%d-%d", off, off+n-1)}}
	o.is.conditions(h)
	res, err := o.get(ctx, h)
	if err != nil {
		return nil, err
	}
	if err := o.accept(res, off); err != nil {
		res.Body.Close()
		return nil, err
	}
	return &body{res.Body, o, ctx, n}, nil
}

// redirectFor is how long the place that a file was redirected to is asked at once.
// Such places are signed for minutes as a rule.
const redirectFor = time.Minute

// get sends a request to where the file was last, and if that refuses to its address.
func (o *Object) get(ctx context.Context, h http.Header) (*http.Response, error) {
	o.mu.Lock()
	last := o.at
	if time.Now().After(o.till) {
		last = place{}
	}
	o.mu.Unlock()
	if last.u != nil {
		res, _, err := o.c.ask(ctx, http.MethodGet, last, h)
		if err == nil && res.StatusCode < 400 {
			return res, nil
		}
		if err == nil {
			discard(res)
		}
	}
	res, at, err := o.c.ask(ctx, http.MethodGet, place{u: o.url}, h)
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.at = (place{}); err == nil && at.u != o.url {
		o.at, o.till = at, time.Now().Add(redirectFor)
	}
	return res, err
}

// maxSkip is how much is thrown away of the answer of a server that knows no ranges.
const maxSkip = 64 << 20

// accept looks at an answer: it must be of the content that was looked at, and from
// where it was asked for.
func (o *Object) accept(res *http.Response, off int64) error {
	from, total := int64(0), res.ContentLength
	switch res.StatusCode {
	case http.StatusPartialContent:
		var ok bool
		if from, ok, total = contentRange(res.Header.Get("Content-Range")); !ok || from != off {
			return fmt.Errorf("%s: the server was asked for the bytes from %d and sent others: %w", Show(o.url), off, syscall.EIO)
		}
	case http.StatusOK:
	case http.StatusPreconditionFailed, http.StatusRequestedRangeNotSatisfiable:
		return o.changed()
	default:
		return &statusError{Show(o.url), res.StatusCode}
	}
	if !o.is.same(res.Header) || total >= 0 && total != o.Size {
		return o.changed()
	}
	if off == from {
		return nil
	}
	if off > maxSkip {
		return fmt.Errorf("%s: its server knows no ranges, and sends the file from its beginning; copy it to a directory or a bucket: %w", Show(o.url), syscall.EIO)
	}
	if _, err := io.CopyN(io.Discard, res.Body, off); err != nil {
		return fmt.Errorf("%s: %w", Show(o.url), store.NetworkError(err))
	}
	return nil
}

func (o *Object) changed() error {
	return fmt.Errorf("%s was changed since it was opened: %w", Show(o.url), syscall.EIO)
}

// contentRange reads bytes FROM-TO/TOTAL, and bytes */TOTAL; a TOTAL of * is -1.
func contentRange(s string) (from int64, ok bool, total int64) {
	span, all, cut := strings.Cut(strings.TrimPrefix(s, "bytes "), "/")
	total, err := strconv.ParseInt(all, 10, 64)
	if err != nil {
		total = -1
	}
	first, _, dash := strings.Cut(span, "-")
	from, err = strconv.ParseInt(first, 10, 64)
	return from, cut && dash && err == nil && strings.HasPrefix(s, "bytes "), total
}

// body is a range. An answer that breaks off is io.ErrUnexpectedEOF as well: the rest
// may be asked for.
type body struct {
	io.ReadCloser
	o    *Object
	ctx  context.Context
	left int64
}

func (b *body) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, io.EOF
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	switch {
	case err == nil || b.left == 0:
		return n, nil
	case errors.Is(b.ctx.Err(), context.DeadlineExceeded):
		return n, fmt.Errorf("%s: not within the deadline: %w", Show(b.o.url), os.ErrDeadlineExceeded)
	case b.ctx.Err() != nil:
		return n, fmt.Errorf("%s: %w", Show(b.o.url), b.ctx.Err())
	}
	return n, fmt.Errorf("%s: the answer breaks off (%v): %w (%w)", Show(b.o.url), err, syscall.EIO, io.ErrUnexpectedEOF)
}
