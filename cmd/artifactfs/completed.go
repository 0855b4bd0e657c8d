package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"artifactfs.dev/artifactfs/manifest"
	"artifactfs.dev/artifactfs/resolver"
)

// completed prints upstream's completion panel to standard error, where it goes
// there too: standard output is for what the next program reads.
func (a *app) completed(r *manifest.Request, res *resolver.Result) {
	w := a.err
	if onTerminal(a.out) {
		w = a.out
	}
	ref := fmt.Sprintf("%s:v%d", clean(res.Name), res.Version)
	lines := []string{
		"art://" + ref, "",
		"Path:     " + clean(res.Path),
		"Manifest: " + clean(res.Manifest),
	}
	if m := metrics(r); m != "" {
		lines = append(lines, "Metrics:  "+m)
	}
	title := "Logged (" + clean(res.Name) + ")"
	if !onTerminal(w) {
		return
	}
	panelBox(w, title, lines)
}

// panelBox draws lines in a frame with the title in its upper edge, as rich does.
func panelBox(w io.Writer, title string, lines []string) {
	inner := len([]rune(title)) + 4
	for _, l := range lines {
		inner = max(inner, len([]rune(l)))
	}
	if n := width(w); n > 4 {
		inner = min(inner, n-4)
	}
	fmt.Fprintf(w, "╭── %s %s╮\n", title, strings.Repeat("─", max(0, inner-len([]rune(title))-2)))
	for _, l := range lines {
		for _, part := range wrap(l, inner) {
			fmt.Fprintf(w, "│ %s%s │\n", part, strings.Repeat(" ", inner-len([]rune(part))))
		}
	}
	fmt.Fprintf(w, "╰%s╯\n", strings.Repeat("─", inner+2))
}

func wrap(s string, n int) []string {
	r := []rune(s)
	var out []string
	for len(r) > n {
		out = append(out, string(r[:n]))
		r = r[n:]
	}
	return append(out, string(r))
}

// metrics are the numbers of a request, spelled as upstream's panel does.
func metrics(r *manifest.Request) string {
	var out []string
	for _, f := range r.Fields {
		n, ok := f.Value.(manifest.Number)
		if !ok {
			continue
		}
		v, err := strconv.ParseFloat(string(n), 64)
		if err != nil {
			continue
		}
		if v > 100 {
			out = append(out, fmt.Sprintf("%s=%s", clean(f.Key), thousands(v)))
		} else {
			out = append(out, fmt.Sprintf("%s=%.2f", clean(f.Key), v))
		}
	}
	return strings.Join(out, ", ")
}

// thousands is Python's f"{v:,.0f}".
func thousands(v float64) string {
	s := strconv.FormatFloat(v, 'f', 0, 64)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
