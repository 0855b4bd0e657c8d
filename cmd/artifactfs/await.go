package main

import (
	"cmp"
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

// settle waits for W&B, unless the daemon behind a door has done so, and says what is
// not settled. It returns how far the push is.
func (a *app) settle(ctx context.Context, k *core, d *door, p *manifest.Push) *manifest.Push {
	if d == nil {
		return a.await(ctx, k, p)
	}
	a.unsettled(p)
	return p
}

// await waits for W&B to have what was logged, or for the first try to fail: then it
// stays in the outbox. It returns how far it is.
func (a *app) await(ctx context.Context, k *core, p *manifest.Push) *manifest.Push {
	if p == nil || k.push == nil {
		return p
	}
	ctx, cancel := context.WithTimeout(ctx, longestAwait)
	defer cancel()
	bar := startProgress(a.err, "logging to W&B")
	bar.add()
	now, err := k.push.Try(ctx, p.ID)
	bar.end()
	if errors.Is(err, context.DeadlineExceeded) {
		fmt.Fprintf(a.err, "artifactfs: not in W&B after %v, and still on its way: artifactfs push goes on, and so does whoever mounts the store\n", longestAwait)
		return p
	}
	if err != nil {
		fmt.Fprintf(a.err, "artifactfs: whether W&B has it is not known: %s\n", oneLine(err))
		return p
	}
	a.unsettled(now)
	return now
}

// settled reports whether a push is done, or was tried and failed; so is none.
func settled(p *manifest.Push) bool {
	return p == nil || p.State == manifest.PushDone || p.State == manifest.PushFailed || p.Error != ""
}

// unsettled says why W&B does not have what was logged, unless it has.
func (a *app) unsettled(p *manifest.Push) {
	switch {
	case p == nil, p.State == manifest.PushDone:
	case p.State == manifest.PushFailed:
		fmt.Fprintf(a.err, "artifactfs: W&B does not take it: %s\n", clean(p.Error))
	default:
		fmt.Fprintf(a.err, "artifactfs: not in W&B yet: %s; whoever mounts the store tries it again, and so does artifactfs push\n", clean(cmp.Or(p.Error, "it is still on its way")))
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
