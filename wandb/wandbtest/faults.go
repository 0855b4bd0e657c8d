package wandbtest

import (
	"net/http"
	"strings"
	"sync"
	"time"
)

// Fault is what goes wrong with a request. Of Status, Drop, Hang, Cut and Corrupt there is one;
// with none of them, the request is only slow.
type Fault struct {
	Skip  int // so many requests go through first
	Times int // so many fail after them: 0 is one, and -1 all

	Late    bool              // the request takes effect before it fails
	Status  int               // the answer's status,
	Header  map[string]string // headers, Retry-After for one,
	Body    string            // and body: {"errors": [{"message": "injected"}]} by default
	Drop    bool              // the connection breaks with no answer
	Hang    bool              // no answer comes until the client goes away, or the server
	Cut     int               // the connection breaks after so many bytes of the answer's body
	Corrupt bool              // the bytes of a blob are not those that were stored
	Delay   time.Duration     // before the answer
}

// faults are those in wait, and the counts of requests.
type faults struct {
	mu     sync.Mutex
	wait   map[string][]*Fault
	counts map[string]int
	limits map[string]*limit
	header map[string]string
	down   chan struct{} // closed while the server is down: lets go what hangs
}

func (f *faults) arm() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down = make(chan struct{})
}

func (f *faults) release() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down != nil {
		close(f.down)
		f.down = nil
	}
}

// Fail makes requests of an operation fail. An operation is a field of Query or Mutation
// (createArtifact), the name of a document (CreateArtifact), GET and PUT for the blob store,
// artifactsV2, artifacts and file_stream for the rest, or * for any; upper and lower case are one.
// Faults of an operation happen one after the other.
func (s *Server) Fail(op string, f Fault) {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	if f.Times == 0 {
		f.Times = 1
	}
	if s.faults.wait == nil {
		s.faults.wait = map[string][]*Fault{}
	}
	op = strings.ToLower(op)
	s.faults.wait[op] = append(s.faults.wait[op], &f)
}

// Heal takes back all faults that have not happened, limits, and the headers of SetHeader.
func (s *Server) Heal() {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.wait, s.faults.limits, s.faults.header = nil, nil, nil
}

// SetHeader adds a header to every answer of the API: RateLimit-Remaining and RateLimit-Reset.
func (s *Server) SetHeader(key, value string) {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	if s.faults.header == nil {
		s.faults.header = map[string]string{}
	}
	s.faults.header[key] = value
}

// Requests is how many requests of an operation have come, those that failed too.
func (s *Server) Requests(op string) int {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	return s.faults.counts[strings.ToLower(op)]
}

// take counts a request under its names and finds the fault that it meets, if any, and headers for
// its answer.
func (f *faults) take(ops []string) (*Fault, map[string]string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.counts == nil {
		f.counts = map[string]int{}
	}
	var hit *Fault
	var header map[string]string
	for _, op := range ops {
		f.counts[op]++
		if l := f.limits[op]; l != nil && hit == nil {
			header, hit = l.take(time.Now())
		}
		wait := f.wait[op]
		if len(wait) == 0 || hit != nil {
			continue
		}
		if wait[0].Skip > 0 {
			wait[0].Skip--
			continue
		}
		hit = wait[0]
		if hit.Times > 0 {
			if hit.Times--; hit.Times == 0 {
				f.wait[op] = wait[1:]
			}
		}
	}
	return hit, header
}

// meet serves a request that meets a fault.
func (s *Server) meet(f *Fault, w http.ResponseWriter, r *http.Request, serve func(http.ResponseWriter, bool)) {
	if f.Delay > 0 && !s.sleep(r, f.Delay) {
		panic(http.ErrAbortHandler)
	}
	switch {
	case f.Cut > 0:
		serve(&cutWriter{w, f.Cut}, false)
		return
	case f.Corrupt:
		serve(w, true)
		return
	case f.Status == 0 && !f.Drop && !f.Hang:
		serve(w, false)
		return
	}
	if f.Late {
		serve(&nowhere{header: http.Header{}}, false)
	}
	switch {
	case f.Drop:
		panic(http.ErrAbortHandler)
	case f.Hang:
		s.sleep(r, 0)
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Content-Type", "application/json")
	for k, v := range f.Header {
		w.Header().Set(k, v)
	}
	w.WriteHeader(f.Status)
	if f.Body == "" {
		f.Body = `{"errors": [{"message": "injected"}]}`
	}
	w.Write([]byte(f.Body))
}

// sleep waits for d, or for ever if d is 0, and says whether the request is still wanted.
func (s *Server) sleep(r *http.Request, d time.Duration) bool {
	s.faults.mu.Lock()
	down := s.faults.down
	s.faults.mu.Unlock()
	var timer <-chan time.Time
	if d > 0 {
		timer = time.After(d)
	}
	select {
	case <-timer:
		return true
	case <-r.Context().Done():
	case <-down:
	}
	return false
}

// cutWriter breaks the connection after so many bytes.
type cutWriter struct {
	http.ResponseWriter
	left int
}

func (w *cutWriter) Write(b []byte) (int, error) {
	if len(b) < w.left {
		w.left -= len(b)
		return w.ResponseWriter.Write(b)
	}
	w.ResponseWriter.Write(b[:w.left])
	http.NewResponseController(w.ResponseWriter).Flush()
	panic(http.ErrAbortHandler)
}

// nowhere is where the answer goes that the client is not to have.
type nowhere struct{ header http.Header }

func (n *nowhere) Header() http.Header         { return n.header }
func (n *nowhere) Write(b []byte) (int, error) { return len(b), nil }
func (n *nowhere) WriteHeader(int)             {}
