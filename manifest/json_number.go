package manifest

import "strings"

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

func (p *parser) number() any {
	start := p.pos
	if !p.word("-Infinity") {
		p.decimal()
	}
	n := Number(p.s[start:p.pos])
	p.checkNumber(start, n)
	return n
}

func (p *parser) checkNumber(start int, v any) {
	if n, ok := v.(Number); ok && p.check != nil {
		if why := p.check(n); why != "" {
			p.fail(start, "%s%s", p.field(), why)
		}
	}
}

func (p *parser) decimal() {
	if p.b[p.pos] == '-' {
		p.pos++
	}
	start := p.pos
	p.digits("")
	if p.b[start] == '0' && p.pos > start+1 {
		p.fail(start, "a number starts with 0")
	}
	if p.pos < len(p.b) && p.b[p.pos] == '.' {
		p.pos++
		p.digits(" after the point")
	}
	if p.pos < len(p.b) && p.b[p.pos]|0x20 == 'e' {
		p.pos++
		if p.pos < len(p.b) && (p.b[p.pos] == '+' || p.b[p.pos] == '-') {
			p.pos++
		}
		p.digits(" in the exponent")
	}
}

func (p *parser) digits(where string) {
	if p.pos == len(p.b) {
		p.short("inside a number")
	}
	start := p.pos
	for p.pos < len(p.b) && '0' <= p.b[p.pos] && p.b[p.pos] <= '9' {
		p.pos++
	}
	if p.pos == start {
		p.fail(p.pos, "a number has no digit%s", where)
	}
}
