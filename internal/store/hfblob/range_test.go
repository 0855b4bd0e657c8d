package hfblob

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// An answer with other bytes than were asked for is an error, and never read.
func TestWrongRange(t *testing.T) {
	for got, want := range map[string]error{"bytes 4-7/10": nil, "bytes 0-3/10": errWrongRange, "bytes 5-8/10": errWrongRange, "": errWrongRange, "nonsense": errWrongRange} {
		res := &http.Response{StatusCode: http.StatusPartialContent, Header: http.Header{"Content-Range": {got}}, Body: io.NopCloser(strings.NewReader("4567"))}
		c, err := (&Repo{}).answered(res, Entry{Path: "f", Size: 10, Modified: time.Unix(1, 0)}, 4, 4)
		if !errors.Is(err, want) || (err == nil) != (want == nil) {
			t.Errorf("Content-Range %q: %v, %v; want %v", got, c, err, want)
		}
	}
}
