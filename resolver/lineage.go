package resolver

import (
	"context"
	"fmt"

	"artifactfs.dev/artifactfs/manifest"
)

// Lineage is a graph: what a version was made from, what that was made from, and what was
// made from it in turn, as far as records say.
type Lineage struct {
	Of    string         `json:"of"` // the ID of the version that was asked for
	Nodes []*LineageNode `json:"nodes"`
	Edges []LineageEdge  `json:"edges"`
}

// LineageNode is a version, or data that is none.
type LineageNode struct {
	// ID is NAME:vN, below its view if the number is not the tree's (.wandb/NAME:vN). Of
	// data it is the URI or path, and of what cannot be read as a version its text.
	ID        string `json:"id"`
	Type      string `json:"type,omitempty"` // of a version
	CreatedAt string `json:"created_at,omitempty"`
	Producer  string `json:"producer,omitempty"`
	Path      string `json:"path,omitempty"`
	Input     bool   `json:"input,omitempty"`   // it is data, and no version
	Missing   string `json:"missing,omitempty"` // why nothing more is known of it
	More      bool   `json:"more,omitempty"`    // it has neighbours beyond the depth

	side *Tree // in which its record is meant; nil if it has none
	from []string
	data []string
}

// LineageEdge says that To was made from From.
type LineageEdge struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// LineageOptions say which way to go, and how far.
type LineageOptions struct {
	Up, Down bool // what it was made from; what was made from it
	Depth    int  // edges from the version; 0: all
}

// Lineage returns the graph around the version that ref names. A cycle is in it once, and
// what cannot be found is a node that says so; only a store that does not answer is an
// error. Down takes every record of the store: it knows what a version was made from, and
// not what of it.
func (t *Tree) Lineage(ctx context.Context, ref manifest.Ref, o LineageOptions) (*Lineage, error) {
	v, err := t.resolve(ctx, ref, false)
	if err != nil {
		return nil, err
	}
	g := &lineage{t: t, nodes: map[string]*LineageNode{}, edges: map[LineageEdge]bool{}}
	start, err := g.version(ctx, v)
	if err != nil {
		return nil, err
	}
	if o.Up {
		err = g.walk(ctx, start, o.Depth, g.parents)
	}
	if o.Down && err == nil {
		var made map[string][]*LineageNode
		if made, err = t.children(ctx); err == nil {
			err = g.walk(ctx, start, o.Depth, func(_ context.Context, n *LineageNode) ([]*LineageNode, error) {
				return g.children(n, made[n.ID]), nil
			})
		}
	}
	if err != nil {
		return nil, fmt.Errorf("lineage of %s: %w", v, err)
	}
	return &g.out, nil
}

// lineage is a graph being made.
type lineage struct {
	t     *Tree
	out   Lineage
	nodes map[string]*LineageNode
	edges map[LineageEdge]bool
}

// walk goes through neighbours, the nearest first.
func (g *lineage) walk(ctx context.Context, start *LineageNode, depth int, next func(context.Context, *LineageNode) ([]*LineageNode, error)) error {
	seen := map[string]bool{start.ID: true}
	for level, at := 1, []*LineageNode{start}; len(at) > 0; level++ {
		var following []*LineageNode
		for _, n := range at {
			if depth > 0 && level > depth {
				n.More = n.More || n.side != nil
				continue
			}
			list, err := next(ctx, n)
			if err != nil {
				return err
			}
			for _, m := range list {
				if !seen[m.ID] {
					seen[m.ID] = true
					following = append(following, m)
				}
			}
		}
		at = following
	}
	return nil
}

// add puts a node into the graph, unless it is there.
func (g *lineage) add(n *LineageNode) *LineageNode {
	if old := g.nodes[n.ID]; old != nil {
		return old
	}
	g.nodes[n.ID] = n
	g.out.Nodes = append(g.out.Nodes, n)
	if g.out.Of == "" {
		g.out.Of = n.ID
	}
	return n
}

func (g *lineage) edge(from, to *LineageNode) {
	e := LineageEdge{From: from.ID, To: to.ID}
	if !g.edges[e] {
		g.edges[e] = true
		g.out.Edges = append(g.out.Edges, e)
	}
}

// version is the node of a version that was found.
func (g *lineage) version(ctx context.Context, v *Version) (n *LineageNode, err error) {
	side := g.t.sideOf(v)
	n = side.lineageNode(ctx, v.Name, v.N, v.Record.Manifest)
	n.data = v.Record.Manifest.Inputs
	n.from, err = g.t.MadeFrom(ctx, v)
	return g.add(n), err
}

func (t *Tree) lineageNode(ctx context.Context, name string, n int, m *manifest.Manifest) *LineageNode {
	return &LineageNode{ID: t.lineageID(ctx, name, n), Type: m.Type, CreatedAt: m.CreatedAt, Producer: m.Producer, Path: m.Path, side: t}
}

// lineageID names a version of this side. One of W&B's that the store has too goes by the
// store's number where that is the tree's.
func (t *Tree) lineageID(ctx context.Context, name string, n int) string {
	to := t.own(ctx, name, n)
	if to.In == manifest.ByWandB {
		if known, ok := t.main.inStore(ctx, name, n); ok {
			to = manifest.Target{Version: known}
		}
	}
	return whose(to.In, name) + ":" + manifest.Version(to.Version).String()
}

// inStore returns the store's number of W&B's version n, if the store has it.
func (t *Tree) inStore(ctx context.Context, name string, n int) (int, bool) {
	u, ok := t.src.(*Union)
	if !ok || u.book == nil {
		return 0, false
	}
	w, err := u.book.FromWandB(ctx, name, n)
	if err != nil || w.Manifest < 1 {
		return 0, false
	}
	return w.Manifest, true
}

// parents are the nodes of what a record says that its version was made from.
func (g *lineage) parents(ctx context.Context, n *LineageNode) ([]*LineageNode, error) {
	var out []*LineageNode
	for _, text := range n.from {
		p, err := g.used(ctx, n.side, text)
		if err != nil {
			return nil, err
		}
		g.edge(p, n)
		out = append(out, p)
	}
	for _, uri := range n.data {
		g.edge(g.add(&LineageNode{ID: uri, Input: true}), n)
	}
	return out, nil
}

// used is the node of a reference in a record. Its numbers are those of the record's side.
func (g *lineage) used(ctx context.Context, side *Tree, text string) (*LineageNode, error) {
	ref, err := manifest.ParseRef(text)
	if err != nil {
		return g.add(&LineageNode{ID: text, Missing: "it is no reference"}), nil
	}
	number, ok := ref.Number()
	if !ok {
		return g.add(&LineageNode{ID: text, Missing: "an alias does not say which version it was"}), nil
	}
	v, err := side.version(ctx, ref.Name, int(number))
	if unknown(err) { // or it has another name, and why it is missing takes a listing
		v, err = side.resolve(ctx, manifest.Ref{Name: ref.Name, Version: ref.Version}, false)
	}
	if unknown(err) {
		return g.add(&LineageNode{ID: ref.Name + ":" + ref.Version, Missing: err.Error()}), nil
	} else if err != nil {
		return nil, err
	}
	return g.version(ctx, v)
}

// children puts what was made from a version into the graph.
func (g *lineage) children(n *LineageNode, made []*LineageNode) []*LineageNode {
	out := make([]*LineageNode, len(made))
	for i, c := range made {
		out[i] = g.add(c)
		g.edge(n, out[i])
	}
	return out
}
