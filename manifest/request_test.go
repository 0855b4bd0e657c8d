package manifest

import (
	"errors"
	"io/fs"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func ptr[T any](v T) *T { return &v }

func TestParseRequest(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       *Request
	}{
		{"path", "/lustre/out\n", &Request{Path: "/lustre/out"}},
		{"path in blanks", "\n /lustre/out\n \n\t", &Request{Path: "/lustre/out"}},
		{"path with spaces", "/a b /c \n", &Request{Path: "/a b /c "}},
		{"path that is not UTF-8", "/caf\xe9\n", &Request{Path: "/caf\xe9"}},
		{"URI", "s3://b/k\n", &Request{Path: "s3://b/k"}},
		{"hf URI", "hf://datasets/o/r@main/x\n", &Request{Path: "hf://datasets/o/r@main/x"}},
		{"object", `{"path":"/a"}`, &Request{Path: "/a"}},
		{"object in blanks", "\ufeff\n{\"path\":\"/a\"}\n\n", &Request{Path: "/a"}},
		{"path that is not UTF-8 in an object", `{"path":"/caf\udce9"}`, &Request{Path: "/caf\xe9"}},
		{"all keys", `{"path":"/a","type":"T","metadata":{"m":1},"inputs":["i"],"used_artifacts":["u:v1"],"producer":"p","created_at":"2026-08-21",
			"name":"a/b","aliases":["prod"],"backends":["manifest"],"request_id":"r","tracking":{"url":null},"x":[1e-05]}`,
			&Request{Path: "/a", Type: "T", Metadata: Object{{"m", Number("1")}}, Inputs: []string{"i"}, Used: []string{"u:v1"},
				Producer: "p", CreatedAt: "2026-08-21", Name: "a/b", Aliases: []string{"prod"}, Backends: []string{"manifest"},
				RequestID: "r", Tracking: Object{{"url", nil}}, Fields: Object{{"x", []any{Number("1e-05")}}}}},
		{"nulls of a dump", `{"path":"/a","type":null,"metadata":null,"inputs":null,"used_artifacts":null,"producer":null,"created_at":null,
			"name":null,"aliases":null,"backends":null,"request_id":null,"tracking":null,"iteration":null}`,
			&Request{Path: "/a", Fields: Object{{"iteration", nil}}}},
		{"no inputs on purpose", `{"path":"/a","inputs":[],"backends":[]}`, &Request{Path: "/a", Inputs: []string{}, Backends: []string{}}},
		{"checkpoint", `{"path":"/ck","iteration":500}`, &Request{Path: "/ck", Iteration: ptr(500), Fields: Object{{"iteration", Number("500")}}}},
		{"iteration of a type of its own", `{"path":"/ck","type":"MyArtifact","iteration":"last"}`,
			&Request{Path: "/ck", Type: "MyArtifact", Fields: Object{{"iteration", "last"}}}},
		{"keys are exact", `{"path":"/a","Path":"/b"}`, &Request{Path: "/a", Fields: Object{{"Path", "/b"}}}},
		{"duplicate key", `{"path":"/a","path":"/b"}`, &Request{Path: "/b"}},
		{"4300 digits", `{"path":"/a","n":` + strings.Repeat("1", 4300) + `}`, &Request{Path: "/a", Fields: Object{{"n", Number(strings.Repeat("1", 4300))}}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseRequest([]byte(tt.text))
			if err != nil {
				t.Fatal(err)
			}
			if tt.want.Metadata == nil {
				tt.want.Metadata = Object{}
			}
			if diff := cmp.Diff(tt.want, got, cmpopts.IgnoreUnexported(Request{})); diff != "" {
				t.Error(diff)
			}
			prefixes(t, tt.text, got)
		})
	}
}

// prefixes checks that no beginning of a request is refused, and none but a whole
// one taken.
func prefixes(t *testing.T, text string, whole *Request) {
	t.Helper()
	for i := range len(text) {
		got, err := ParseRequest([]byte(text[:i]))
		switch {
		case err == nil && cmp.Equal(got, whole, cmpopts.IgnoreUnexported(Request{})):
		case err != ErrIncomplete:
			t.Fatalf("of %.60q the first %d bytes are %v, %v, want ErrIncomplete", text, i, got, err)
		}
	}
}

func TestParseRequestRefuses(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"relative path", "out/splits\n", "at byte 0: the path \"out/splits\" is neither absolute nor a URI"},
		{"relative, before its newline", "./out", "at byte 0: the path"},
		{"a word", "hello world", "at byte 0"},
		{"reference", "art://n:v1\n", "is a reference"},
		{"one-letter scheme", "C://x\n", "neither absolute nor a URI"},
		{"empty URI", "s3://\n", "neither absolute nor a URI"},
		{"NUL", "/a\x00b\n", "NUL"},
		{"long path", "/" + strings.Repeat("a", 5000) + "\n", "longer than 4095 bytes"},
		{"two paths", "/a\n/b\n", "at byte 3: there is more text after the path: \"/b"},
		{"path and object", "/a\n{\"path\": \"/b\"}", "at byte 3"},
		{"two objects", `{"path":"/a"} {"path":"/b"}`, "at byte 14: there is more text"},
		{"list", `["/a"]`, "at byte 0"},
		{"string", `"/a"`, "at byte 0"},
		{"unquoted", `{path: "/a"}`, "at byte 1: a key in quotes should be here"},
		{"no path", `  {"type":"T"}`, "at byte 2: the object has no path"},
		{"path is null", `{"path":null}`, "at byte 8: path: is null, not a string"},
		{"path is a number", `{"path":7}`, "path: is a number, not a string"},
		{"empty path", `{"path":""}`, "the path is empty"},
		{"relative in an object", `{"type":"T","path":"a/b"}`, "at byte 19: path: the path \"a/b\" is neither"},
		{"type", `{"path":"/a","type":1}`, "at byte 20: type: is a number, not a string"},
		{"metadata", `{"path":"/a","metadata":[]}`, "metadata: is a list, not an object"},
		{"inputs", `{"path":"/a","inputs":"x"}`, "inputs: is a string, not a list"},
		{"inputs of a number", `{"path":"/a","inputs":["a",2]}`, "inputs: item 1 is a number, not a string"},
		{"tracking", `{"path":"/a","tracking":"x"}`, "tracking: is a string, not an object"},
		{"alias", `{"path":"/a","aliases":["a/b"]}`, "aliases: alias \"a/b\""},
		{"alias latest", `{"path":"/a","aliases":["latest"]}`, "aliases: latest moves by itself"},
		{"alias number", `{"path":"/a","aliases":["v3"]}`, "aliases: alias \"v3\""},
		{"request_id", `{"path":"/a","request_id":"` + strings.Repeat("x", 256) + `"}`, "request_id: is longer"},
		{"iteration string", `{"path":"/a","iteration":"500"}`, "at byte 25: iteration: is a string, not a number"},
		{"iteration float", `{"path":"/a","type":"model","iteration":1.5}`, "iteration: is 1.5, not a whole number"},
		{"iteration negative", `{"path":"/a","iteration":-1}`, "iteration: is -1"},
		{"iteration big", `{"path":"/a","iteration":99999999999999999999}`, "iteration: is 9999"},
		{"NaN", `{"path":"/a","loss":NaN}`, "at byte 20: loss: NaN is not a number in JSON"},
		{"nested Infinity", `{"path":"/a","metadata":{"m":[{"loss":-Infinity}]}}`, "metadata.m.loss: -Infinity is not"},
		{"huge float", `{"path":"/a","x":1e999}`, "x: a number too large"},
		{"long integer", `{"path":"/a","x":` + strings.Repeat("1", 4301) + `}`, "x: an integer of more than 4300 digits"},
		{"NaN of a long key", `{"path":"/a","` + strings.Repeat("k", 5000) + `":NaN}`, "kkk…: NaN is not"},
		{"deep", `{"path":"/a","x":` + strings.Repeat("[", 300), "nest more than 200 deep"},
		{"not UTF-8", "{\"path\":\"/caf\xe9\"}", "at byte 13"},
		{"UTF-16", "\xff\xfe{\x00", "at byte 0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := ParseRequest([]byte(tt.text))
			if !errors.Is(err, fs.ErrInvalid) {
				t.Fatalf("got %v, %v, want fs.ErrInvalid", r, err)
			}
			if !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "at byte ") {
				t.Errorf("got %q, want in it %q and an offset", err, tt.want)
			}
			if len(err.Error()) > 300 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
		})
	}
}

func TestRequestLimit(t *testing.T) {
	text := `{"path":"/a","x":"` + strings.Repeat("x", MaxRequest-20) + `"}`
	if _, err := ParseRequest([]byte(text)); err != nil || len(text) != MaxRequest {
		t.Errorf("%d bytes: %v", len(text), err)
	}
	if _, err := ParseRequest([]byte(text + "\n")); !errors.Is(err, syscall.EFBIG) {
		t.Errorf("%d bytes: %v, want EFBIG", len(text)+1, err)
	}
}

func TestFinishRequest(t *testing.T) {
	r, err := FinishRequest([]byte("/a/b"))
	if err != nil || r.Path != "/a/b" {
		t.Errorf("a path without a newline is %v, %v", r, err)
	}
	for _, text := range []string{"", " \n", `{"path": "/a"`, "s3:", "hello"} {
		if r, err := FinishRequest([]byte(text)); !errors.Is(err, fs.ErrInvalid) || !strings.Contains(err.Error(), "at byte") {
			t.Errorf("FinishRequest(%q) is %v, %v, want fs.ErrInvalid with an offset", text, r, err)
		}
	}
}

func FuzzParseRequest(f *testing.F) {
	for _, s := range []string{
		"/a\n", "s3://b/k\n", `{"path":"/a","iteration":5}`, `{"path":"/a","metadata":{"x":NaN}}`, "\ufeff{\"path\":\"/a\"}\n",
		`{"path":"/a","source_datasets":[{"uri":"hf://x","weight":0.5},"y"],"aliases":["prod"]}`, "/a\n/b", "{", "x",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := ParseRequest(b)
		if err == ErrIncomplete {
			return
		}
		if err != nil {
			if !errors.Is(err, fs.ErrInvalid) && !errors.Is(err, syscall.EFBIG) {
				t.Fatalf("%v is neither invalid nor too big", err)
			}
			// What is refused stays refused, whatever follows.
			if r, err := ParseRequest(append(b[:len(b):len(b)], " \n"...)); err == nil {
				t.Fatalf("%q is refused, but with a newline is %v", b, r)
			}
			return
		}
		d, err := r.Draft("n", testTime, "local", "")
		if err != nil {
			t.Fatal(err)
		}
		rec, err := NewRecord("n", 1, d.ManifestBytes(1), d.MetadataBytes(), "")
		if err != nil {
			t.Fatal(err)
		}
		if rec.Meta == nil || rec.Manifest.Path != r.Path || rec.Manifest.Metadata == nil {
			t.Fatalf("%q is logged as %s", b, d.ManifestBytes(1))
		}
	})
}
