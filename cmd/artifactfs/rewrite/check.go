package rewrite

import (
	"fmt"

	"gopkg.in/yaml.v3"
)

// check reads the new text: what was to be replaced is, and nothing else has changed.
func (r *rewriting) check(out []byte) error {
	if r.c.root == nil {
		return nil
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(out, &doc); err != nil {
		return fmt.Errorf("it cannot be rewritten in place: %w", err)
	}
	edits := map[*yaml.Node]edit{}
	for _, e := range r.edits {
		edits[e.node] = e
	}
	return same(r.c.root, doc.Content[0], edits)
}

func same(old, new *yaml.Node, edits map[*yaml.Node]edit) error {
	e, edited := edits[old]
	switch {
	case edited && e.typed:
		var want, got any
		if yaml.Unmarshal([]byte(e.text), &want) != nil || new.Decode(&got) != nil || fmt.Sprint(want) != fmt.Sprint(got) {
			return fmt.Errorf("line %d cannot be rewritten in place", old.Line)
		}
		return nil
	case edited && e.value == new.Value && new.Tag == "!!str":
		return nil
	case edited, old.Kind != new.Kind, old.Tag != new.Tag, old.Value != new.Value, old.Anchor != new.Anchor, len(old.Content) != len(new.Content):
		return fmt.Errorf("line %d cannot be rewritten in place", old.Line)
	}
	for i := range old.Content {
		if err := same(old.Content[i], new.Content[i], edits); err != nil {
			return err
		}
	}
	return nil
}
