package rewrite

import (
	"bytes"
	"errors"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

var errLines = errors.New("it spans lines; write it on one")

// offset is where a node begins in the source: yaml.v3 counts lines and characters
// from one.
func (c *Config) offset(n *yaml.Node) int {
	at := 0
	for range n.Line - 1 {
		at += bytes.IndexByte(c.src[at:], '\n') + 1
	}
	if at == 0 {
		at += len(c.src) - len(bytes.TrimPrefix(c.src, []byte("\ufeff")))
	}
	for range n.Column - 1 {
		_, size := utf8.DecodeRune(c.src[at:])
		at += size
	}
	return at
}

// token is where the text of a scalar lies in the source, with its quotes and without
// its anchor and tag.
func (c *Config) token(n *yaml.Node) (start, end int, err error) {
	at := c.offset(n)
	for at < len(c.src) && (c.src[at] == '&' || c.src[at] == '!') {
		word := bytes.IndexAny(c.src[at:], " \t\n")
		if word < 0 {
			return 0, 0, errLines
		}
		at += word
		at += len(c.src[at:]) - len(bytes.TrimLeft(c.src[at:], " \t"))
	}
	switch {
	case n.Style&yaml.DoubleQuotedStyle != 0:
		end, err = closeQuote(c.src, at, '"')
	case n.Style&yaml.SingleQuotedStyle != 0:
		end, err = closeQuote(c.src, at, '\'')
	case bytes.HasPrefix(c.src[at:], []byte(n.Value)):
		end = at + len(n.Value)
	default:
		err = errLines
	}
	return at, end, err
}

// closeQuote is the place behind the quote that closes the one at at.
func closeQuote(src []byte, at int, quote byte) (int, error) {
	for i := at + 1; i < len(src) && src[at] == quote; i++ {
		switch {
		case src[i] == '\n':
			return 0, errLines
		case src[i] == '\\' && quote == '"':
			i++
		case src[i] == quote && quote == '\'' && i+1 < len(src) && src[i+1] == quote:
			i++
		case src[i] == quote:
			return i + 1, nil
		}
	}
	return 0, errLines
}
