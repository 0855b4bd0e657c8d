package wandbtest

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/graph-gophers/graphql-go"
)

// Options is how a server is set up. The zero value works.
type Options struct {
	Addr        string        // where to listen; 127.0.0.1:0 by default, and loopback always
	Path        string        // the path that the base URL has: /wandb
	Key         string        // of the user ada, who is in the entity team; one is made by default
	Features    Features      // Modern by default
	State       string        // a directory that keeps all that clients do; by default none does
	URLLifetime time.Duration // of signed URLs; an hour by default
	Admin       bool          // take orders at AdminPath from whoever sends them
}

// Server is a running server. Its methods may be called at any time, from any goroutine.
type Server struct {
	URL      string // the base URL: WANDB_BASE_URL
	StoreURL string // of the blob store, which has another host name
	Key      string // WANDB_API_KEY

	addr   string
	path   string
	secret []byte
	store  dirStore
	temp   string                    // a directory to remove
	stands atomic.Pointer[time.Time] // the clock, while a deed is done or repeated
	orders bool                      // AdminPath is served
	served atomic.Int64
	series atomic.Int64 // URLs of an earlier one have expired
	ahead  atomic.Int64 // of the clock, in nanoseconds
	life   atomic.Int64

	busy sync.RWMutex // read-locked by each request: who locks it has waited for them all

	closing sync.Once
	closed  chan struct{}
	outages sync.WaitGroup // that clients have ordered

	mu      sync.Mutex // guards what follows
	world   *world
	feat    featureSet
	gql     *graphql.Schema
	journal *journal
	http    *http.Server
	ended   chan struct{} // closed when http no longer takes connections

	faults faults
}

// New starts a server that ends with the test.
func New(t testing.TB, opts *Options) *Server {
	t.Helper()
	s, err := Start(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// Start starts a server, which the caller closes.
func Start(opts *Options) (*Server, error) {
	if opts == nil {
		opts = &Options{}
	}
	s := &Server{Key: opts.Key, path: strings.TrimRight(opts.Path, "/"), orders: opts.Admin, closed: make(chan struct{})}
	if s.Key == "" {
		s.Key = strings.ToLower(rand.Text() + rand.Text())[:40]
	}
	s.life.Store(int64(time.Hour))
	if opts.URLLifetime != 0 {
		s.life.Store(int64(opts.URLLifetime))
	}
	secret := sha256.Sum256([]byte("wandbtest" + s.Key)) // URLs hold when a server starts again
	s.secret = secret[:]
	s.world = newWorld(s)
	s.SetFeatures(opts.Features)
	s.addr = cmp.Or(opts.Addr, "127.0.0.1:0")
	if err := errors.Join(s.open(opts.State), s.Up()); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// open finds a place for blobs, and what the place remembers.
func (s *Server) open(state string) (err error) {
	if state == "" {
		s.temp, err = os.MkdirTemp("", "wandbtest-")
		s.store.dir = s.temp
		return err
	}
	s.store.dir = filepath.Join(state, "blobs")
	if err := os.MkdirAll(s.store.dir, 0o700); err != nil {
		return err
	}
	return s.openJournal(state)
}

// Close ends the server, waits for its requests, and removes what it kept.
func (s *Server) Close() {
	s.closing.Do(func() { close(s.closed) })
	s.Down()
	s.busy.Lock()
	defer s.busy.Unlock()
	s.outages.Wait() // no request is left that could order one
	if s.temp != "" {
		os.RemoveAll(s.temp)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.journal != nil {
		s.journal.f.Close()
		s.journal = nil
	}
}

// Down takes the server off the network: connections break, and new ones are refused.
func (s *Server) Down() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.http != nil {
		s.http.Close()
		<-s.ended
		s.http = nil
	}
	s.faults.release()
}

// Up brings the server back on the address that it had.
func (s *Server) Up() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.http != nil {
		return nil
	}
	select {
	case <-s.closed:
		return net.ErrClosed
	default:
	}
	host, _, err := net.SplitHostPort(s.addr)
	if err != nil {
		return fmt.Errorf("address %s: %w", s.addr, err)
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return fmt.Errorf("address %s: only a loopback address is served, such as 127.0.0.1:0", s.addr)
	}
	l, err := net.Listen("tcp", s.addr)
	if err != nil {
		return err
	}
	if s.URL == "" { // and it stays: tests read it while the server comes and goes
		s.addr = l.Addr().String()
		_, port, _ := net.SplitHostPort(s.addr)
		s.URL, s.StoreURL = "http://"+s.addr+s.path, "http://localhost:"+port
	}
	s.faults.arm()
	server, ended := &http.Server{Handler: s}, make(chan struct{})
	go func() {
		defer close(ended)
		server.Serve(l)
	}()
	s.http, s.ended = server, ended
	return nil
}

// SetFeatures changes what kind of server it is.
func (s *Server) SetFeatures(f Features) {
	set := f.set()
	gql := graphql.MustParseSchema(set.sdl(), &root{s}, graphql.UseFieldResolvers(), graphql.MaxParallelism(1),
		graphql.MaxSelections(1<<30))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.feat, s.gql = set, gql
}

// features is called with mu held.
func (s *Server) features() featureSet { return s.feat }

// AddUser adds somebody with an entity of the same name, who is in the team, or in none for "".
// What a user may not see is null.
func (s *Server) AddUser(name, team, key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.world.addUser(name, team, key)
}

// SetURLLifetime sets how long the signed URLs that are made from now on hold.
func (s *Server) SetURLLifetime(d time.Duration) { s.life.Store(int64(d)) }

func (s *Server) lifetime() time.Duration { return time.Duration(s.life.Load()) }

// ExpireURLs lets every URL that has been signed so far expire.
func (s *Server) ExpireURLs() { s.series.Add(1) }

// Advance sets the server's clock forward: URLs expire, and versions with a TTL.
func (s *Server) Advance(d time.Duration) { s.ahead.Add(int64(d)) }

func (s *Server) now() time.Time {
	if at := s.stands.Load(); at != nil {
		return *at
	}
	return time.Now().Add(time.Duration(s.ahead.Load()))
}

// stop has the clock stand still until what it returns is called: all that a deed does happens
// at one time, which the journal has. It is called with mu held.
func (s *Server) stop() (goOn func()) {
	if s.stands.Load() != nil { // it is repeated
		return func() {}
	}
	at := s.now()
	s.stands.Store(&at)
	return func() { s.stands.Store(nil) }
}

// BytesServed is how many bytes of blobs were read from the store so far.
func (s *Server) BytesServed() int64 { return s.served.Load() }

// Environ is the environment that points a client here.
func (s *Server) Environ() []string {
	return []string{"WANDB_BASE_URL=" + s.URL, "WANDB_API_KEY=" + s.Key}
}
