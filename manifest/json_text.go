package manifest

import (
	"strconv"
	"strings"
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

const hexDigits = "0123456789abcdef"

func (e encoder) text(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, size := decodeWTF8(s[i:])
			if e.plain && utf8.ValidRune(r) {
				dst = append(dst, s[i:i+size]...)
			} else {
				dst = appendEscaped(dst, r)
			}
			i += size
			continue
		}
		i++
		switch short := strings.IndexByte("\"\\\n\r\t\b\f", c); {
		case short >= 0:
			dst = append(dst, '\\', "\"\\nrtbf"[short])
		case c < ' ' || c == 0x7f:
			dst = appendUnicode(dst, rune(c))
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
