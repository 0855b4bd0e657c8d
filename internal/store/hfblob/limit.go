package hfblob

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// limitOf says how long a 429 asks to wait: a window that is used up ends in t seconds,
// by RateLimit: "api";r=0;t=55; else it is Retry-After.
func limitOf(h http.Header) time.Duration {
	left, reset := -1, -1
	for _, part := range strings.Split(h.Get("RateLimit"), ";") {
		k, v, _ := strings.Cut(strings.TrimSpace(part), "=")
		n, err := strconv.Atoi(v)
		switch {
		case err != nil || n < 0:
		case k == "r":
			left = n
		case k == "t":
			reset = n
		}
	}
	if left == 0 && reset >= 0 {
		return time.Duration(reset+1) * time.Second
	}
	if n, err := strconv.Atoi(h.Get("Retry-After")); err == nil && n >= 0 {
		return time.Duration(n) * time.Second
	}
	return 5 * time.Second
}
