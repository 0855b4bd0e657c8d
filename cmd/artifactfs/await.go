package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"artifactfs.dev/artifactfs/manifest"
	"artifactfs.dev/artifactfs/resolver"
)

// longestAwait is how long log waits while others' versions are on their way, or a
// large manifest is.
const longestAwait = 5 * time.Minute

// await waits for W&B to have what was logged, or for the first try to fail: then it
// stays in the outbox.
func (a *app) await(ctx context.Context, k *core, res *resolver.Result) {
	if res.WandB == nil || k.push == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, longestAwait)
	defer cancel()
	bar := startProgress(a.err, "logging to W&B")
	bar.add()
	p, err := k.push.Try(ctx, res.WandB.ID)
	bar.end()
	if errors.Is(err, context.DeadlineExceeded) {
		fmt.Fprintf(a.err, "artifactfs: not in W&B after %v, and still on its way: artifactfs push goes on, and so does whoever mounts the store\n", longestAwait)
		return
	}
	if err != nil {
		fmt.Fprintf(a.err, "artifactfs: whether W&B has it is not known: %s\n", oneLine(err))
		return
	}
	res.WandB = p
	switch p.State {
	case manifest.PushDone:
	case manifest.PushFailed:
		fmt.Fprintf(a.err, "artifactfs: W&B does not take it: %s\n", clean(p.Error))
	default:
		fmt.Fprintf(a.err, "artifactfs: not in W&B yet: %s; whoever mounts the store tries it again, and so does artifactfs push\n", clean(p.Error))
	}
}

// logWords are the reference that a log has made, where its record is, and what W&B
// has of it. Where W&B numbers, the store's own number would be read as another
// version: it is told by the store's own view.
func logWords(ctx context.Context, k *core, res *resolver.Result) []string {
	out := []string{fmt.Sprintf("%s:v%d", res.Name, res.Version)}
	p := res.WandB
	if p == nil {
		return cleanAll(append(out, res.Manifest))
	}
	done := p.State == manifest.PushDone
	switch {
	case res.Version == 0 && done, byWandB(ctx, k) && done:
		out[0] = res.Name + ":" + p.Version
	case res.Version == 0:
		out[0] = res.Name
	case byWandB(ctx, k):
		out[0] = fmt.Sprintf(".manifest/%s/v%d", res.Name, res.Version)
	}
	if res.Manifest != "" {
		out = append(out, res.Manifest)
	}
	if !done {
		return cleanAll(append(out, string(p.State)))
	}
	return cleanAll(append(out, p.Name+":"+p.Version, p.URL))
}

func cleanAll(words []string) []string {
	for i := range words {
		words[i] = clean(words[i])
	}
	return words
}

// byWandB reports whether NAME/vN are W&B's numbers.
func byWandB(ctx context.Context, k *core) bool {
	by, err := k.src.Numbering(ctx)
	return err == nil && by == manifest.ByWandB
}

// pushName is what W&B calls a version, or how far it is.
func pushName(p *manifest.Push) string {
	if p.State == manifest.PushDone {
		return p.Name + ":" + p.Version
	}
	return string(p.State)
}
