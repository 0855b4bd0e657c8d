package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// want is what Python's json.dumps(json.loads(text), indent=2) gives.
var jsonTexts = []struct{ name, text, want string }{
	{"null", "null", "null"},
	{"blanks", " \t\r\n true \n", "true"},
	{"empty list", "[ ]", "[]"},
	{"empty object", "{ }", "{}"},
	{"nested", `{"a":[1,{"b":null}],"c":{}}`, "{\n  \"a\": [\n    1,\n    {\n      \"b\": null\n    }\n  ],\n  \"c\": {}\n}"},
	{"numbers", `[0,-0.0,1e-05,1e+16,100000.0,1000000000000000000000000000000]`,
		"[\n  0,\n  -0.0,\n  1e-05,\n  1e+16,\n  100000.0,\n  1000000000000000000000000000000\n]"},
	{"not finite", `[NaN,Infinity,-Infinity]`, "[\n  NaN,\n  Infinity,\n  -Infinity\n]"},
	{"duplicate keys", `{"a":1,"b":2,"a":3}`, "{\n  \"a\": 3,\n  \"b\": 2\n}"},
	{"keys are exact", `{"Path":1,"path":2}`, "{\n  \"Path\": 1,\n  \"path\": 2\n}"},
	{"html", `"<a href='x'>&amp;</a>/\/"`, `"<a href='x'>&amp;</a>//"`},
	{"short escapes", `"\"\\\b\f\n\r\t"`, `"\"\\\b\f\n\r\t"`},
	{"control", `"\u0000\u001b"`, `"\u0000\u001b"`},
	{"DEL", "\"\x7f\"", `"\u007f"`},
	{"beyond ASCII", `"données 数据 😀"`, `"donn\u00e9es \u6570\u636e \ud83d\ude00"`},
	{"line separators", "\"\u2028\u2029\"", `"\u2028\u2029"`},
	{"pair", `"\ud83d\ude00"`, `"\ud83d\ude00"`},
	{"upper case escape", `"\uD83D\uDE00\u00E9"`, `"\ud83d\ude00\u00e9"`},
	{"lone high", `"\ud800"`, `"\ud800"`},
	{"lone low", `"x\udfffy"`, `"x\udfffy"`},
	{"high high low", `"\ud83d\ud83d\ude00"`, `"\ud83d\ud83d\ude00"`},
	{"high and another escape", `"\ud83d\n"`, `"\ud83d\n"`},
	{"low high", `"\ude00\ud83d"`, `"\ude00\ud83d"`},
	{"byte order mark", "\ufeff{}", "{}"},
	{"empty key", `{"":""}`, "{\n  \"\": \"\"\n}"},
	{"replacement character", "\"\ufffd\"", `"\ufffd"`},
}

func TestJSON(t *testing.T) {
	for _, tt := range jsonTexts {
		t.Run(tt.name, func(t *testing.T) {
			v, err := ParseJSON([]byte(tt.text))
			if err != nil {
				t.Fatal(err)
			}
			if got := string(AppendJSON(nil, v, 2)); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestJSONErrors(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		offset     int
		short      bool
	}{
		{"empty", "", 0, true},
		{"blank", " \n", 2, true},
		{"open object", `{"a": 1`, 7, true},
		{"open list", `[1,`, 3, true},
		{"open string", `{"a`, 3, true},
		{"open escape", `"\`, 2, true},
		{"open unicode", `"\ud8`, 5, true},
		{"cut word", "tru", 3, true},
		{"cut -Infinity", "-Inf", 4, true},
		{"cut number", "1.", 2, true},
		{"cut character", "\"\xe2\x82", 3, true},
		{"bad unicode", `"\u12g4"`, 1, false},
		{"bad cut unicode", `"\u1g`, 1, false},
		{"nan", `{"x": nan}`, 6, false},
		{"single quotes", `{'a': 1}`, 1, false},
		{"trailing comma", `{"a": 1,}`, 8, false},
		{"trailing comma in a list", `[1,]`, 3, false},
		{"comment", `{"a": 1 /* x */}`, 8, false},
		{"two values", "{}\n{}", 3, false},
		{"control character", "\"a\tb\"", 2, false},
		{"not UTF-8", "\"a\xff\"", 2, false},
		{"raw surrogate", "\"\xed\xa0\x80\"", 1, false},
		{"UTF-16", "\xff\xfe{\x00", 0, false},
		{"leading zero", "01", 0, false},
		{"minus alone", "[-]", 2, false},
		{"plus", "+1", 0, false},
		{"point first", ".5", 0, false},
		{"unknown escape", `"\x41"`, 1, false},
		{"deep", strings.Repeat("[", 100000), maxDepth + 1, false},
		{"deep objects", strings.Repeat(`{"a":`, 100000), 5 * (maxDepth + 1), false},
		{"many values", "[" + strings.Repeat("0,", maxValues) + "0]", 2*maxValues - 1, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v, err := ParseJSON([]byte(tt.text))
			var s *SyntaxError
			if !errors.As(err, &s) {
				t.Fatalf("got %v, %v, want an error", v, err)
			}
			if s.Offset != tt.offset || errors.Is(err, io.ErrUnexpectedEOF) != tt.short {
				t.Errorf("got offset %d, short %v (%v), want %d, %v", s.Offset, s.short, err, tt.offset, tt.short)
			}
		})
	}
}

// A path need not be UTF-8: Python writes such bytes as surrogates, and reads
// them back.
func TestJSONFileNames(t *testing.T) {
	const path = "/data/caf\xe9/\xed\xa0"
	text := AppendJSON(nil, path, 2)
	if want := `"/data/caf\udce9/\udced\udca0"`; string(text) != want {
		t.Errorf("got %s, want %s", text, want)
	}
	v, err := ParseJSON(text)
	if err != nil {
		t.Fatal(err)
	}
	if got := fileName(v.(string)); got != path {
		t.Errorf("got %q, want %q", got, path)
	}
}

func TestObject(t *testing.T) {
	var o Object
	for _, k := range []string{"a", "b", "a"} {
		o.Set(k, k+"!")
	}
	if diff := cmp.Diff(Object{{"a", "a!"}, {"b", "b!"}}, o); diff != "" {
		t.Error(diff)
	}
	if v, ok := (Object{{"a", 1}, {"a", 2}}).Get("a"); v != 2 || !ok {
		t.Errorf("got %v, want the last value", v)
	}
}

// An object with a million keys, and the same key a million times, are read in
// one pass.
func TestJSONManyKeys(t *testing.T) {
	for _, text := range []string{
		"{" + strings.Repeat(`"a":0,`, maxValues/2) + `"a":1}`,
		manyKeys(maxValues / 8),
	} {
		v, err := ParseJSON([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if a, _ := v.(Object).Get("a"); a != Number("1") {
			t.Errorf("got %v, want 1", a)
		}
	}
}

func manyKeys(n int) string {
	var b strings.Builder
	b.WriteString("{")
	for i := range n {
		k, _ := json.Marshal(string(rune(0x10000 + i)))
		b.Write(k)
		b.WriteString(":0,")
	}
	b.WriteString(`"a":1}`)
	return b.String()
}

func FuzzParseJSON(f *testing.F) {
	for _, tt := range jsonTexts {
		f.Add([]byte(tt.text))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := ParseJSON(b)
		if err != nil {
			var s *SyntaxError
			if !errors.As(err, &s) || s.Offset < 0 || s.Offset > len(b) {
				t.Fatalf("%v is no syntax error inside the text", err)
			}
			// What could go on must not be refused once it does.
			if s.short && s.Offset != len(b) {
				t.Fatalf("short at %d of %d", s.Offset, len(b))
			}
			if json.Valid(b) && utf8.Valid(b) && len(b) < maxDepth {
				t.Fatalf("encoding/json takes what we refuse: %v", err)
			}
			return
		}
		text := AppendJSON(nil, v, 2)
		again, err := ParseJSON(text)
		if err != nil {
			t.Fatalf("%s does not parse: %v", text, err)
		}
		if diff := cmp.Diff(v, again); diff != "" {
			t.Fatal(diff)
		}
		if !bytes.Equal(AppendJSON(nil, again, 2), text) {
			t.Fatalf("%s is spelled otherwise the second time", text)
		}
		for _, c := range text {
			if c >= 0x7f {
				t.Fatalf("%q is not ASCII", text)
			}
		}
	})
}
