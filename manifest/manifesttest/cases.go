// Package manifesttest gives tests what upstream's own code answered: the
// recorded cases, and the store that it wrote.
package manifesttest

import (
	"bytes"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

//go:embed cases.jsonl
var cases []byte

// Case is one question to upstream and its answer.
type Case struct {
	ID    string `json:"id"`   // the number of the conformance case, or ""
	Name  string `json:"case"` // unique
	Op    string
	Env   map[string]string // beside HOME=/data/case/home and TZ=UTC
	Cwd   string            // "" is /data/case/work
	Fix   string            // where we answer otherwise on purpose: what, in words
	Error string            `json:"upstream_error"` // ExceptionType: message
	// Input and Result are decoded with UseNumber; Result is null where Error is set.
	Input  map[string]any
	Result any `json:"upstream_result"`
	// Files lay below /data/case: path → text, or {"link": …}, {"dir": true}, {"b64": …}.
	Files map[string]any
	// RawInput and RawResult are the same as text: encoding/json loses lone surrogates.
	RawInput, RawResult json.RawMessage `json:"-"`
}

// Test is the name of the case in a table test: its number, if any, and its name.
func (c Case) Test() string {
	if c.ID == "" {
		return c.Name
	}
	return c.ID + " " + c.Name
}

// Text is a string of the input, or "".
func (c Case) Text(key string) string {
	s, _ := c.Input[key].(string)
	return s
}

// Cases returns the recorded cases of the given operations, in order; of all
// operations, if none is given.
func Cases(t testing.TB, ops ...string) []Case {
	t.Helper()
	var out []Case
	for line := range bytes.Lines(cases) {
		var c Case
		var raw struct {
			Input  json.RawMessage
			Result json.RawMessage `json:"upstream_result"`
		}
		d := json.NewDecoder(bytes.NewReader(line))
		d.UseNumber()
		if err := d.Decode(&c); err != nil {
			t.Fatalf("cases.jsonl: %v", err)
		}
		if len(ops) > 0 && !slices.Contains(ops, c.Op) {
			continue
		}
		if err := json.Unmarshal(line, &raw); err != nil {
			t.Fatalf("cases.jsonl: %v", err)
		}
		c.RawInput, c.RawResult = raw.Input, raw.Result
		out = append(out, c)
	}
	if len(out) == 0 {
		t.Fatalf("cases.jsonl has no case of %q", ops)
	}
	return out
}

// Lay makes below dir what lay below /data/case, with root, work and home. Texts
// are written as they are; the targets of absolute links are moved to dir too.
func (c Case) Lay(t testing.TB, dir string) {
	t.Helper()
	for _, d := range []string{"root", "work", "home"} {
		check(t, os.MkdirAll(filepath.Join(dir, d), 0o755))
	}
	for path, content := range c.Files {
		path = Moved(path, dir)
		check(t, os.MkdirAll(filepath.Dir(path), 0o755))
		switch v := content.(type) {
		case string:
			check(t, os.WriteFile(path, []byte(v), 0o644))
		case map[string]any:
			if link, ok := v["link"].(string); ok {
				check(t, os.Symlink(Moved(link, dir), path))
			} else if text, ok := v["b64"].(string); ok {
				b, err := base64.StdEncoding.DecodeString(text)
				check(t, err)
				check(t, os.WriteFile(path, b, 0o644))
			} else {
				check(t, os.MkdirAll(path, 0o755))
			}
		}
	}
}

// Moved is path with dir in place of /data/case.
func Moved(path, dir string) string {
	if path == "/data/case" || strings.HasPrefix(path, "/data/case/") {
		return dir + strings.TrimPrefix(path, "/data/case")
	}
	return path
}

// Golden returns a path below testdata/golden, the store that upstream wrote:
// artifacts is a manifest root, legacy an index store, data and ckpt what their
// records point at below /data/lustre.
func Golden(t testing.TB, elem ...string) string {
	t.Helper()
	dir, err := os.Getwd()
	check(t, err)
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return filepath.Join(append([]string{dir, "testdata", "golden"}, elem...)...)
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.mod above the working directory")
		}
		dir = filepath.Dir(dir)
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
