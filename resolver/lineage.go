package resolver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"artifactfs.dev/artifactfs/manifest"
)

// Lineage is a graph: what a version was made from, what that was made from, and what was
// made from it in turn, as far as records say.
type Lineage struct {
	Of    string         `json:"of"` // the ID of the version that was asked for
	Nodes []*LineageNode `json:"nodes"`
	Edges []LineageEdge  `json:"edges"`

	// Warnings say what is not in it, since W&B did not answer.
	Warnings []string `json:"warnings,omitempty"`
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
	from []madeFrom
	data []string
}

// madeFrom is a reference in a record of a side.
type madeFrom struct {
	side *Tree
	ref  string
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
	g := &lineage{t: t.whole(), twins: t.twins(), nodes: map[string]*LineageNode{}, edges: map[LineageEdge]bool{}, known: map[recordAt]*LineageNode{}}
	reader, stop := newLineageReader(ctx)
	defer stop()
	g.records = reader
	start, err := g.found(ctx, v)
	if err != nil {
		return nil, err
	}
	if o.Up {
		err = g.walk(ctx, start, o.Depth, g.parents, func(n *LineageNode) bool { return len(n.from)+len(n.data) > 0 })
	}
	if o.Down && err == nil {
		var made map[string][]*LineageNode
		if made, err = g.scan(ctx); err == nil {
			err = g.walk(ctx, start, o.Depth, func(ctx context.Context, at []*LineageNode) ([]*LineageNode, error) {
				n := at[0]
				own := g.children(n, made[n.ID])
				theirs, err := g.made(ctx, n)
				return append(own, theirs...), err
			}, func(n *LineageNode) bool { return len(made[n.ID]) > 0 || n.side != nil && g.t.runs() != nil })
		}
	}
	if err != nil {
		return nil, fmt.Errorf("lineage of %s: %w", v, err)
	}
	return &g.out, nil
}

// lineage is a graph being made.
type lineage struct {
	t       *Tree
	twins   *twins
	records *lineageReader
	out     Lineage
	nodes   map[string]*LineageNode
	edges   map[LineageEdge]bool
	known   map[recordAt]*LineageNode // versions whose records have been read
}

// walk goes through neighbours, the nearest first. next returns those of the first of some
// nodes; it will be asked for those of the others. more reports whether there may be some.
func (g *lineage) walk(ctx context.Context, start *LineageNode, depth int, next func(context.Context, []*LineageNode) ([]*LineageNode, error), more func(*LineageNode) bool) error {
	seen := map[string]bool{start.ID: true}
	for level, at := 1, []*LineageNode{start}; len(at) > 0; level++ {
		var following []*LineageNode
		for i, n := range at {
			if depth > 0 && level > depth {
				n.More = n.More || more(n)
				continue
			}
			list, err := next(ctx, at[i:])
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

// found is the node of a version that was resolved.
func (g *lineage) found(ctx context.Context, v *Version) (*LineageNode, error) {
	refs, err := g.t.sideOf(v).MadeFrom(ctx, v)
	if err != nil {
		return nil, err
	}
	return g.version(ctx, v, refs)
}

// version is the node of a version that was made from what refs say.
func (g *lineage) version(ctx context.Context, v *Version, refs []string) (n *LineageNode, err error) {
	side := g.t.sideOf(v)
	n = g.node(ctx, side, v.Name, v.N, v.Record.Manifest)
	if g.nodes[n.ID] == nil {
		n.says(side, v, refs)
		err = g.readTwin(ctx, n, side, v)
	}
	n = g.add(n)
	g.known[recordAt{side, v.Name, v.N}] = n
	return n, err
}

// says adds to a node what a record of a side says that its version was made from.
func (n *LineageNode) says(side *Tree, v *Version, refs []string) {
	for _, ref := range refs {
		n.from = append(n.from, madeFrom{side, ref})
	}
	n.data = merged(n.data, v.Record.Manifest.Inputs)
}

func (g *lineage) node(ctx context.Context, side *Tree, name string, n int, m *manifest.Manifest) *LineageNode {
	return &LineageNode{ID: g.twins.id(ctx, side, name, n), Type: m.Type, CreatedAt: m.CreatedAt, Producer: m.Producer, Path: m.Path, side: side}
}

// parents are the nodes of what a record says that its version was made from.
func (g *lineage) parents(ctx context.Context, at []*LineageNode) ([]*LineageNode, error) {
	var out []*LineageNode
	n := at[0]
	if len(at) > 1 { // the others' are read meanwhile
		for _, next := range at[1:min(len(at), lineageReads)] {
			g.expect(next.from)
		}
	}
	for i, from := range n.from {
		if i%lineageReads == 0 {
			g.expect(n.from[i:])
		}
		p, err := g.used(ctx, from.side, from.ref)
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

// expect has records read that will be asked for, as many as are worth it.
func (g *lineage) expect(refs []madeFrom) {
	for _, from := range refs[:min(len(refs), 2*lineageReads)] {
		side, ref, err := g.parse(from.side, from.ref)
		if number, ok := ref.Number(); ok && err == nil {
			if at := (recordAt{side, ref.Name, int(number)}); g.known[at] == nil {
				g.records.expect(at)
			}
		}
	}
}

// used is the node of a reference in a record. Numbers in W&B's are W&B's; the store's
// has the tree's, and full names of W&B's.
func (g *lineage) used(ctx context.Context, side *Tree, text string) (*LineageNode, error) {
	side, ref, err := g.parse(side, text)
	if errors.Is(err, fs.ErrInvalid) {
		return g.add(&LineageNode{ID: text, Missing: "it is no reference"}), nil
	} else if err != nil {
		return g.add(&LineageNode{ID: text, Missing: err.Error()}), nil
	}
	number, ok := ref.Number()
	if !ok {
		return g.add(&LineageNode{ID: text, Missing: "an alias does not say which version it was"}), nil
	}
	at := recordAt{side, ref.Name, int(number)}
	if n := g.known[at]; n != nil {
		return n, nil
	}
	v, made, err := g.records.read(at)
	if unknown(err) { // or it has another name, and why it is missing takes a listing
		v, err = side.resolve(ctx, manifest.Ref{Name: ref.Name, Version: ref.Version}, false)
		if err == nil {
			return g.found(ctx, v)
		}
	}
	if unknown(err) {
		return g.add(&LineageNode{ID: g.twins.id(ctx, side, ref.Name, int(number)), Missing: err.Error()}), nil
	} else if err != nil && g.t.runs() != nil && (side.byWandB(ctx, ref.Name) || strings.Count(ref.Name, "/") == 2) {
		g.out.warn(fmt.Errorf("what W&B knows is not all here: %w", err))
		return g.add(&LineageNode{ID: g.twins.id(ctx, side, ref.Name, int(number)), Missing: err.Error()}), nil
	} else if err != nil {
		return nil, err
	}
	return g.version(ctx, v, made)
}

// parse reads a reference in a record of a side. A number is the tree's there, or W&B's in
// W&B's own; a view before the name, or W&B's full name, says whose it is.
func (g *lineage) parse(side *Tree, text string) (*Tree, manifest.Ref, error) {
	if side.in == manifest.ByManifest {
		side = side.whole()
	}
	view, text := side.named(text)
	ref, err := manifest.ParseRef(text)
	if err == nil && ref.In != "" { // of a backend that is off
		_, err = side.inView(ref.In)
		return view, ref, cmp.Or(err, fs.ErrInvalid)
	}
	if r := g.t.runs(); err == nil && r != nil && strings.Count(ref.Name, "/") == 2 && r.Within(ref.Name) {
		view, ref.Name = g.t.wandb, ref.Name[strings.LastIndexByte(ref.Name, '/')+1:]
	}
	return view, ref, err
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
