package rewrite

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// edit is a scalar's new text.
type edit struct {
	node       *yaml.Node
	start, end int // of the old one, in the source
	text       string
	value      string // what the new one is, where it is text
	typed      bool   // the whole scalar is a value of any type
}

// Rewrite returns the config with every use replaced by what value gives for it, and
// the texts of run: by what ref gives, if that is not nil. Problems come in the
// order of the file; with any, there is no text.
func (c *Config) Rewrite(value func(Use) (any, error), ref func(Run) (string, error)) ([]byte, []Problem) {
	r := &rewriting{c: c, value: value}
	if c.root != nil {
		r.walk(c.root)
	}
	for _, run := range c.runs {
		if ref == nil {
			continue
		}
		text, err := ref(run)
		if err == nil && text != run.Ref {
			err = r.replace(run.node, text)
		}
		if err != nil {
			r.problem(run.node.Line, run.Ref, err)
		}
	}
	if len(r.problems) == 0 {
		out := r.apply()
		if err := r.check(out); err == nil {
			return out, nil
		} else {
			r.problem(1, "the config", err)
		}
	}
	slices.SortStableFunc(r.problems, func(a, b Problem) int { return a.Line - b.Line })
	return nil, r.problems
}

type rewriting struct {
	c        *Config
	value    func(Use) (any, error)
	edits    []edit
	problems []Problem
}

func (r *rewriting) problem(line int, text string, err error) {
	r.problems = append(r.problems, Problem{Line: line, Text: text, Err: err})
}

// walk visits every value; what an alias names is visited where it is written.
func (r *rewriting) walk(n *yaml.Node) {
	switch n.Kind {
	case yaml.ScalarNode:
		r.scalar(n)
	case yaml.MappingNode:
		for i := 1; i < len(n.Content); i += 2 {
			r.walk(n.Content[i])
		}
	case yaml.SequenceNode:
		for _, e := range n.Content {
			r.walk(e)
		}
	}
}

// scalar replaces what is to be replaced in one.
func (r *rewriting) scalar(n *yaml.Node) {
	found := interps(n.Value)
	values := make([]any, len(found))
	bad := len(r.problems)
	for i, in := range found {
		err := in.err
		if err == nil {
			values[i], err = r.value(in.use(n.Line))
		}
		if err != nil {
			r.problem(n.Line, n.Value[in.start:in.end], err)
		}
	}
	if len(found) == 0 || len(r.problems) > bad {
		return
	}
	var err error
	if in := found[0]; in.start == 0 && in.end == len(n.Value) && n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) == 0 {
		err = r.whole(n, values[0])
	} else {
		err = r.parts(n, found, values)
	}
	if err != nil {
		r.problem(n.Line, n.Value, err)
	}
}

// whole replaces a scalar, quotes and all, by a value of any type.
func (r *rewriting) whole(n *yaml.Node, v any) error {
	if _, isText := v.(string); n.Style&yaml.TaggedStyle != 0 && !isText {
		return fmt.Errorf("its tag %s would make another value of it; write it without", n.Tag)
	}
	start, end, err := r.c.token(n)
	if err == nil {
		r.edits = append(r.edits, edit{node: n, start: start, end: end, text: scalar(v), typed: true})
	}
	return err
}

// parts replaces parts of a string.
func (r *rewriting) parts(n *yaml.Node, found []interp, values []any) error {
	var value strings.Builder
	var old, new []string
	last := 0
	for i, in := range found {
		s, err := in.spell(values[i])
		if err != nil {
			return err
		}
		start := in.start
		if k := backslashes(n.Value, start); k > 0 {
			// Before an interpolation two of them are one; before text each counts.
			if in.nested || s == "" || s[0] == '\\' {
				return fmt.Errorf("backslashes before it cannot be kept as they are meant")
			}
			start -= k
			s = n.Value[start:start+k/2] + s
		}
		value.WriteString(n.Value[last:start] + s)
		last = in.end
		old, new = append(old, n.Value[start:in.end]), append(new, s)
	}
	value.WriteString(n.Value[last:])
	if n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		return r.block(n, old, new, value.String())
	}
	return r.replace(n, value.String())
}

// replace gives a scalar on one line another text, in the quotes that it has.
func (r *rewriting) replace(n *yaml.Node, value string) error {
	start, end, err := r.c.token(n)
	if err != nil {
		return err
	}
	text := value
	switch {
	case n.Style&yaml.SingleQuotedStyle != 0 && !strings.ContainsAny(value, "\n\t"):
		text = "'" + strings.ReplaceAll(value, "'", "''") + "'"
	case n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0:
		text = quoted(value)
	case !staysPlain(value):
		text = quoted(value)
	}
	r.edits = append(r.edits, edit{node: n, start: start, end: end, text: text, value: value})
	return nil
}

// staysPlain: a plain scalar that reads as the same text on its own. It stands in no flow
// mapping or list, where the braces of what it replaces could not.
func staysPlain(value string) bool {
	if isWord(value) {
		return true
	}
	// What YAML 1.1, and so OmegaConf, takes for no text begins with none of these, or is
	// one of a few words.
	if notText.MatchString(value) || !plainStart.MatchString(value) {
		return false
	}
	var doc yaml.Node
	if strings.ContainsAny(value, "#\n\t\u0085\u2028\u2029") || yaml.Unmarshal([]byte(value), &doc) != nil || len(doc.Content) != 1 {
		return false
	}
	n := doc.Content[0]
	return n.Kind == yaml.ScalarNode && n.Tag == "!!str" && n.Value == value && n.Anchor == ""
}

// block replaces parts of a block scalar, which has no quotes or escapes.
func (r *rewriting) block(n *yaml.Node, old, new []string, value string) error {
	at := r.c.offset(n)
	for i := range old {
		j := bytes.Index(r.c.src[at:], []byte(old[i]))
		for j > 0 && old[i][0] == '$' && backslashes(string(r.c.src[at:at+j]), j)%2 == 1 { // this one is text
			next := bytes.Index(r.c.src[at+j+1:], []byte(old[i]))
			if next < 0 {
				j = -1
				break
			}
			j += 1 + next
		}
		if j < 0 || strings.Contains(new[i], "\n") {
			return fmt.Errorf("it spans lines in a way that cannot be kept")
		}
		r.edits = append(r.edits, edit{node: n, start: at + j, end: at + j + len(old[i]), text: new[i], value: value})
		at += j + len(old[i])
	}
	return nil
}

// apply makes the new text.
func (r *rewriting) apply() []byte {
	slices.SortFunc(r.edits, func(a, b edit) int { return a.start - b.start })
	var out []byte
	last := 0
	for _, e := range r.edits {
		out = append(append(out, r.c.src[last:e.start]...), e.text...)
		last = e.end
	}
	return append(out, r.c.src[last:]...)
}
