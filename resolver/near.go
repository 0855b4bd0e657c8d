package resolver

import (
	"context"
	"strings"
	"unicode/utf8"
)

// near returns the existing artifact whose name is most like name, or "". A third of
// its letters may differ: of two letters, one would make any two names alike.
func (t *Tree) near(ctx context.Context, name string) string {
	best, at := "", utf8.RuneCountInString(name)/3+1
	try := func(candidate string) {
		if candidate == name {
			return
		}
		if d := distance(name, candidate, at); d < at {
			best, at = candidate, d
		}
	}
	// What nests is compared among its siblings; the whole store may be large.
	prefix := ""
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		prefix = name[:i]
		if t.exists(ctx, strings.ReplaceAll(name, "/", "-")) == nil {
			return strings.ReplaceAll(name, "/", "-")
		}
	}
	for _, p := range []string{prefix, ""} {
		names, err := t.names(ctx, p)
		if err != nil {
			return ""
		}
		for _, n := range names {
			try(strings.TrimPrefix(p+"/"+n, "/"))
		}
		if prefix == "" {
			break
		}
	}
	return best
}

// distance is how many characters are to be inserted, removed or replaced to make
// b of a; at least limit if it is not less.
func distance(a, b string, limit int) int {
	x, y := []rune(a), []rune(b)
	if len(x)-len(y) >= limit || len(y)-len(x) >= limit {
		return limit
	}
	row := make([]int, len(y)+1)
	for j := range row {
		row[j] = j
	}
	for i, cx := range x {
		diagonal, least := row[0], i+1
		row[0] = i + 1
		for j, cy := range y {
			d := diagonal
			if cx != cy {
				d = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], d
			least = min(least, d)
		}
		if least >= limit {
			return limit
		}
	}
	return row[len(y)]
}
