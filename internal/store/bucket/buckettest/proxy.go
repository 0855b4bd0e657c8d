package buckettest

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
)

// Fault is what a Proxy does to one request. The zero value passes it on.
type Fault struct {
	Reset  bool // the connection is cut before an answer
	Stall  bool // there is no answer until the client leaves
	Status int  // this status is the answer, and the server is not asked
	Header http.Header
	Body   string // what goes with Status
	After  bool   // with Reset or Status: the server is asked first, its answer is lost
	Cut    int64  // so many bytes of the body arrive, then the connection is cut; 0: all
	Hang   int64  // so many bytes of the body arrive, then nothing more until the client leaves; 0: all
	Short  int64  // the answer has so many bytes only, and says so; 0: all

	// Answer changes the status and the headers of what the server answers. May be nil.
	Answer func(status int, h http.Header) int
}

// Proxy stands between a client and a store.
type Proxy struct {
	Addr     string
	Requests atomic.Int64 // that came in

	next  *httputil.ReverseProxy
	host  string // that the server must be called by; "": as it was called (S3 signs that)
	fault atomic.Pointer[func(*http.Request) Fault]
	end   chan struct{}
}

// Through puts a proxy before s, and returns the store as it is reached through it.
func (s Store) Through(t testing.TB) (Store, *Proxy) {
	p := &Proxy{next: httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: s.Addr}), end: make(chan struct{})}
	p.next.FlushInterval = -1
	p.next.ErrorLog = nil
	server := httptest.NewServer(p)
	t.Cleanup(func() { close(p.end); server.CloseClientConnections(); server.Close() })
	p.Addr = server.Listener.Addr().String()
	if s.Name == "gs" {
		p.host = s.Addr // fake-gcs-server knows objects by its public host only
		t.Setenv("STORAGE_EMULATOR_HOST", p.Addr)
	}
	return Store{s.Name, strings.Replace(s.URI, s.Addr, p.Addr, 1), p.Addr, s.Dir}, p
}

// Break has fn decide on each request from now on; nil ends it.
func (p *Proxy) Break(fn func(*http.Request) Fault) {
	if fn == nil {
		p.fault.Store(nil)
		return
	}
	p.fault.Store(&fn)
}

// Down refuses all requests until mend is called.
func (p *Proxy) Down() (mend func()) {
	p.Break(func(*http.Request) Fault { return Fault{Reset: true} })
	return func() { p.Break(nil) }
}

func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.Requests.Add(1)
	if p.host != "" {
		r.Host = p.host
	}
	var f Fault
	if fn := p.fault.Load(); fn != nil {
		f = (*fn)(r)
	}
	if f.After {
		p.next.ServeHTTP(httptest.NewRecorder(), r)
	}
	switch {
	case f.Stall:
		p.wait(r)
		reset(w)
	case f.Reset:
		reset(w)
	case f.Status != 0:
		for k, v := range f.Header {
			w.Header()[k] = v
		}
		w.WriteHeader(f.Status)
		_, _ = w.Write([]byte(f.Body))
	case f.Answer != nil:
		p.next.ServeHTTP(&changed{w, f.Answer}, r)
	case f.Cut > 0:
		p.next.ServeHTTP(&cutter{ResponseWriter: w, left: f.Cut}, r)
	case f.Hang > 0:
		p.next.ServeHTTP(&cutter{w, f.Hang, func() { p.wait(r) }}, r)
	case f.Short > 0:
		p.next.ServeHTTP(&shortener{w, f.Short}, r)
	case !f.After:
		p.next.ServeHTTP(w, r)
	}
}

// wait returns when the client leaves, or the test ends.
func (p *Proxy) wait(r *http.Request) {
	select {
	case <-r.Context().Done():
	case <-p.end:
	}
}

// reset closes a connection so that the client sees it reset.
func reset(w http.ResponseWriter) {
	c, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	c.Close()
}

// changed has the head of an answer changed.
type changed struct {
	http.ResponseWriter
	how func(int, http.Header) int
}

func (c *changed) WriteHeader(status int) {
	c.ResponseWriter.WriteHeader(c.how(status, c.Header()))
}

func (c *changed) Flush() { c.ResponseWriter.(http.Flusher).Flush() }

// cutter lets so many bytes of a body through.
type cutter struct {
	http.ResponseWriter
	left   int64
	before func() // the connection is cut; may be nil
}

func (c *cutter) Write(p []byte) (int, error) {
	if int64(len(p)) < c.left {
		c.left -= int64(len(p))
		return c.ResponseWriter.Write(p)
	}
	_, _ = c.ResponseWriter.Write(p[:c.left])
	c.ResponseWriter.(http.Flusher).Flush()
	if c.before != nil {
		c.before()
	}
	panic(http.ErrAbortHandler) // which is how a handler cuts the connection
}

func (c *cutter) Flush() { c.ResponseWriter.(http.Flusher).Flush() }

// shortener lets so many bytes of a body through, as if that were all of the answer.
type shortener struct {
	http.ResponseWriter
	left int64
}

func (s *shortener) WriteHeader(status int) {
	h := s.Header()
	if n, err := strconv.ParseInt(h.Get("Content-Length"), 10, 64); err == nil && n > s.left {
		h.Set("Content-Length", strconv.FormatInt(s.left, 10))
		var from, to, all int64
		if _, err := fmt.Sscanf(h.Get("Content-Range"), "bytes %d-%d/%d", &from, &to, &all); err == nil {
			h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, from+s.left-1, all))
		}
	}
	s.ResponseWriter.WriteHeader(status)
}

func (s *shortener) Write(p []byte) (int, error) {
	n := min(int64(len(p)), s.left)
	s.left -= n
	if n > 0 {
		if k, err := s.ResponseWriter.Write(p[:n]); err != nil {
			return k, err
		}
	}
	return len(p), nil
}

func (s *shortener) Flush() { s.ResponseWriter.(http.Flusher).Flush() }
