package resolver

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"artifactfs.dev/artifactfs/manifest"
)

// Runs is W&B as a Source: it knows which runs used and logged a version.
type Runs interface {
	// Qualified spells a name so that it means the same whoever numbers, as
	// ENTITY/PROJECT/NAME; false if that is not known now.
	Qualified(name string) (full string, known bool)
	// Within reports whether ENTITY/PROJECT/NAME is a name of the configured project.
	Within(full string) bool
	// Made returns the versions that the runs which used one have logged, as references.
	Made(ctx context.Context, name string, version int) ([]string, error)
}

// runs is W&B as Runs; nil if it is off.
func (t *Tree) runs() Runs {
	if t = t.whole(); t.wandb == nil {
		return nil
	}
	r, _ := t.wandb.src.(Runs)
	return r
}

// byWandB reports whether a number of this side is W&B's.
func (t *Tree) byWandB(ctx context.Context, name string) bool {
	if t.in != "" {
		return t.in == manifest.ByWandB
	}
	by, err := t.numbering(ctx)
	return err == nil && by == manifest.ByWandB && !strings.Contains(name, "/")
}

// refOf spells a version as a record does that says it was used: with W&B's full name if
// the number is W&B's, for sft:v3 would be the store's wherever that numbers. A number that
// is neither W&B's nor the tree's goes by its view, as in the tree.
func (t *Tree) refOf(ctx context.Context, name string, to manifest.Target) string {
	version := ":" + manifest.Version(to.Version).String()
	if r := t.runs(); r != nil && (to.In == manifest.ByWandB || to.In == "" && t.byWandB(ctx, name)) {
		if full, ok := r.Qualified(name); ok {
			return full + version
		}
	}
	return whose(to.In, name) + version
}

// twins are the numbers that both backends have of one version, as the store's book has
// them, read once for each name.
type twins struct {
	u     *Union // nil: there is but one backend
	mu    sync.Mutex
	names map[string]map[int]int // by the store's number, W&B's
}

func (t *Tree) twins() *twins {
	u, _ := t.whole().src.(*Union)
	return &twins{u: u, names: map[string]map[int]int{}}
}

// wandbs returns what W&B calls version n of the store, if that is known.
func (w *twins) wandbs(ctx context.Context, name string, n int) (int, bool) {
	if w.u == nil || w.u.book == nil {
		return 0, false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	known, ok := w.names[name]
	if !ok {
		known = map[int]int{}
		list, _ := w.u.book.WandBVersions(ctx, name) // without it they are two versions
		for _, theirs := range list {
			if own, err := w.u.known(ctx, name, theirs); err == nil {
				known[own] = theirs
			}
		}
		w.names[name] = known
	}
	theirs, ok := known[n]
	return theirs, ok
}

// id names a version of a side. One that both have goes by the number of the tree.
func (w *twins) id(ctx context.Context, t *Tree, name string, n int) string {
	to := t.own(ctx, name, n)
	switch to.In {
	case manifest.ByWandB:
		if w.u != nil {
			if known, err := w.u.known(ctx, name, n); err == nil && known > 0 {
				to = manifest.Target{Version: known}
			}
		}
	case manifest.ByManifest:
		if theirs, ok := w.wandbs(ctx, name, n); ok {
			to = manifest.Target{Version: theirs}
		}
	}
	return whose(to.In, name) + ":" + manifest.Version(to.Version).String()
}

// readTwin adds to a node what the other backend's record of its version says.
func (g *lineage) readTwin(ctx context.Context, n *LineageNode, side *Tree, v *Version) error {
	if g.t.manifest == nil || g.t.wandb == nil {
		return nil
	}
	other, number := g.t.manifest, 0
	if side.byWandB(ctx, v.Name) {
		var err error
		if number, err = g.twins.u.known(ctx, v.Name, v.N); err != nil || number < 1 {
			return nil
		}
	} else {
		var ok bool
		if number, ok = g.twins.wandbs(ctx, v.Name, v.N); !ok || g.out.silent() {
			return nil
		}
		other = g.t.wandb
	}
	twin, refs, err := g.records.read(recordAt{other, v.Name, number})
	if err == nil {
		n.says(other, twin, refs)
		return nil
	}
	if other == g.t.wandb && !unknown(err) {
		g.out.warn(fmt.Errorf("what W&B knows is not all here: %w", err))
		err = nil
	}
	if unknown(err) {
		err = nil
	}
	return err
}

// made puts what W&B says was made from a node's version into the graph. While W&B does
// not answer the graph is without, and says so.
func (g *lineage) made(ctx context.Context, n *LineageNode) ([]*LineageNode, error) {
	r := g.t.runs()
	name, v, ok := g.inWandB(ctx, n)
	if r == nil || !ok || g.out.silent() {
		return nil, nil
	}
	refs, err := r.Made(ctx, name, v)
	if unknown(err) {
		return nil, nil
	} else if err != nil {
		g.out.warn(fmt.Errorf("what W&B knows is not all here: %w", err))
		return nil, nil
	}
	var out []*LineageNode
	slices.Sort(refs)
	for _, ref := range slices.Compact(refs) {
		c, err := g.used(ctx, g.t.wandb, ref)
		if err != nil {
			return nil, err
		}
		if c.ID != n.ID {
			g.edge(n, c)
			out = append(out, c)
		}
	}
	return out, nil
}

// inWandB returns what W&B calls the version of a node.
func (g *lineage) inWandB(ctx context.Context, n *LineageNode) (name string, v int, ok bool) {
	i := strings.LastIndexByte(n.ID, ':')
	if n.side == nil || i < 0 {
		return "", 0, false
	}
	number, ok := manifest.ParseVersion(n.ID[i+1:])
	side, name := g.t.named(n.ID[:i])
	if !ok || side.byWandB(ctx, name) {
		return name, int(number), ok
	}
	v, ok = g.twins.wandbs(ctx, name, int(number))
	return name, v, ok
}

// silent reports whether W&B did not answer once: it is not asked again.
func (l *Lineage) silent() bool { return len(l.Warnings) > 0 }

func (l *Lineage) warn(err error) {
	if !l.silent() {
		l.Warnings = append(l.Warnings, err.Error())
	}
}
