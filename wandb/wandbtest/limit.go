package wandbtest

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// limit is how many requests of an operation there may be in a stretch of time.
type limit struct {
	n     int
	per   time.Duration
	since time.Time
	used  int
}

// Limit has requests of an operation beyond n in each stretch of time answered with 429, Retry-After
// and W&B's RateLimit headers; those within it have the headers too. An n of 0 lifts the limit. It
// goes by real time, and not by the clock that Advance sets forward.
func (s *Server) Limit(op string, n int, per time.Duration) {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	op = strings.ToLower(op)
	if s.faults.limits == nil {
		s.faults.limits = map[string]*limit{}
	}
	s.faults.limits[op] = &limit{n: n, per: per}
	if n == 0 {
		delete(s.faults.limits, op)
	}
}

// take counts a request, and returns the headers of its answer and the fault that it meets, if it is
// beyond the limit.
func (l *limit) take(now time.Time) (map[string]string, *Fault) {
	if now.Sub(l.since) >= l.per {
		l.since, l.used = now, 0
	}
	l.used++
	seconds := strconv.Itoa(int((l.per - now.Sub(l.since) + time.Second - 1) / time.Second))
	header := map[string]string{"RateLimit-Remaining": strconv.Itoa(max(0, l.n-l.used)), "RateLimit-Reset": seconds}
	if l.used <= l.n {
		return header, nil
	}
	header["Retry-After"] = seconds
	return header, &Fault{Status: http.StatusTooManyRequests, Header: header, Body: `{"errors": [{"message": "rate limit exceeded"}]}`}
}
