package config

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/BurntSushi/toml"
)

// file is one env.toml as it was read.
type file struct {
	path   string
	tables map[string]any
	lines  map[string]int // dotted key or table → line
}

// readFile reads and parses an env.toml. Its errors name file and line.
func readFile(path string) (*file, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	// BurntSushi/toml skips a byte order mark; Python's tomllib does not.
	if bytes.HasPrefix(data, []byte("\ufeff")) {
		return nil, fmt.Errorf("%s:1: the file starts with a byte order mark; save it as UTF-8 without one", path)
	}
	f := &file{path: path, tables: map[string]any{}}
	if err := toml.Unmarshal(data, &f.tables); err != nil {
		var pe toml.ParseError
		if errors.As(err, &pe) {
			return nil, fmt.Errorf("%s:%d: %s%s", path, pe.Position.Line, pe.Message, tomlHint(pe.Message))
		}
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	f.lines = keyLines(string(data))
	return f, nil
}

// tomlHint explains what people used to Python or YAML get wrong.
func tomlHint(msg string) string {
	switch {
	case strings.Contains(msg, "True"), strings.Contains(msg, "False"), strings.Contains(msg, "'T'"), strings.Contains(msg, "'F'"):
		return " (TOML writes true and false in lower case)"
	case strings.Contains(msg, "'n'"), strings.Contains(msg, "null"), strings.Contains(msg, "None"), strings.Contains(msg, "'N'"):
		return " (TOML has no null; leave the key out, or say KEY=null on the command line)"
	}
	return ""
}

var (
	tableLine = regexp.MustCompile(`^\s*\[\[?\s*([^\]]+?)\s*\]`)
	keyLine   = regexp.MustCompile(`^\s*([A-Za-z0-9_.\-"' ]+?)\s*=`)
)

// keyLines maps each key to its line. The TOML package keeps no positions, and a
// message without one sends people searching.
func keyLines(src string) map[string]int {
	lines := map[string]int{}
	table := ""
	for i, line := range strings.Split(src, "\n") {
		if m := tableLine.FindStringSubmatch(line); m != nil {
			table = unquoteKey(m[1])
			lines[table] = i + 1
		} else if m := keyLine.FindStringSubmatch(line); m != nil {
			key := unquoteKey(m[1])
			if table != "" {
				key = table + "." + key
			}
			if _, ok := lines[key]; !ok {
				lines[key] = i + 1
			}
		}
	}
	return lines
}

func unquoteKey(s string) string {
	return strings.NewReplacer(`"`, "", `'`, "", " ", "", "\t", "").Replace(s)
}

// where names the place of a key: its own line, else that of a table above it.
func (f *file) where(key string) string {
	for k := key; k != ""; {
		if n, ok := f.lines[k]; ok {
			return fmt.Sprintf("%s:%d", f.path, n)
		}
		i := strings.LastIndexByte(k, '.')
		if i < 0 {
			break
		}
		k = k[:i]
	}
	return f.path
}

// section returns one table with its interpolations resolved within it, as
// upstream does. ok is false if the file has no such key.
func (f *file) section(name string, env Env) (v map[string]any, ok bool, err error) {
	if _, ok := f.tables[name]; !ok {
		return nil, false, nil
	}
	table, err := f.plain(name)
	if err == nil {
		table, err = f.resolved(name, table, env)
	}
	return table, true, err
}

// plain returns one table that the file has, as it is written.
func (f *file) plain(name string) (map[string]any, error) {
	table, ok := f.tables[name].(map[string]any)
	if !ok {
		return nil, fmt.Errorf("%s: %s is a table: write [%s]", f.where(name), name, name)
	}
	return table, nil
}

// resolved interpolates a table within itself.
func (f *file) resolved(name string, table map[string]any, env Env) (map[string]any, error) {
	if key := dateIn(table); key != "" {
		return nil, fmt.Errorf("%s: %s.%s is a date; write it as a string", f.where(name+"."+key), name, key)
	}
	out, err := interpolate(table, table, env)
	if err != nil {
		var ie *interpError
		if errors.As(err, &ie) {
			return nil, fmt.Errorf("%s: %s.%s: %s", f.where(name+"."+ie.key), name, ie.key, ie.msg)
		}
		return nil, fmt.Errorf("%s: %w", f.where(name), err)
	}
	return out.(map[string]any), nil
}

// dateIn finds a value that only TOML has; upstream refuses those as well.
func dateIn(t map[string]any) string {
	for k, v := range t {
		switch v := v.(type) {
		case time.Time:
			return k
		case map[string]any:
			if sub := dateIn(v); sub != "" {
				return k + "." + sub
			}
		}
	}
	return ""
}
