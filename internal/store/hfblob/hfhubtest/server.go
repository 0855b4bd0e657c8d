package hfhubtest

import (
	"context"
	"crypto/rand"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Options are what a Server can be told. The zero value is a Hub without limits.
type Options struct {
	PageSize  int           // entries of a page of a tree; 0: 1000
	RegularTo int64         // content beyond this goes to LFS; 0: 64 KiB
	SignedFor time.Duration // how long a signed URL is good for; 0: an hour
	Commits   int           // commits that a repository takes per hour; 0: any number
	API       int           // requests per Window to /api; 0: any number
	Resolvers int           // the same of /resolve
	Window    time.Duration // 0: five minutes
}

// Server is a Hub. It is safe for concurrent use.
type Server struct {
	URL string // for HF_ENDPOINT

	o    Options
	http *httptest.Server
	key  []byte // signs URLs
	done chan struct{}

	runs    atomic.Int64 // makes commits differ
	expired atomic.Int64 // how often signed URLs were made to end

	mu     sync.Mutex // guards below
	repos  map[string]*repo
	users  map[string]*user // by token
	lfs    map[string][]byte
	faults []*Fault
	log    []string
	listed string // what list is of
	list   []map[string]any
	limits map[string]*window
}

// user is who a token stands for.
type user struct {
	name       string
	namespaces map[string]bool // which it reads, and writes if it may write at all
	write      bool
	gated      bool // was admitted to gated repositories
}

// New starts a Hub; nil options are the zero value. Close it.
func New(o *Options) *Server {
	s := &Server{key: make([]byte, 32), done: make(chan struct{}), repos: map[string]*repo{}, users: map[string]*user{}, lfs: map[string][]byte{}, limits: map[string]*window{}}
	if o != nil {
		s.o = *o
	}
	setDefault(&s.o.PageSize, 1000)
	setDefault(&s.o.RegularTo, 64<<10)
	setDefault(&s.o.SignedFor, time.Hour)
	setDefault(&s.o.Window, 5*time.Minute)
	rand.Read(s.key)
	s.http = httptest.NewServer(http.HandlerFunc(s.serve))
	s.URL = s.http.URL
	return s
}

func setDefault[T comparable](v *T, to T) {
	var zero T
	if *v == zero {
		*v = to
	}
}

// Close stops the server, and lets go what it stalls.
func (s *Server) Close() {
	close(s.done)
	s.http.CloseClientConnections()
	s.http.Close()
}

// AddUser makes token stand for a user of these namespaces, besides its own.
func (s *Server) AddUser(name, token string, namespaces ...string) {
	s.add(name, token, true, namespaces)
}

// AddReader is AddUser for a token that may not write.
func (s *Server) AddReader(name, token string, namespaces ...string) {
	s.add(name, token, false, namespaces)
}

func (s *Server) add(name, token string, write bool, namespaces []string) {
	u := &user{name: name, write: write, namespaces: map[string]bool{name: true}}
	for _, n := range namespaces {
		u.namespaces[n] = true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users[token] = u
}

// Admit lets the user of a token into gated repositories.
func (s *Server) Admit(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users[token].gated = true
}

// Requests returns what was asked since the last call, as "METHOD path" with escapes.
func (s *Server) Requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	log := s.log
	s.log = nil
	return log
}

// CDN is the other host that content is redirected to.
func (s *Server) CDN() string { return strings.Replace(s.URL, "127.0.0.1", "localhost", 1) }

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.log = append(s.log, r.Method+" "+r.URL.EscapedPath())
	f := s.fault(r)
	s.mu.Unlock()
	if f != nil && f.apply(s, w, r) {
		return
	}
	s.answer(w, r)
}

func (s *Server) answer(w http.ResponseWriter, r *http.Request) {
	host, _, _ := net.SplitHostPort(r.Host)
	if host == "localhost" {
		s.cdn(w, r)
		return
	}
	if !s.limited(w, r) {
		s.hub(w, r)
	}
}

// wait returns when d is over, or nobody waits any more; it reports the former.
func (s *Server) wait(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
	case <-s.done:
	}
	return false
}
