package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"artifactfs.dev/artifactfs/manifest"
	"artifactfs.dev/artifactfs/resolver"
)

// completed prints upstream's completion panel to standard error, where it goes
// there too: standard output is for what the next program reads.
func (a *app) completed(ctx context.Context, k *core, r *manifest.Request, res *resolver.Result) {
	w := a.err
	if onTerminal(a.out) {
		w = a.out
	}
	if !onTerminal(w) {
		return
	}
	ref := logWords(ctx, k, res)[0]
	if !strings.HasPrefix(ref, ".") { // else it has no number of W&B's yet, and is a path in the mount
		ref = "art://" + ref
	}
	lines := []string{ref, "", "Path:     " + clean(res.Path)}
	if res.Manifest != "" {
		lines = append(lines, "Manifest: "+clean(res.Manifest))
	}
	if p := res.WandB; p == nil {
		lines = append(lines, "W&B:      "+wandbState(k.cfg))
	} else {
		lines = append(lines, "W&B:      "+clean(pushName(p)))
		if p.URL != "" {
			lines = append(lines, "          "+clean(p.URL))
		}
	}
	if m := metrics(r); m != "" {
		lines = append(lines, "Metrics:  "+m)
	}
	box(w, "Logged ("+res.Name+")", lines)
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
