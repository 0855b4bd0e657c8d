package config

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// settings are the merged tables and where each of their keys was set.
type settings struct {
	file *file
	job  string
	cli  map[string]bool // dotted keys set on the command line
	yaml map[string]bool // dotted keys set in the job's YAML
	// tables holds artifacts, wandb and artifactfs as merged, interpolated.
	tables map[string]any
}

// sections are the tables we read; all others are other programs' business.
var sections = []string{"artifacts", "wandb", "artifactfs"}

// gather reads the three sources and lays them over each other as upstream does:
// the YAML's tables over env.toml's key by key, but no deeper (artifacts.manifest
// in YAML replaces env.toml's whole), then the dotlist, deep.
func gather(o Options) (*settings, error) {
	s := &settings{job: o.Job, cli: map[string]bool{}, yaml: map[string]bool{}, tables: map[string]any{}}
	path := o.File
	if path == "" {
		path = Find(o.Dir, o.Env)
	} else if path = expandHome(path, o.Env); !filepath.IsAbs(path) {
		path = filepath.Join(o.Dir, path)
	}
	if path != "" {
		f, err := readFile(path)
		if err != nil {
			return nil, err
		}
		s.file = f
	}
	root := map[string]any{}
	if o.Job != "" {
		job := expandHome(o.Job, o.Env)
		if !filepath.IsAbs(job) {
			job = filepath.Join(o.Dir, job)
		}
		doc, err := readYAML(job, nil)
		if err != nil {
			return nil, err
		}
		root = doc
		flatten("", doc, s.yaml)
	}
	for _, name := range sections {
		if err := s.lay(name, root, o.Env); err != nil {
			return nil, err
		}
	}
	args, err := parseDotlist(o.Dotlist)
	if err != nil {
		return nil, err
	}
	mergeDeep(root, args)
	flatten("", args, s.cli)
	return s, s.resolve(root, o.Env)
}

// lay puts env.toml's table of that name below the one in root.
func (s *settings) lay(name string, root map[string]any, env Env) error {
	over, inYAML := root[name]
	if name == "wandb" { // upstream keeps it in run.wandb, and env.toml's wins
		if run, ok := root["run"].(map[string]any); ok {
			if w, ok := run["wandb"]; ok {
				root[name] = w
			}
		}
		inYAML = false
	}
	var base map[string]any
	if s.file != nil {
		t, ok, err := s.file.section(name, env)
		if err != nil {
			return err
		}
		if ok {
			base = t
		}
	}
	if !inYAML {
		if base != nil {
			root[name] = base
		}
		return nil
	}
	t, ok := over.(map[string]any)
	if !ok {
		return s.notTable(name, over)
	}
	merged := maps.Clone(base)
	if merged == nil {
		merged = map[string]any{}
	}
	maps.Copy(merged, t)
	root[name] = merged
	return nil
}

func (s *settings) resolve(root map[string]any, env Env) error {
	for _, name := range sections {
		v, ok := root[name]
		if !ok {
			continue
		}
		t, ok := v.(map[string]any)
		if !ok {
			return s.notTable(name, v)
		}
		r, err := interpolate(t, root, env, name)
		if err != nil {
			var ie *interpError
			if errors.As(err, &ie) {
				return fmt.Errorf("%s: %s: %s", s.where(ie.key), ie.key, ie.msg)
			}
			return err
		}
		s.tables[name] = r
	}
	return nil
}

func (s *settings) notTable(name string, v any) error {
	out := ""
	if name == "artifacts" && v == nil {
		out = "; to switch tracking off write artifacts.wandb=false artifacts.manifest.root=null"
	}
	return fmt.Errorf("%s: %s is a table, not %s%s", s.where(name), name, show(v), out)
}

// where says in which source a key was set: the last one that set it.
func (s *settings) where(key string) string {
	switch {
	case covers(s.cli, key):
		return "command line"
	case covers(s.yaml, key):
		return s.job
	}
	if s.file != nil {
		return s.file.where(key)
	}
	return "command line"
}

// table returns one merged table; nil if nobody set it.
func (s *settings) table(name string) map[string]any {
	t, _ := s.tables[name].(map[string]any)
	return t
}

// covers says whether one of set is key, or lies above or below it.
func covers(set map[string]bool, key string) bool {
	for k := range set {
		if k == key || strings.HasPrefix(key, k+".") || strings.HasPrefix(k, key+".") {
			return true
		}
	}
	return false
}

// flatten collects the dotted keys of t that hold values.
func flatten(prefix string, t map[string]any, into map[string]bool) {
	for k, v := range t {
		key := k
		if prefix != "" {
			key = prefix + "." + k
		}
		if sub, ok := v.(map[string]any); ok && len(sub) > 0 {
			flatten(key, sub, into)
			continue
		}
		into[key] = true
	}
}

// show spells a value for a message.
func show(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case string:
		return fmt.Sprintf("%q", v)
	case map[string]any:
		return "a table with " + strings.Join(slices.Sorted(maps.Keys(v)), ", ")
	case []any:
		return "a list"
	}
	return fmt.Sprint(v)
}
