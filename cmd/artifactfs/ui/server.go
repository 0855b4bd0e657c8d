package ui

import (
	"crypto/rand"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/singleflight"
)

// Options are what else a Server may be told. The zero value is for a server on loopback.
type Options struct {
	Title string       // of the page: which store it shows
	Hosts []string     // names in addresses, beside localhost, that are this machine's
	Bound net.IP       // the address it listens on; nil: loopback
	Log   *slog.Logger // what went wrong; nil: slog.Default
}

// Server answers for the page and what it asks. Whoever has the token may read.
type Server struct {
	store  Store
	opt    Options
	token  string
	path   string // all but the entrance is below it, and no other server knows it
	mux    *http.ServeMux
	status singleflight.Group // pages that ask at the same time get one answer
}

// New returns the server of one store, with a token of its own.
func New(s Store, o *Options) *Server {
	srv := &Server{store: s, token: rand.Text(), path: "/" + rand.Text() + "/", mux: http.NewServeMux()}
	if o != nil {
		srv.opt = *o
	}
	if srv.opt.Log == nil {
		srv.opt.Log = slog.Default()
	}
	srv.mux.HandleFunc(srv.path+"{$}", srv.page)
	srv.mux.HandleFunc(srv.path+"dist/{file}", srv.dist)
	srv.mux.HandleFunc(srv.path+"api/artifacts", srv.artifacts)
	srv.mux.HandleFunc(srv.path+"api/versions", srv.versions)
	srv.mux.HandleFunc(srv.path+"api/version", srv.version)
	srv.mux.HandleFunc(srv.path+"api/lineage", srv.lineage)
	srv.mux.HandleFunc(srv.path+"api/status", srv.state)
	return srv
}

// Token is what the first address of a browser must have as its token.
func (s *Server) Token() string { return s.token }

// HTTP returns the server for a listener. A page that stopped reading is dropped by the
// handlers, which alone know how long an answer may take.
func (s *Server) HTTP() *http.Server {
	return &http.Server{
		Handler: s, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 32 << 10,
		ErrorLog: slog.NewLogLogger(s.opt.Log.Handler(), slog.LevelDebug),
	}
}
