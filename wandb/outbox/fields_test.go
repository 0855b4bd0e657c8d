package outbox

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

var at = time.Date(2026, 11, 27, 5, 0, 0, 123456000, time.UTC)

func TestMetadata(t *testing.T) {
	for _, tt := range []struct{ request, absolute, want string }{
		{`{"path": "/d", "pack_size": 4096, "lr": 1e-05, "none": null}`, "",
			`{"created_at": "2026-11-27T05:00:00.123456+00:00", "pack_size": 4096, "lr": 1e-05}`},
		{`{"path": "/d", "created_at": "2026-11-27", "metadata": {"a": "é"}}`, "/x", `{"created_at": "2026-11-27", "absolute_path": "/x", "a": "\u00e9"}`},
		{`{"path": "/save", "iteration": 20}`, "", `{"created_at": "2026-11-27T05:00:00.123456+00:00", "iteration": 20, "absolute_path": "/save"}`},
		{`{"path": "/d", "source_datasets": [{"uri": "hf://a/b"}]}`, "",
			`{"created_at": "2026-11-27T05:00:00.123456+00:00", "source_datasets": [{"uri": "hf://a/b"}]}`},
	} {
		got, dropped, err := specOf(draft(t, "n", tt.request)).metadata(tt.absolute)
		if err != nil || len(dropped) > 0 || got != tt.want {
			t.Errorf("%s: %s %v %v\nwant %s", tt.request, got, dropped, err, tt.want)
		}
	}
}

func TestMetadataKeys(t *testing.T) {
	var fields strings.Builder
	for i := range 150 {
		fmt.Fprintf(&fields, `, "k%d": %d`, i, i)
	}
	got, dropped, err := specOf(draft(t, "n", `{"path": "/d"`+fields.String()+`}`)).metadata("/d")
	if err != nil || len(dropped) != 52 || strings.Count(got, `"k`) != 98 {
		t.Errorf("%d dropped, %s, %v", len(dropped), got, err)
	}
}

// Upstream writes what JSON has no number for; W&B takes none of it.
func TestMetadataNumbers(t *testing.T) {
	s := &spec{Created: "then", Fields: `{"loss": NaN, "max": Infinity, "list": [-Infinity, {"x": NaN}, 1]}`}
	want := `{"created_at": "then", "loss": null, "max": "Infinity", "list": ["-Infinity", {"x": null}, 1]}`
	if got, _, err := s.metadata(""); err != nil || got != want {
		t.Errorf("%s %v, want %s", got, err, want)
	}
}
