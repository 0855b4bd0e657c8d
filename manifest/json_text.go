package manifest

import (
	"strconv"
	"unicode/utf8"
)

// text reads a string. One without escapes shares the memory of the whole text.
func (p *parser) text() string {
	p.pos++
	start := p.pos
	for p.pos < len(p.b) {
		switch c := p.b[p.pos]; {
		case c == '"':
			p.pos++
			return p.s[start : p.pos-1]
		case c == '\\':
			return p.escapedText(start)
		default:
			p.plain(c)
		}
	}
	p.short("inside a string")
	return ""
}

// plain takes one character that stands for itself.
func (p *parser) plain(c byte) {
	if c < ' ' {
		p.fail(p.pos, "a string holds the control character %#02x, which must be escaped", c)
	}
	if c < utf8.RuneSelf {
		p.pos++
		return
	}
	r, size := utf8.DecodeRune(p.b[p.pos:])
	if r == utf8.RuneError && size == 1 {
		if !utf8.FullRune(p.b[p.pos:]) {
			p.short("inside a character")
		}
		p.fail(p.pos, "a string holds the byte %#02x, which is not UTF-8", c)
	}
	p.pos += size
}

func (p *parser) escapedText(start int) string {
	out := append([]byte(nil), p.b[start:p.pos]...)
	for p.pos < len(p.b) {
		switch c := p.b[p.pos]; c {
		case '"':
			p.pos++
			return string(out)
		case '\\':
			out = p.escape(out)
		default:
			at := p.pos
			p.plain(c)
			out = append(out, p.b[at:p.pos]...)
		}
	}
	p.short("inside a string")
	return ""
}

func (p *parser) escape(out []byte) []byte {
	at := p.pos
	p.pos++
	if p.pos == len(p.b) {
		p.short("inside a string")
	}
	c := p.b[p.pos]
	p.pos++
	switch c {
	case '"', '\\', '/':
		return append(out, c)
	case 'b':
		return append(out, '\b')
	case 'f':
		return append(out, '\f')
	case 'n':
		return append(out, '\n')
	case 'r':
		return append(out, '\r')
	case 't':
		return append(out, '\t')
	case 'u':
		return appendWTF8(out, p.unicode(at))
	}
	p.fail(at, "\\%s is no escape", firstRune(p.b[p.pos-1:]))
	return nil
}

// unicode reads the digits of \uXXXX, and a second escape that completes a
// pair. A surrogate without its partner stays one, as in Python.
func (p *parser) unicode(at int) rune {
	r := p.hex4(at)
	if r < 0xd800 || r > 0xdbff || p.pos+1 >= len(p.b) || p.b[p.pos] != '\\' || p.b[p.pos+1] != 'u' {
		return r
	}
	back := p.pos
	p.pos += 2
	if low := p.hex4(back); low >= 0xdc00 && low <= 0xdfff {
		return 0x10000 + (r-0xd800)<<10 + (low - 0xdc00)
	}
	p.pos = back
	return r
}

func (p *parser) hex4(at int) rune {
	if p.pos+4 > len(p.b) {
		for _, c := range p.b[p.pos:] {
			if !isHex(c) {
				p.fail(at, "\\u needs four hexadecimal digits")
			}
		}
		p.short("inside a string")
	}
	digits := p.s[p.pos : p.pos+4]
	for i := range digits {
		if !isHex(digits[i]) {
			p.fail(at, "\\u needs four hexadecimal digits")
		}
	}
	n, _ := strconv.ParseUint(digits, 16, 16)
	p.pos += 4
	return rune(n)
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f'
}
