package manifest

import (
	"fmt"
	"strconv"
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
	i, err := strconv.Atoi(string(n))
	if err != nil {
		return 0, false
	}
	return i, true
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
// v is nil, a bool, a Number, an int, a string, []any, []string or Object, as the
// values that ParseJSON returns are. A byte that is not UTF-8 is written as
// Python writes such a byte of a file name, \udcXX.
func AppendJSON(dst []byte, v any, indent int) []byte {
	return encoder{indent: indent}.value(dst, v, 0)
}

type encoder struct {
	indent int
	plain  bool // leave characters beyond ASCII as they are
}

func (e encoder) value(dst []byte, v any, level int) []byte {
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
		return e.text(dst, v)
	case []any:
		return e.items(dst, "[]", len(v), level, func(dst []byte, i int) []byte {
			return e.value(dst, v[i], level+1)
		})
	case []string:
		return e.items(dst, "[]", len(v), level, func(dst []byte, i int) []byte {
			return e.text(dst, v[i])
		})
	case Object:
		return e.items(dst, "{}", len(v), level, func(dst []byte, i int) []byte {
			dst = append(e.text(dst, v[i].Key), ':', ' ')
			return e.value(dst, v[i].Value, level+1)
		})
	}
	panic(fmt.Sprintf("manifest: AppendJSON of a %T", v))
}

// items writes what stands between a pair of brackets.
func (e encoder) items(dst []byte, brackets string, n, level int, item func([]byte, int) []byte) []byte {
	dst = append(dst, brackets[0])
	for i := range n {
		if i > 0 {
			dst = append(dst, ',')
		}
		if i > 0 && e.indent == 0 {
			dst = append(dst, ' ')
		}
		dst = item(e.newline(dst, level+1), i)
	}
	if n > 0 {
		dst = e.newline(dst, level)
	}
	return append(dst, brackets[1])
}

func (e encoder) newline(dst []byte, level int) []byte {
	if e.indent == 0 {
		return dst
	}
	dst = append(dst, '\n')
	for range e.indent * level {
		dst = append(dst, ' ')
	}
	return dst
}
