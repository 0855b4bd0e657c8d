package manifest

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

const (
	// Python's own reader gives up at about 1000.
	maxDepth = 900
	// A value takes two bytes in a file and up to a hundred here: without a limit
	// one hostile record of 16 MiB would take a gigabyte.
	maxValues = 1 << 18
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
	p := parser{b: b, values: maxValues, depth: maxDepth}
	return p.whole()
}

// whole reads all of the text as one value.
func (p *parser) whole() (v any, err error) {
	defer func() {
		if e := recover(); e != nil {
			s, ok := e.(*SyntaxError)
			if !ok {
				panic(e)
			}
			v, err = nil, s
		}
	}()
	if bytes.HasPrefix(p.b, bom) {
		p.pos = len(bom)
	}
	// Strings without escapes are parts of this copy.
	p.s = string(p.b)
	v = p.value(0)
	if p.blank(); p.pos < len(p.b) {
		p.fail(p.pos, "there is more text after the value")
	}
	return v, nil
}

func skipBlank(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// parser panics with a *SyntaxError; whole catches it.
type parser struct {
	b      []byte
	s      string
	pos    int
	depth  int // how deep values may nest
	values int // how many it may still make

	// check, if set, may refuse a number; keys lead to the one at hand.
	check func(Number) string
	keys  []string
	// starts gets the offsets of the values of the outermost object.
	starts map[string]int
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
	if p.values--; p.values < 0 {
		p.fail(p.pos, "the text holds too many values")
	}
	if depth > p.depth {
		p.fail(p.pos, "values nest more than %d deep", p.depth)
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
		if start := p.pos; p.word(w.text) {
			p.checkNumber(start, w.value)
			return w.value
		}
	}
	p.fail(p.pos, "no JSON value starts with %q", firstRune(p.b[p.pos:]))
	return nil
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
		v := p.member(key, depth)
		o, index = o.put(key, v, index)
		if p.next("an object", '}') {
			return o
		}
	}
}

// member reads the value of a key.
func (p *parser) member(key string, depth int) any {
	if p.check == nil {
		return p.value(depth + 1)
	}
	p.keys = append(p.keys, key)
	if p.blank(); depth == 0 {
		p.starts[key] = p.pos
	}
	v := p.value(depth + 1)
	p.keys = p.keys[:len(p.keys)-1]
	return v
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
	return c == end
}

// field names the value at hand, for messages.
func (p *parser) field() string {
	if len(p.keys) == 0 {
		return ""
	}
	return clip(strings.Join(p.keys, ".")) + ": "
}

func firstRune(b []byte) string {
	_, n := utf8.DecodeRune(b)
	return string(b[:n])
}
