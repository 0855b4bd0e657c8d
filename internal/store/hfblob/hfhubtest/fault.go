package hfhubtest

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"
)

// Fault is what happens to the next requests that it matches, instead of an answer.
type Fault struct {
	Method string // "": any
	Path   string // a part of the path, with escapes
	Times  int    // how many requests; 0: one

	Cut    int           // the answer is given up to so many bytes of its body, and then it stalls, or is reset
	Landed bool          // the request takes effect nevertheless
	Stall  time.Duration // nothing is said for so long, and then the rest follows
	Reset  bool          // the connection is reset
	Status int           // this is answered
	Header http.Header   // with this
	Body   string
}

// Fail adds a fault. Of several that match, the first is used up first.
func (s *Server) Fail(f Fault) {
	if f.Times == 0 {
		f.Times = 1
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, &f)
}

// Mend takes all faults back.
func (s *Server) Mend() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// fault returns the one for a request, if any. s.mu is held.
func (s *Server) fault(r *http.Request) *Fault {
	for _, f := range s.faults {
		if f.Times > 0 && (f.Method == "" || f.Method == r.Method) && strings.Contains(r.URL.EscapedPath(), f.Path) {
			f.Times--
			return f
		}
	}
	return nil
}

// cutWriter passes on so much of a body.
type cutWriter struct {
	http.ResponseWriter
	left int
}

func (c *cutWriter) Write(b []byte) (int, error) {
	n := min(len(b), c.left)
	c.left -= n
	if _, err := c.ResponseWriter.Write(b[:n]); err != nil {
		return 0, err
	}
	return len(b), nil
}

// apply reports whether the request has been dealt with.
func (f *Fault) apply(s *Server, w http.ResponseWriter, r *http.Request) bool {
	if f.Cut > 0 {
		s.answer(&cutWriter{w, f.Cut}, r)
		http.NewResponseController(w).Flush()
		if !f.Reset {
			s.wait(r.Context(), time.Hour)
		}
		panic(http.ErrAbortHandler)
	}
	if f.Landed {
		s.answer(httptest.NewRecorder(), r)
	}
	if f.Stall > 0 && !s.wait(r.Context(), f.Stall) {
		panic(http.ErrAbortHandler)
	}
	switch {
	case f.Reset:
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		if tcp, ok := c.(*net.TCPConn); ok {
			tcp.SetLinger(0)
		}
		c.Close()
	case f.Status != 0:
		for k, v := range f.Header {
			w.Header()[k] = v
		}
		w.WriteHeader(f.Status)
		w.Write([]byte(f.Body))
	default:
		return f.Landed
	}
	return true
}
