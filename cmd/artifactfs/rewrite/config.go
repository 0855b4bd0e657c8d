package rewrite

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	"gopkg.in/yaml.v3"

	"artifactfs.dev/artifactfs/manifest"
)

// Config is a YAML config: one document, a mapping.
type Config struct {
	src  []byte
	root *yaml.Node
	runs []Run
}

// Run is a text of the config's run:, which may be a reference.
type Run struct {
	Key, Ref string
	// Detected: upstream takes it for one, or would if it had no slash
	// (manifest.IsReference). NAME:ALIAS, for one, it does not know.
	Detected bool

	node *yaml.Node
}

// Parse reads a config. The error says where the text is no YAML.
func Parse(src []byte) (*Config, error) {
	d := yaml.NewDecoder(bytes.NewReader(src))
	var doc yaml.Node
	if err := d.Decode(&doc); errors.Is(err, io.EOF) {
		return &Config{src: src}, nil
	} else if err != nil {
		return nil, err
	}
	if err := d.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("it holds a second document, which OmegaConf does not read")
	}
	c := &Config{src: src, root: doc.Content[0]}
	if c.root.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("line %d: it is no mapping", c.root.Line)
	}
	c.addRuns(get(c.root, "run"), map[*yaml.Node]bool{})
	return c, nil
}

// addRuns adds the texts of a mapping, and of those merged into it what it has not itself.
func (c *Config) addRuns(run *yaml.Node, seen map[*yaml.Node]bool) {
	if run == nil || seen[run] {
		return
	}
	seen[run] = true
	var merged []*yaml.Node
	for i := 0; i+1 < len(run.Content); i += 2 {
		key, v := run.Content[i], run.Content[i+1]
		if v.Kind == yaml.AliasNode {
			v = v.Alias
		}
		switch {
		case key.Tag == "!!merge" && v.Kind == yaml.SequenceNode:
			merged = append(merged, v.Content...)
		case key.Tag == "!!merge":
			merged = append(merged, v)
		case v.Kind == yaml.ScalarNode && v.Tag == "!!str" && !slices.ContainsFunc(c.runs, func(r Run) bool { return r.Key == key.Value }):
			c.runs = append(c.runs, Run{Key: key.Value, Ref: v.Value, Detected: manifest.IsReference(v.Value), node: v})
		}
	}
	for _, m := range merged {
		if m.Kind == yaml.AliasNode {
			m = m.Alias
		}
		c.addRuns(m, seen)
	}
}

// get is a key of a mapping, nil without it or if it holds no mapping.
func get(m *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(m.Content); i += 2 {
		if m.Content[i].Value != key {
			continue
		}
		v := m.Content[i+1]
		if v.Kind == yaml.AliasNode {
			v = v.Alias
		}
		if v.Kind == yaml.MappingNode {
			return v
		}
	}
	return nil
}

// Runs returns the texts of run:, in the order of the file.
func (c *Config) Runs() []Run { return c.runs }

// Use is one ${art:KEY,FIELD}. FIELD is path if none is written.
type Use struct {
	Line       int
	Key, Field string
}

func (u Use) String() string { return fmt.Sprintf("${art:%s,%s}", u.Key, u.Field) }

// Problem is a use that cannot be replaced.
type Problem struct {
	Line int    `json:"line"`
	Text string `json:"text"` // as the config has it
	Err  error  `json:"-"`
}

func (p Problem) Error() string { return fmt.Sprintf("line %d: %s: %v", p.Line, p.Text, p.Err) }
func (p Problem) Unwrap() error { return p.Err }
