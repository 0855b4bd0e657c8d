package manifest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

const (
	// Python's own reader gives up at about 1000.
	maxDepth = 900
	// A value costs up to 64 bytes here and two in a file: without a limit a
	// hostile record of 16 MiB would take half a gigabyte.
	maxValues = 1 << 20
)

// SyntaxError is what is wrong with a JSON text, and at which byte.
// It unwraps to io.ErrUnexpectedEOF if more text could make it right.
type SyntaxError struct {
	Offset int
	Reason string
	short  bool
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("at byte %d: %s", e.Offset, e.Reason)
}

func (e *SyntaxError) Unwrap() error {
	if e.short {
		return io.ErrUnexpectedEOF
	}
	return nil
}

var bom = []byte("\xef\xbb\xbf")

// ParseJSON reads one JSON text as Python's json.loads does, NaN and Infinity
// included, and tolerates a byte order mark, which Python does not. It returns
// nil, bool, Number, string, []any or Object. A key given twice stands where it
// first stood with the value it last had. Errors are *SyntaxError.
func ParseJSON(b []byte) (any, error) {
	v, end, err := parsePrefix(b)
	if err != nil {
		return nil, err
	}
	if rest := skipBlank(b, end); rest < len(b) {
		return nil, &SyntaxError{Offset: rest, Reason: "more text after the value"}
	}
	return v, nil
}

// parsePrefix reads the JSON value that b starts with and returns where it ends.
func parsePrefix(b []byte) (v any, end int, err error) {
	p := parser{b: b, left: maxValues}
	if bytes.HasPrefix(b, bom) {
		p.pos = len(bom)
	}
	defer func() {
		if e := recover(); e != nil {
			s, ok := e.(*SyntaxError)
			if !ok {
				panic(e)
			}
			v, end, err = nil, s.Offset, s
		}
	}()
	// Strings without escapes are parts of this copy.
	p.s = string(b)
	p.blank()
	v = p.value(0)
	return v, p.pos, nil
}

func skipBlank(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// parser panics with a *SyntaxError; parsePrefix catches it.
type parser struct {
	b    []byte
	s    string
	pos  int
	left int // values it may still make
}

func (p *parser) fail(at int, format string, args ...any) {
	panic(&SyntaxError{Offset: at, Reason: fmt.Sprintf(format, args...)})
}

func (p *parser) short(what string) {
	panic(&SyntaxError{Offset: len(p.b), Reason: "the text ends " + what, short: true})
}

func (p *parser) blank() { p.pos = skipBlank(p.b, p.pos) }

// peek returns the next byte that is not blank.
func (p *parser) peek(where string) byte {
	p.blank()
	if p.pos == len(p.b) {
		p.short(where)
	}
	return p.b[p.pos]
}

func (p *parser) value(depth int) any {
	if p.left--; p.left < 0 {
		p.fail(p.pos, "more than %d values", maxValues)
	}
	if depth > maxDepth {
		p.fail(p.pos, "nested more than %d deep", maxDepth)
	}
	switch c := p.peek("where a value should be"); {
	case c == '{':
		return p.object(depth)
	case c == '[':
		return p.list(depth)
	case c == '"':
		return p.text()
	case c == '-' || '0' <= c && c <= '9':
		return p.number()
	}
	for _, w := range words {
		if p.word(w.text) {
			return w.value
		}
	}
	p.fail(p.pos, "no JSON value starts with %q", firstRune(p.b[p.pos:]))
	return nil
}

var words = []struct {
	text  string
	value any
}{
	{"null", nil}, {"true", true}, {"false", false},
	{"NaN", Number("NaN")}, {"Infinity", Number("Infinity")},
}

// word takes w if it is next; a beginning of w at the end of the text is short.
func (p *parser) word(w string) bool {
	rest := p.s[p.pos:]
	if strings.HasPrefix(rest, w) {
		p.pos += len(w)
		return true
	}
	if strings.HasPrefix(w, rest) {
		p.short("inside " + w)
	}
	return false
}

func (p *parser) list(depth int) any {
	p.pos++
	list := []any{}
	if p.peek("inside a list") == ']' {
		p.pos++
		return list
	}
	for {
		list = append(list, p.value(depth+1))
		if p.next("a list", ']') {
			return list
		}
	}
}

func (p *parser) object(depth int) any {
	p.pos++
	o := Object{}
	if p.peek("inside an object") == '}' {
		p.pos++
		return o
	}
	var index map[string]int // made when looking through o gets slow
	for {
		if p.peek("inside an object") != '"' {
			p.fail(p.pos, "a key in quotes should be here")
		}
		key := p.text()
		if p.peek("after a key") != ':' {
			p.fail(p.pos, "a colon should be here")
		}
		p.pos++
		v := p.value(depth + 1)
		o, index = o.put(key, v, index)
		if p.next("an object", '}') {
			return o
		}
	}
}

// put is Set for objects with many keys.
func (o Object) put(key string, v any, index map[string]int) (Object, map[string]int) {
	if index == nil && len(o) < 16 {
		o.Set(key, v)
		return o, nil
	}
	if index == nil {
		index = make(map[string]int, 64)
		for i, m := range o {
			index[m.Key] = i
		}
	}
	if i, ok := index[key]; ok {
		o[i].Value = v
		return o, index
	}
	index[key] = len(o)
	return append(o, Member{key, v}), index
}

// next takes the comma before another item, or the end, and reports the end.
func (p *parser) next(what string, end byte) bool {
	c := p.peek("inside " + what)
	if c != ',' && c != end {
		p.fail(p.pos, "a comma or the end of %s should be here", what)
	}
	p.pos++
	if c == ',' && end == ']' && p.peek("inside a list") == ']' {
		p.fail(p.pos, "a list ends with a comma")
	}
	return c == end
}

func (p *parser) number() any {
	start := p.pos
	if p.b[p.pos] == '-' {
		p.pos++
		if p.pos == len(p.b) {
			p.short("inside a number")
		}
		if p.b[p.pos] == 'I' && p.word("Infinity") {
			return Number("-Infinity")
		}
	}
	if p.digits() == 0 {
		p.fail(p.pos, "a number has no digits")
	}
	if first := p.b[start:p.pos]; len(bytes.TrimPrefix(first, []byte("-"))) > 1 && bytes.TrimPrefix(first, []byte("-"))[0] == '0' {
		p.fail(start, "a number starts with 0")
	}
	if p.pos < len(p.b) && p.b[p.pos] == '.' {
		p.pos++
		p.fraction("after the point")
	}
	if p.pos < len(p.b) && p.b[p.pos]|0x20 == 'e' {
		p.pos++
		if p.pos < len(p.b) && (p.b[p.pos] == '+' || p.b[p.pos] == '-') {
			p.pos++
		}
		p.fraction("in the exponent")
	}
	return Number(p.s[start:p.pos])
}

func (p *parser) fraction(where string) {
	if p.pos == len(p.b) {
		p.short("inside a number")
	}
	if p.digits() == 0 {
		p.fail(p.pos, "a number has no digits %s", where)
	}
}

func (p *parser) digits() (n int) {
	for p.pos < len(p.b) && '0' <= p.b[p.pos] && p.b[p.pos] <= '9' {
		p.pos++
		n++
	}
	return n
}

func firstRune(b []byte) string {
	_, n := utf8.DecodeRune(b)
	return string(b[:n])
}

// short reports whether err says that a longer text could be right.
func short(err error) bool { return errors.Is(err, io.ErrUnexpectedEOF) }
