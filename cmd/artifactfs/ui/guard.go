package ui

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net"
	"net/http"
	"slices"
	"strings"
)

// policy lets the page run its own two files and nothing else: no script of a record
// would run even if it got into the page as markup, and nothing is asked of other hosts.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// ServeHTTP lets only those through who have the token, and only to read.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	q := r.URL.Query()
	switch {
	case !s.ours(r.Host):
		http.Error(w, "this server is not known by that name", http.StatusForbidden)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		h.Set("Allow", "GET, HEAD")
		http.Error(w, "this page only reads", http.StatusMethodNotAllowed)
	case q.Has("token"):
		s.enter(w, r)
	case !s.entered(r):
		http.Error(w, "open the address that artifactfs ui printed: it has the token", http.StatusForbidden)
	default:
		s.mux.ServeHTTP(w, r)
	}
}

// ours reports whether a request's host is this machine. A page of another name that its
// owner has let point here (DNS rebinding) is not: it would pass for this one.
func (s *Server) ours(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.ToLower(strings.Trim(host, "[]"))
	if ip := net.ParseIP(host); ip != nil {
		return ip.IsLoopback() || s.opt.Bound != nil && !s.opt.Bound.IsLoopback()
	}
	return host == "localhost" || slices.Contains(s.opt.Hosts, host)
}

// cookie is the name of this server's. Browsers keep one jar for all ports of a host, and
// send what is in it to each of them, another user's server too: what keeps this one from
// them is its path, which nobody else knows to ask for.
func (s *Server) cookie() string {
	sum := sha256.Sum256([]byte(s.token))
	return "artifactfs-" + hex.EncodeToString(sum[:4])
}

func (s *Server) right(token string) bool {
	return subtle.ConstantTimeCompare([]byte(token), []byte(s.token)) == 1
}

func (s *Server) entered(r *http.Request) bool {
	c, err := r.Cookie(s.cookie())
	return err == nil && s.right(c.Value)
}

// enter trades the token for a cookie, and sends the browser to the same page without it,
// so that it is not in the history. The page itself does the sending: on a redirect after
// a click in another site, such as a terminal in a browser, a strict cookie stays away.
func (s *Server) enter(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if !s.right(q.Get("token")) {
		http.Error(w, "that is not the token which artifactfs ui printed last", http.StatusForbidden)
		return
	}
	http.SetCookie(w, &http.Cookie{Name: s.cookie(), Value: s.token, Path: s.path, HttpOnly: true, SameSite: http.SameSiteStrictMode})
	q.Del("token")
	to := s.path
	if len(q) > 0 {
		to += "?" + q.Encode()
	}
	render(w, "enter", struct{ Path, To string }{s.path, to})
}
