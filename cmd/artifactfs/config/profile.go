package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// All other tables of env.toml are profiles: what a job launcher is to run with,
// under a name. None of our settings is ever in one; they are read to tell people
// that one cannot be used before a launcher does.

// notProfiles are the tables that upstream does not count among them, and ours.
var notProfiles = []string{"artifactfs", "artifacts", "cache", "cli", "wandb"}

// BrokenProfiles says what is wrong with the profiles in an env.toml, one error
// for each that no launcher can use.
func BrokenProfiles(path string, env Env) []error {
	f, err := readFile(path)
	if err != nil {
		return []error{err}
	}
	var broken []error
	for _, name := range f.profiles() {
		if _, err := f.profile(name, env); err != nil {
			broken = append(broken, err)
		}
	}
	return broken
}

func (f *file) profiles() (names []string) {
	for name, v := range f.tables {
		if _, ok := v.(map[string]any); ok && !slices.Contains(notProfiles, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// profile returns a table over the one that it extends, and so on, lists replaced
// whole, and then interpolated, within itself.
func (f *file) profile(name string, env Env) (map[string]any, error) {
	if _, ok := f.tables[name]; !ok {
		return nil, fmt.Errorf("%s: there is no profile %s; it has %s", f.path, name, orNone(f.profiles()))
	}
	t, err := f.inherit([]string{name})
	if err != nil {
		return nil, err
	}
	return f.resolved(name, t, env)
}

// inherit merges the last of a chain of profiles over what it extends. The ones
// before it extend it.
func (f *file) inherit(chain []string) (map[string]any, error) {
	name := chain[len(chain)-1]
	t, err := f.plain(name)
	if err != nil {
		return nil, err
	}
	parent, ok := t["extends"]
	if !ok {
		return t, nil
	}
	up, isText := parent.(string)
	_, known := f.tables[up]
	at := f.where(name + ".extends")
	switch {
	case !isText:
		return nil, fmt.Errorf("%s: profile %s: extends is the name of a profile, not %s", at, name, show(parent))
	case slices.Contains(chain, up):
		return nil, fmt.Errorf("%s: profile %s extends itself: %s", at, up, strings.Join(append(chain, up), " → "))
	case !known:
		return nil, fmt.Errorf("%s: profile %s extends %q, which is not there; there are %s", at, name, up, orNone(f.profiles()))
	}
	base, err := f.inherit(append(chain, up))
	if err != nil {
		return nil, err
	}
	t = maps.Clone(t)
	delete(t, "extends")
	out := map[string]any{}
	mergeDeep(out, base)
	mergeDeep(out, t)
	return out, nil
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}
