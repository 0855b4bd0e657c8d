package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/list"
	"github.com/spf13/cobra"

	"artifactfs.dev/artifactfs/resolver"
)

func (a *app) lineageCmd() *cobra.Command {
	var o resolver.LineageOptions
	var format string
	c := &cobra.Command{
		Use:   "lineage NAME[:VERSION]",
		Short: "Show what a version was made from, and what was made from it",
		Long: `Show what a version was made from, and what was made from it, as the records of the store and
of W&B say. What a job resolves or opens through a mount is noted, and recorded with what it logs.

What was made from a version takes a look at every record of the store; --up does without.
What only one of two backends has is named below its view, as .manifest/NAME:v1; every command
takes such a reference.
Formats are tree, dot (for Graphviz) and json.`,
		Args:              args(1, 1, "one reference"),
		ValidArgsFunction: a.completeRef,
		RunE: func(c *cobra.Command, args []string) error {
			if a.json {
				format = "json"
			}
			if !slices.Contains([]string{"tree", "dot", "json"}, format) {
				return usagef("lineage: -o %s is none of tree, dot, json", format)
			}
			if o.Depth < 0 {
				return usagef("lineage: --depth %d is negative", o.Depth)
			}
			k, plain, err := a.open(args)
			if err != nil {
				return err
			}
			ref, err := parseRefArg(plain[0])
			if err != nil {
				return err
			}
			if !o.Up && !o.Down {
				o.Up, o.Down = true, true
			}
			l, err := k.tree.Lineage(c.Context(), ref, o)
			if err != nil {
				return err
			}
			for _, w := range l.Warnings {
				fmt.Fprintf(a.err, "artifactfs: %s\n", clean(w))
			}
			switch format {
			case "json":
				return a.printJSON(l)
			case "dot":
				return ignorePipe(printDot(a.out, l))
			}
			return ignorePipe(printLineage(a.out, l, o))
		},
	}
	f := c.Flags()
	f.BoolVar(&o.Up, "up", false, "only what it was made from")
	f.BoolVar(&o.Down, "down", false, "only what was made from it")
	f.IntVar(&o.Depth, "depth", 0, "go `N` steps and no further; 0 is all the way")
	f.StringVarP(&format, "output", "o", "tree", "`FORMAT`: tree, dot or json")
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"tree", "dot", "json"}, cobra.ShellCompDirectiveNoFileComp))
	return c
}

// printLineage draws the graph as one tree up and one down. A version that was drawn
// before is not drawn again with all it has, which in a cycle has no end.
func printLineage(w io.Writer, l *resolver.Lineage, o resolver.LineageOptions) error {
	d := newLineageDrawing(l)
	var err error
	for _, part := range []struct {
		want  bool
		title string
		next  map[string][]string
	}{{o.Up, "made from", d.from}, {o.Down, "used by", d.to}} {
		if !part.want {
			continue
		}
		d.drawn = map[string]bool{l.Of: true}
		d.list = list.NewWriter()
		d.list.SetStyle(list.StyleConnectedLight)
		d.list.AppendItem(d.line(l.Of) + "  " + part.title)
		d.list.Indent()
		if len(part.next[l.Of]) == 0 {
			d.list.AppendItem("nothing")
		}
		d.draw(l.Of, part.next)
		if _, e := fmt.Fprintln(w, d.list.Render()); err == nil {
			err = e
		}
	}
	return err
}

// lineageDrawing is a graph with its edges by either end.
type lineageDrawing struct {
	nodes    map[string]*resolver.LineageNode
	from, to map[string][]string
	drawn    map[string]bool
	list     list.Writer
}

func newLineageDrawing(l *resolver.Lineage) *lineageDrawing {
	d := &lineageDrawing{nodes: map[string]*resolver.LineageNode{}, from: map[string][]string{}, to: map[string][]string{}}
	for _, n := range l.Nodes {
		d.nodes[n.ID] = n
	}
	for _, e := range l.Edges {
		d.from[e.To] = append(d.from[e.To], e.From)
		d.to[e.From] = append(d.to[e.From], e.To)
	}
	return d
}

func (d *lineageDrawing) draw(id string, next map[string][]string) {
	for _, n := range next[id] {
		line := d.line(n)
		if d.drawn[n] && len(next[n]) > 0 {
			d.list.AppendItem(line + "  (see above)")
			continue
		}
		d.drawn[n] = true
		d.list.AppendItem(line)
		d.list.Indent()
		d.draw(n, next)
		d.list.UnIndent()
	}
}

// line is a node in words.
func (d *lineageDrawing) line(id string) string {
	n := d.nodes[id]
	words := []string{id}
	switch {
	case n.Missing != "":
		words = append(words, "(missing: "+n.Missing+")")
	case n.Input:
		words = append(words, "(data)")
	default:
		words = append(words, n.Type)
	}
	if n.More {
		words = append(words, "…")
	}
	return clean(strings.Join(words, "  "))
}

// printDot prints the graph in Graphviz' language, whose strings know two escapes.
func printDot(w io.Writer, l *resolver.Lineage) error {
	quote := func(s string) string {
		return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", " ").Replace(s) + `"`
	}
	var b strings.Builder
	b.WriteString("digraph lineage {\n  rankdir=LR;\n")
	for _, n := range l.Nodes {
		shape := "box"
		switch {
		case n.Missing != "":
			shape = "box, style=dashed"
		case n.Input:
			shape = "cylinder"
		}
		fmt.Fprintf(&b, "  %s [shape=%s];\n", quote(n.ID), shape)
	}
	for _, e := range l.Edges {
		fmt.Fprintf(&b, "  %s -> %s;\n", quote(e.From), quote(e.To))
	}
	b.WriteString("}\n")
	_, err := io.WriteString(w, b.String())
	return err
}
