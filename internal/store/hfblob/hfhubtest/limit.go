package hfhubtest

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// window counts requests of one class.
type window struct {
	until time.Time
	used  int
}

// limited says in the headers what is left, and answers what is beyond it.
func (s *Server) limited(w http.ResponseWriter, r *http.Request) bool {
	class, quota := "pages", 0
	switch {
	case strings.HasPrefix(r.URL.Path, "/api/resolve-cache/"):
	case strings.HasPrefix(r.URL.Path, "/api/"):
		class, quota = "api", s.o.API
	case strings.Contains(r.URL.Path, "/resolve/"):
		class, quota = "resolvers", s.o.Resolvers
	}
	if quota == 0 {
		return false
	}
	left, reset, ok := s.count(class, quota, s.o.Window)
	w.Header().Set("RateLimit", fmt.Sprintf(`"%s";r=%d;t=%d`, class, left, reset))
	w.Header().Set("RateLimit-Policy", fmt.Sprintf(`"fixed window";"%s";q=%d;w=%d`, class, quota, int(s.o.Window.Seconds())))
	if !ok {
		fail(w, http.StatusTooManyRequests, "", "We had to rate limit you. You reached your "+class+" limit.")
	}
	return !ok
}

// count takes one of quota, and returns what is left and for how many seconds.
func (s *Server) count(class string, quota int, length time.Duration) (left, reset int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	b := s.limits[class]
	if b == nil || now.After(b.until) {
		b = &window{until: now.Add(length)}
		s.limits[class] = b
	}
	b.used++
	return max(quota-b.used, 0), int(time.Until(b.until).Seconds()), b.used <= quota
}
