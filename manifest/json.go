package manifest

import (
	"fmt"
	"strconv"
	"unicode/utf8"
)

// Object is a JSON object that remembers the order of its keys.
type Object []Member

// Member is one key of an Object and its value.
type Member struct {
	Key   string
	Value any
}

// Number is a JSON number as it was spelled: 1e-05 and 100000.0 are Python's
// spellings and stay what they are, and integers have any length. NaN, Infinity
// and -Infinity, which Python writes, are numbers here too.
type Number string

// Finite reports whether n is a number that JSON knows.
func (n Number) Finite() bool {
	return n != "NaN" && n != "Infinity" && n != "-Infinity"
}

// Int returns n as an int, if it is spelled as an integer and fits.
func (n Number) Int() (int, bool) {
	i, err := strconv.ParseInt(string(n), 10, strconv.IntSize)
	return int(i), err == nil
}

// Get returns the value of key. Keys match exactly, and the last one counts.
func (o Object) Get(key string) (any, bool) {
	for i := len(o) - 1; i >= 0; i-- {
		if o[i].Key == key {
			return o[i].Value, true
		}
	}
	return nil, false
}

// Set gives key a value, in its place if it has one, else at the end.
func (o *Object) Set(key string, v any) {
	for i := range *o {
		if (*o)[i].Key == key {
			(*o)[i].Value = v
			return
		}
	}
	*o = append(*o, Member{key, v})
}

// AppendJSON appends v as Python's json.dumps spells it: with indent spaces per
// level, or on one line if indent is 0. Beyond ASCII everything is escaped.
//
// v is nil, a bool, a Number, an int, a string, []any, []string or Object; the
// values that ParseJSON returns are. A byte that is not UTF-8 is written as
// Python writes such a byte of a file name, \udcXX.
func AppendJSON(dst []byte, v any, indent int) []byte {
	return appendValue(dst, v, indent, 0)
}

func appendValue(dst []byte, v any, indent, level int) []byte {
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...)
	case bool:
		return strconv.AppendBool(dst, v)
	case int:
		return strconv.AppendInt(dst, int64(v), 10)
	case Number:
		return append(dst, v...)
	case string:
		return appendString(dst, v)
	case []any:
		return appendList(dst, len(v), '[', ']', indent, level, func(dst []byte, i int) []byte {
			return appendValue(dst, v[i], indent, level+1)
		})
	case []string:
		return appendList(dst, len(v), '[', ']', indent, level, func(dst []byte, i int) []byte {
			return appendString(dst, v[i])
		})
	case Object:
		return appendList(dst, len(v), '{', '}', indent, level, func(dst []byte, i int) []byte {
			dst = append(appendString(dst, v[i].Key), ':', ' ')
			return appendValue(dst, v[i].Value, indent, level+1)
		})
	}
	panic(fmt.Sprintf("manifest: AppendJSON of a %T", v))
}

func appendList(dst []byte, n int, open, close byte, indent, level int, item func([]byte, int) []byte) []byte {
	dst = append(dst, open)
	for i := range n {
		switch {
		case i > 0 && indent == 0:
			dst = append(dst, ", "...)
		case i > 0:
			dst = append(dst, ',')
		}
		dst = item(appendBreak(dst, indent, level+1), i)
	}
	if n > 0 {
		dst = appendBreak(dst, indent, level)
	}
	return append(dst, close)
}

func appendBreak(dst []byte, indent, level int) []byte {
	if indent == 0 {
		return dst
	}
	dst = append(dst, '\n')
	for range indent * level {
		dst = append(dst, ' ')
	}
	return dst
}

const hexDigits = "0123456789abcdef"

func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, size := decodeWTF8(s[i:])
			dst = appendEscaped(dst, r)
			i += size
			continue
		}
		i++
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c == '\n':
			dst = append(dst, '\\', 'n')
		case c == '\r':
			dst = append(dst, '\\', 'r')
		case c == '\t':
			dst = append(dst, '\\', 't')
		case c == '\b':
			dst = append(dst, '\\', 'b')
		case c == '\f':
			dst = append(dst, '\\', 'f')
		case c < ' ' || c == 0x7f:
			dst = appendEscaped(dst, rune(c))
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}

func appendEscaped(dst []byte, r rune) []byte {
	if r > 0xffff {
		r -= 0x10000
		dst = appendUnicode(dst, 0xd800+r>>10)
		r = 0xdc00 + r&0x3ff
	}
	return appendUnicode(dst, r)
}

func appendUnicode(dst []byte, r rune) []byte {
	return append(dst, '\\', 'u', hexDigits[r>>12&15], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
}

// decodeWTF8 decodes one character of a string in which a surrogate without its
// partner takes three bytes, as if it were a character (WTF-8). A byte that
// fits nowhere is Python's surrogate escape for it.
func decodeWTF8(s string) (rune, int) {
	if r, size := utf8.DecodeRuneInString(s); r != utf8.RuneError || size > 1 {
		return r, size
	}
	if len(s) >= 3 && s[0] == 0xed && s[1]&0xe0 == 0xa0 && s[2]&0xc0 == 0x80 {
		return 0xd000 | rune(s[1]&0x3f)<<6 | rune(s[2]&0x3f), 3
	}
	return 0xdc00 | rune(s[0]), 1
}

// appendWTF8 is the inverse of decodeWTF8 for whole characters and surrogates.
func appendWTF8(dst []byte, r rune) []byte {
	if r >= 0xd800 && r <= 0xdfff {
		return append(dst, 0xed, 0x80|byte(r>>6)&0x3f, 0x80|byte(r)&0x3f)
	}
	return utf8.AppendRune(dst, r)
}
