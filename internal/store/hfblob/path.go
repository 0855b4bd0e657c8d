package hfblob

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// Keys are paths in the repository, but for what git or the Hub does not take there:
// an empty component is __0x__, and of ".", "..", ".git", and of names with control
// characters or backslashes, what stands in the way is __0xHEX__. The slashes are
// those of the key, so that a directory of keys is a directory of the repository.

// toPath returns where the object of a key is.
func toPath(key string) string {
	parts := strings.Split(key, "/")
	for i, p := range parts {
		parts[i] = escapePart(p)
	}
	return strings.Join(parts, "/")
}

// toKey is the reverse of toPath. It leaves alone what toPath does not write.
func toKey(path string) string {
	parts := strings.Split(path, "/")
	for i, p := range parts {
		parts[i] = unescapePart(p)
	}
	return strings.Join(parts, "/")
}

func escapePart(p string) string {
	if p == "" {
		return "__0x__"
	}
	// What would be taken for an escape is escaped itself.
	special := isSpecial(p)
	literal := special && strings.Contains(p, "__0x") || unescapePart(p) != p
	if !special && !literal {
		return p
	}
	dots := p == "." || p == ".." || strings.EqualFold(p, ".git")
	var b strings.Builder
	for i, r := range p {
		if isControl(r) || dots && i == 0 || literal && r == '_' {
			fmt.Fprintf(&b, "__0x%x__", r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// isSpecial reports whether a component cannot be as it is.
func isSpecial(p string) bool {
	return p == "." || p == ".." || strings.EqualFold(p, ".git") || strings.ContainsFunc(p, isControl)
}

func isControl(r rune) bool { return r < ' ' || r == 127 || r == '\\' }

func unescapePart(p string) string {
	if !strings.Contains(p, "__0x") {
		return p
	}
	plain := decodePart(p)
	if plain == p || escapePart(plain) != p {
		return p
	}
	return plain
}

// decodePart decodes every escape.
func decodePart(p string) string {
	if p == "__0x__" {
		return ""
	}
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(p, "__0x")
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		hex, after, ok := strings.Cut(rest, "__")
		n, err := strconv.ParseUint(hex, 16, 21)
		if !ok || err != nil {
			b.WriteString("__0x")
			p = rest
			continue
		}
		b.WriteRune(rune(n))
		p = after
	}
}

// urlPath escapes a path for a URL; its slashes stay.
func urlPath(path string) string {
	parts := strings.Split(path, "/")
	for i, p := range parts {
		parts[i] = url.PathEscape(p)
	}
	return strings.Join(parts, "/")
}
