package hfblob

import (
	"net/http"
	"testing"
	"time"
)

func TestLimitOf(t *testing.T) {
	for _, c := range []struct {
		limit, after string
		want         time.Duration
	}{
		{`"api";r=0;t=55`, "9", 56 * time.Second}, {`"api"; r=0; t=0`, "", time.Second}, {`"api";r=3;t=55`, "9", 9 * time.Second},
		{"", "7", 7 * time.Second}, {"", "", 5 * time.Second}, {`"api";r=x;t=1`, "x", 5 * time.Second},
	} {
		h := http.Header{"Ratelimit": {c.limit}, "Retry-After": {c.after}}
		if got := limitOf(h); got != c.want {
			t.Errorf("%q, %q: %v, want %v", c.limit, c.after, got, c.want)
		}
	}
}
