package manifest

import (
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"strings"
	"testing"
)

var goodTimes = []string{
	"2026-08-21", "20260821", "2026-08-21T09:00:00.125000+00:00", "2026-08-21T09:00:00+00:00", "2026-08-21T09:00:00Z", "2026-08-21T09:00:00",
	"2026-08-21 09:00:00", "2026-08-21T09:00", "2026-08-21T09", "2026-08-21T09:00:00.1-07:30", "2026-08-21T09:00:00,5+0530", "2024-02-29T23:59:59+01",
	"20260821T090000Z", "20260821T090000.25+00:00", "2026-08-21T09:00:00+05:30:15", "0001-01-01T00:00:00",
}

var badTimes = []string{
	"", "t", "now", "yesterday", "1787302800", "2026", "2026-08", "2026-13-01", "2026-02-30", "2025-02-29", "2026-08-21T25:00:00", "2026-08-21T09:60:00",
	"2026-08-21T09:00:61", "2026-08-21T09:00:00+25:00", "2026-08-21T09:00:00Zulu", "21.08.2026", "08/21/2026", "2026-8-21", "Fri Aug 21 09:00:00 2026",
	"2026-08-21T", "2026-08-21T09:00:00 ", " 2026-08-21", "0000-01-01", "2026-08-21T09:00:00\x00", "2026-08-21X09:00:00", strings.Repeat("9", 500),
}

func TestTimestamps(t *testing.T) {
	for _, s := range goodTimes {
		if why := badTimestamp(s); why != "" {
			t.Error(why)
		}
	}
	for _, s := range badTimes {
		if why := badTimestamp(s); why == "" || len(why) > 300 {
			t.Errorf("%q: %q", s, why)
		}
	}
}

// Upstream's language has the same opinion.
func TestTimestampsInPython(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip(err)
	}
	out, err := exec.Command(python, append([]string{"-c", `
import datetime, sys
if sys.version_info < (3, 11):
    sys.exit("fromisoformat of Python %d.%d reads less" % sys.version_info[:2])
for s in sys.argv[1:]:
    try: datetime.datetime.fromisoformat(s)
    except ValueError: print(ascii(s))
`}, goodTimes...)...).CombinedOutput()
	if err != nil {
		t.Skipf("%v: %s", err, out)
	}
	if len(out) > 0 {
		t.Errorf("Python does not read %s", out)
	}
}

// What is no time is refused in words, at its offset, and what is one is kept as it is.
func TestRequestCreatedAt(t *testing.T) {
	for value, want := range map[string]string{
		`"2026-08-21 09:00Z"`: "", `null`: "",
		`1787302800`: "is a number, not a string", `true`: "not a string", `{}`: "not a string", `["2026-08-21"]`: "not a string",
		`"soon"`: "no time as ISO 8601 has it", `""`: "no time as ISO 8601 has it", `"1787302800"`: "no time as ISO 8601 has it",
	} {
		r, err := ParseRequest(fmt.Appendf(nil, `{"path": "/a", "created_at": %s}`, value))
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", value, err)
		case want == "":
			if value != "null" && r.CreatedAt != strings.Trim(value, `"`) {
				t.Errorf("%s became %q", value, r.CreatedAt)
			}
		case !errors.Is(err, fs.ErrInvalid) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "byte 29: created_at"):
			t.Errorf("%s: %v; want %q", value, err, want)
		}
	}
}
