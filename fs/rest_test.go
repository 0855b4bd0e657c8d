//go:build linux

package fs

import "testing"

// Memory is given back in pauses after much was asked for, twice, and then not before much has been asked for again.
func TestPauses(t *testing.T) {
	var p pauses
	requests := int64(0)
	for i, step := range []struct {
		asked int64
		want  bool
	}{
		{0, false}, {fewAsk - 1, false}, // nothing to give back
		{muchAsked, false}, {fewAsk, false}, // busy
		{fewAsk - 1, true}, {0, true}, {0, false},
		{fewAsk - 1, false}, {0, false}, // somebody asks for the status
		{muchAsked, false}, {0, true}, {muchAsked, false}, {0, true}, {1, true}, {1, false},
	} {
		requests += step.asked
		if got := p.next(requests); got != step.want {
			t.Errorf("step %d, %d requests: %v", i, step.asked, got)
		}
	}
}
