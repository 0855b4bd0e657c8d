package config

import (
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// parseYAML reads one document with YAML 1.1 scalars, as PyYAML and OmegaConf
// do: yaml.v3 decodes by 1.2, where "off" is a string. So it only parses, and
// plain scalars are typed here.
func parseYAML(data []byte) (any, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return nil, err
	}
	if doc.Kind == 0 { // empty, or only comments
		return nil, nil
	}
	budget := 100_000 // aliases of aliases grow exponentially
	return yamlValue(&doc, &budget, 0)
}

func yamlValue(n *yaml.Node, budget *int, depth int) (any, error) {
	if *budget--; *budget < 0 || depth > 100 {
		return nil, fmt.Errorf("line %d: the document is too large or too deep", n.Line)
	}
	switch n.Kind {
	case yaml.DocumentNode:
		return yamlValue(n.Content[0], budget, depth+1)
	case yaml.AliasNode:
		return yamlValue(n.Alias, budget, depth+1)
	case yaml.SequenceNode:
		out := make([]any, 0, len(n.Content))
		for _, c := range n.Content {
			v, err := yamlValue(c, budget, depth+1)
			if err != nil {
				return nil, err
			}
			out = append(out, v)
		}
		return out, nil
	case yaml.MappingNode:
		return yamlMap(n, budget, depth)
	}
	if n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0 || n.Tag == "!!str" && n.Style&yaml.TaggedStyle != 0 {
		return n.Value, nil
	}
	return yamlScalar(n.Value), nil
}

func yamlMap(n *yaml.Node, budget *int, depth int) (any, error) {
	out := make(map[string]any, len(n.Content)/2)
	merged := map[string]any{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, c := n.Content[i], n.Content[i+1]
		v, err := yamlValue(c, budget, depth+1)
		if err != nil {
			return nil, err
		}
		if k.Kind != yaml.ScalarNode {
			return nil, fmt.Errorf("line %d: a key is a plain word", k.Line)
		}
		if k.Value == "<<" && k.Style == 0 {
			for _, m := range asList(v) {
				if m, ok := m.(map[string]any); ok {
					for mk, mv := range m {
						if _, dup := merged[mk]; !dup {
							merged[mk] = mv
						}
					}
				}
			}
			continue
		}
		if _, dup := out[k.Value]; dup {
			return nil, fmt.Errorf("line %d: key %q is there twice", k.Line, k.Value)
		}
		out[k.Value] = v
	}
	for k, v := range merged {
		if _, own := out[k]; !own {
			out[k] = v
		}
	}
	return out, nil
}

func asList(v any) []any {
	if l, ok := v.([]any); ok {
		return l
	}
	return []any{v}
}

var (
	yamlInt   = regexp.MustCompile(`^(?:[-+]?0b[01_]+|[-+]?0[0-7_]+|[-+]?(?:0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+|[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+)$`)
	yamlFloat = regexp.MustCompile(`^(?:[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?|[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+|\.[0-9_]+(?:[eE][-+][0-9]+)?)$`)
)

// yamlScalar types a plain scalar by YAML 1.1, with OmegaConf's floats (1e3 is
// one) and without PyYAML's timestamps.
func yamlScalar(s string) any {
	switch s {
	case "", "~", "null", "Null", "NULL":
		return nil
	case "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON":
		return true
	case "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF":
		return false
	case ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF":
		return math.Inf(1)
	case "-.inf", "-.Inf", "-.INF":
		return math.Inf(-1)
	case ".nan", ".NaN", ".NAN":
		return math.NaN()
	}
	t := strings.ReplaceAll(s, "_", "")
	if yamlInt.MatchString(s) {
		if strings.Contains(t, ":") {
			return sexagesimal(t)
		}
		if n, err := strconv.ParseInt(t, 0, 64); err == nil {
			return n
		}
		f, _ := strconv.ParseFloat(t, 64)
		return f
	}
	if yamlFloat.MatchString(s) {
		f, _ := strconv.ParseFloat(t, 64)
		return f
	}
	return s
}

// sexagesimal is YAML 1.1's 1:30 for 90.
func sexagesimal(s string) int64 {
	neg := strings.HasPrefix(s, "-")
	var n int64
	for part := range strings.SplitSeq(strings.TrimLeft(s, "+-"), ":") {
		d, _ := strconv.ParseInt(part, 10, 64)
		n = n*60 + d
	}
	if neg {
		return -n
	}
	return n
}

// readYAML reads a job's config file, with the files its "defaults" key names
// below it, as upstream's loader does.
func readYAML(path string, seen map[string]bool) (map[string]any, error) {
	if seen[path] {
		return nil, fmt.Errorf("%s: its defaults lead back to itself", path)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	v, err := parseYAML(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	doc, ok := v.(map[string]any)
	if v == nil {
		doc, ok = map[string]any{}, true
	}
	if !ok {
		return nil, fmt.Errorf("%s: not a table of settings", path)
	}
	bases, ok := defaultsOf(doc["defaults"])
	if !ok {
		return doc, nil
	}
	seen = maps.Clone(seen)
	if seen == nil {
		seen = map[string]bool{}
	}
	seen[path] = true
	merged := map[string]any{}
	for _, b := range bases {
		if filepath.Ext(b) == "" {
			b += ".yaml"
		}
		if !filepath.IsAbs(b) {
			b = filepath.Join(filepath.Dir(path), b)
		}
		base, err := readYAML(b, seen)
		if err != nil {
			return nil, fmt.Errorf("%s: defaults: %w", path, err)
		}
		mergeDeep(merged, base)
	}
	delete(doc, "defaults")
	mergeDeep(merged, doc)
	return merged, nil
}

// defaultsOf returns the files of a "defaults" key, which is a string or a list
// of strings; Hydra's richer lists are left alone, as upstream leaves them.
func defaultsOf(v any) ([]string, bool) {
	var out []string
	if v == nil {
		return nil, false
	}
	for _, e := range asList(v) {
		s, ok := e.(string)
		if !ok {
			return nil, false
		}
		if s != "_self_" {
			out = append(out, s)
		}
	}
	return out, len(out) > 0
}

// mergeDeep lays src over dst: tables merge, anything else replaces.
func mergeDeep(dst, src map[string]any) {
	for k, v := range src {
		s, ok := v.(map[string]any)
		if d, both := dst[k].(map[string]any); ok && both {
			mergeDeep(d, s)
			continue
		}
		if ok {
			c := map[string]any{}
			mergeDeep(c, s)
			v = c
		}
		dst[k] = v
	}
}
