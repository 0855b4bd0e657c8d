package rewrite

import (
	"fmt"
	"regexp"
	"strings"
)

// interp is an ${art:…} in a scalar's value.
type interp struct {
	start, end int  // in the value
	nested     bool // inside another interpolation
	quote      byte // of the string there that it stands in; 0: none
	args       []string
	err        error // it cannot be read
}

var artStart = regexp.MustCompile(`^\$\{\s*art\s*:`)

// interps finds the ${art:…} of a value, from left to right.
func interps(value string) []interp {
	var out []interp
	depth := 0
	var quote byte // of a string inside another interpolation
	for i := 0; i < len(value); i++ {
		switch {
		case depth > 0 && (value[i] == '\'' || value[i] == '"') && backslashes(value, i)%2 == 0 && (quote == 0 || quote == value[i]):
			quote ^= value[i]
		case strings.HasPrefix(value[i:], "${") && !escaped(value, i):
			m := artStart.FindString(value[i:])
			if m == "" {
				depth++
				i++
				continue
			}
			in := read(value, i, i+len(m))
			in.nested, in.quote = depth > 0, quote
			out = append(out, in)
			i = in.end - 1
		case value[i] == '}' && depth > 0 && quote == 0:
			depth--
		}
	}
	return out
}

// escaped: an odd number of backslashes before ${ makes it text.
func escaped(value string, i int) bool { return backslashes(value, i)%2 == 1 }

// backslashes is how many there are before i.
func backslashes(value string, i int) int {
	n := 0
	for n < i && value[i-1-n] == '\\' {
		n++
	}
	return n
}

// read reads the arguments of an ${art:…}, which begins at start and has them at args.
func read(value string, start, args int) interp {
	in := interp{start: start}
	length := strings.IndexByte(value[args:], '}')
	if length < 0 {
		in.end, in.err = len(value), fmt.Errorf("it has no end")
		return in
	}
	body := value[args : args+length]
	in.end = args + length + 1
	if strings.Contains(body, "${") {
		in.end = closing(value, args)
		in.err = fmt.Errorf("what it names is itself an interpolation, and known only to the job")
		return in
	}
	for _, a := range strings.Split(body, ",") {
		in.args = append(in.args, unquote(strings.TrimSpace(a)))
	}
	if len(in.args) > 2 || in.args[0] == "" {
		in.err = fmt.Errorf("it is not ${art:KEY} or ${art:KEY,FIELD}")
	}
	return in
}

// closing is where the brace that is open at i has been closed.
func closing(value string, i int) int {
	for depth := 1; i < len(value); i++ {
		switch value[i] {
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return len(value)
}

func unquote(s string) string {
	if len(s) >= 2 && (s[0] == '\'' || s[0] == '"') && s[len(s)-1] == s[0] {
		return s[1 : len(s)-1]
	}
	return s
}

// spell gives a value as it stands in the string instead.
func (in interp) spell(v any) (string, error) {
	switch {
	case !in.nested:
		return text(v)
	case in.quote == 0:
		return argument(v)
	}
	s, err := text(v)
	if err == nil && strings.ContainsAny(s, `\$`+string(in.quote)) {
		err = fmt.Errorf("its value %q cannot be spelled inside a string of another interpolation", s)
	}
	return s, err
}

// use is what it asks for.
func (in interp) use(line int) Use {
	u := Use{Line: line, Key: in.args[0], Field: "path"}
	if len(in.args) == 2 {
		u.Field = in.args[1]
	}
	return u
}
