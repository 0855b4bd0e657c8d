package hfblob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// link is where content lies, and until when that may be asked for.
type link struct {
	url   string
	entry Entry
	until time.Time
}

// linkFor is how long a signed URL is kept. The Hub's are good for an hour or so; one
// that is not any more is resolved again.
const linkFor = 10 * time.Minute

// content is an object that is being read.
type content struct {
	io.ReadCloser
	entry Entry
}

// open reads n bytes at off of an object, or all from there if n is negative. With a
// tag it is that content, or errCondition.
func (r *Repo) open(ctx context.Context, key string, off, n int64, tag string) (*content, error) {
	path := toPath(key)
	if f, e, ok := r.openCached(path, tag); ok {
		return fileContent(f, e, off, n)
	}
	if r.c.o.Offline {
		f, e, err := r.openLocal(ctx, path, tag)
		if err != nil {
			return nil, err
		}
		return fileContent(f, e, off, n)
	}
	for _, id := range r.linkIDs(path, tag) {
		l, ok := r.s.links.Get(id)
		if !ok {
			continue
		}
		if time.Now().Before(l.until) {
			got, err := r.follow(ctx, l, off, n)
			if !expired(err) {
				return got, err
			}
		}
		r.s.links.Remove(id)
	}
	return r.resolve(ctx, path, off, n, tag)
}

// openCached opens what the local cache has under a name that does not change.
func (r *Repo) openCached(path, tag string) (f interface {
	io.ReadSeekCloser
}, e Entry, ok bool) {
	if r.pinned != nil {
		if f, size, is, ok := r.s.local.file(r.pinned.SHA, path); ok && is != "" && (tag == "" || tag == is) {
			return f, Entry{Path: path, Size: size, Tag: is, Modified: r.pinned.Modified}, true
		} else if ok {
			f.Close()
		}
	}
	if f, size, ok := r.s.local.blob(tag); ok {
		return f, Entry{Path: path, Size: size, Tag: tag}, true
	}
	return nil, Entry{}, false
}

func fileContent(f io.ReadSeekCloser, e Entry, off, n int64) (*content, error) {
	if _, err := f.Seek(off, io.SeekStart); err != nil {
		f.Close()
		return nil, err
	}
	if n < 0 {
		return &content{f, e}, nil
	}
	return &content{struct {
		io.Reader
		io.Closer
	}{io.LimitReader(f, n), f}, e}, nil
}

// linkIDs are the names of a link that is good for what is asked: by the content, or by
// the commit.
func (r *Repo) linkIDs(path, tag string) (ids []string) {
	if tag != "" {
		ids = append(ids, "tag "+tag+" "+path)
	}
	if r.pinned != nil && tag == "" {
		ids = append(ids, "sha "+r.pinned.SHA+" "+path)
	}
	return ids
}

// expired reports whether an error may be that of a signed URL that is too old.
func expired(err error) bool {
	var e *Error
	if !errors.As(err, &e) {
		return false
	}
	return e.Status == http.StatusForbidden || e.Status == http.StatusUnauthorized || e.Status == http.StatusNotFound || e.Status == http.StatusGone || e.Status == http.StatusBadRequest
}

// resolve asks the Hub where an object is, and reads it from there.
func (r *Repo) resolve(ctx context.Context, path string, off, n int64, tag string) (*content, error) {
	at := r.page() + "/resolve/" + url.PathEscape(r.uri.Rev) + "/" + urlPath(path)
	e := Entry{Path: path, Size: -1}
	for hop := 0; hop < 6; hop++ {
		res, err := r.c.do(ctx, &request{method: http.MethodGet, url: at, header: contentHeader(off, n)})
		if past(err) {
			return &content{http.NoBody, e}, nil
		}
		if isMissingEntry(err) {
			return nil, r.none(toKey(path))
		}
		if err != nil {
			return nil, err
		}
		sha := e.learn(res.Header)
		if tag != "" && e.Tag != "" && e.Tag != tag {
			res.Body.Close()
			return nil, fmt.Errorf("%s is %s, not %s: %w", path, e.Tag, tag, errCondition)
		}
		if res.StatusCode < 300 {
			r.remember(at, sha, e)
			return r.answered(res, e, off, n)
		}
		res.Body.Close()
		r.time(&e, sha, res.Header)
		if f, _, ok := r.s.local.blob(e.Tag); ok {
			return fileContent(f, e, off, n)
		}
		if n == 0 && e.Size >= 0 || e.Size >= 0 && off >= e.Size {
			return &content{http.NoBody, e}, nil
		}
		to, err := res.Request.URL.Parse(res.Header.Get("Location"))
		if err != nil || r.c.base.Scheme == "https" && to.Scheme != "https" {
			return nil, fmt.Errorf("%s is redirected to nowhere", path)
		}
		at = to.String()
		if sha != "" && e.Tag != "" {
			r.remember(at, sha, e)
		}
	}
	return nil, fmt.Errorf("%s is redirected again and again", path)
}

// learn takes from the answer's headers what is not known yet, and returns the commit.
func (e *Entry) learn(h http.Header) (sha string) {
	if e.Tag == "" {
		tag := h.Get("X-Linked-Etag")
		if tag == "" {
			tag = h.Get("ETag")
		}
		e.Tag = strings.Trim(strings.TrimPrefix(tag, "W/"), `"`)
	}
	if n, err := strconv.ParseInt(h.Get("X-Linked-Size"), 10, 64); err == nil && e.Size < 0 {
		e.Size = n
	}
	return h.Get("X-Repo-Commit")
}

// remember keeps where content lies.
func (r *Repo) remember(at, sha string, e Entry) {
	if e.Tag == "" || e.Size < 0 {
		return
	}
	l := link{at, e, time.Now().Add(linkFor)}
	r.s.links.Add("tag "+e.Tag+" "+e.Path, l)
	if commitID.MatchString(sha) {
		r.s.links.Add("sha "+sha+" "+e.Path, l)
	}
}

// follow reads from where content is known to lie.
func (r *Repo) follow(ctx context.Context, l link, off, n int64) (*content, error) {
	if n == 0 || off >= l.entry.Size {
		return &content{http.NoBody, l.entry}, nil
	}
	res, err := r.c.do(ctx, &request{method: http.MethodGet, url: l.url, header: contentHeader(off, n)})
	if err != nil {
		return nil, err
	}
	if res.StatusCode >= 300 {
		res.Body.Close()
		return nil, &Error{Status: http.StatusGone}
	}
	return r.answered(res, l.entry, off, n)
}

// errWrongRange is that an answer has other bytes than were asked for.
var errWrongRange = errors.New("the answer is of another range")

// answered makes content of an answer that has it, whole or in part.
func (r *Repo) answered(res *http.Response, e Entry, off, n int64) (*content, error) {
	if res.StatusCode == http.StatusPartialContent {
		span, total, _ := strings.Cut(res.Header.Get("Content-Range"), "/")
		first, _, _ := strings.Cut(strings.TrimPrefix(span, "bytes "), "-")
		if at, err := strconv.ParseInt(first, 10, 64); err != nil || at != max(off, 0) {
			res.Body.Close()
			return nil, fmt.Errorf("%s: asked for bytes from %d, and got %q: %w", e.Path, off, res.Header.Get("Content-Range"), errWrongRange)
		}
		if size, err := strconv.ParseInt(total, 10, 64); err == nil {
			e.Size = size
		}
		return &content{res.Body, r.time(&e, "", res.Header)}, nil
	}
	if res.ContentLength >= 0 {
		e.Size = res.ContentLength
	}
	// The range was not taken: the part is cut out here.
	if _, err := io.CopyN(io.Discard, res.Body, off); err != nil && err != io.EOF {
		res.Body.Close()
		return nil, err
	}
	body := io.ReadCloser(res.Body)
	if n >= 0 {
		body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(res.Body, n), res.Body}
	}
	return &content{body, r.time(&e, "", res.Header)}, nil
}

// time fills in when content was changed: where the answer does not say, that is some
// time before its commit, or, of a commit that is not known, before now.
func (r *Repo) time(e *Entry, sha string, h http.Header) Entry {
	if !e.Modified.IsZero() {
		return *e
	}
	if t, err := http.ParseTime(h.Get("Last-Modified")); err == nil {
		e.Modified = t
	}
	r.s.mu.Lock()
	if t, ok := r.s.times[sha]; ok {
		e.Modified = t
	}
	r.s.mu.Unlock()
	if t, err := http.ParseTime(h.Get("Date")); err == nil && e.Modified.IsZero() && sha == "" {
		e.Modified = t
	}
	return *e
}

// contentHeader asks for a part of content, as it is.
func contentHeader(off, n int64) http.Header {
	h := http.Header{"Accept-Encoding": {"identity"}}
	switch {
	case n > 0:
		h.Set("Range", fmt.Sprintf("bytes=%d-%d", off, off+n-1))
	case off > 0:
		h.Set("Range", fmt.Sprintf("bytes=%d-", off))
	}
	return h
}

// past reports whether a range begins where the object has ended.
func past(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Status == http.StatusRequestedRangeNotSatisfiable
}
