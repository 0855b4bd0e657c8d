package config

import (
	"errors"
	"fmt"
	"maps"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"artifactfs.dev/artifactfs/internal/store/bucket"
	"artifactfs.dev/artifactfs/internal/store/web"
)

var wandbKeys = []string{"project", "entity", "run_name", "name", "group", "job_type", "tags"}

// setter decodes one key of [artifactfs].
type setter func(c *Config, v any, env Env) error

// ownKeys are the keys of [artifactfs].
var ownKeys = map[string]setter{
	"data":       setData,
	"data_roots": setDataRoots,
	"max_binds":  setMaxBinds,
	"uid":        func(c *Config, v any, _ Env) error { return setID(&c.UID, v, lookupUser) },
	"gid":        func(c *Config, v any, _ Env) error { return setID(&c.GID, v, lookupGroup) },
	"umask":      setUmask,
	"numbering":  setNumbering,
	"snapshot":   setSnapshot,
	"lineage":    setLineage,
	"state_root": setStateRoot,
	"ttl":        setTTL,
	"deadline":   setDeadline,
	"log_level":  setLogLevel,
	"writers":    setWriters,
	"metrics":    setMetrics,

	"cache_dir":  setCacheDir,
	"cache_size": setCacheSize,
}

// own decodes [artifactfs], the one table whose unknown keys are errors: it is
// ours alone, so a key we do not know is a typing mistake.
func (c *Config) own(s *settings, env Env) error {
	t := s.table("artifactfs")
	for _, k := range slices.Sorted(maps.Keys(t)) {
		key := "artifactfs." + k
		set, known := ownKeys[k]
		if !known {
			return fmt.Errorf("%s: unknown key %s%s", s.where(key), key, didYouMean(k, slices.Sorted(maps.Keys(ownKeys)), ""))
		}
		if t[k] == nil {
			continue // null: the default
		}
		if err := set(c, t[k], env); err != nil {
			return fmt.Errorf("%s: %s: %w", s.where(key), key, err)
		}
	}
	return nil
}

func setData(c *Config, v any, _ Env) error {
	switch v {
	case "auto", "bind", "copy", "passthrough", "symlink":
		c.Data = v.(string)
		return nil
	}
	return fmt.Errorf("%s is none of auto, bind, passthrough, copy, symlink", show(v))
}

func setSnapshot(c *Config, v any, _ Env) error {
	switch v {
	case "job", true:
		c.Snapshot = "job"
		return nil
	case "off", false: // YAML, and so a dotlist, reads off as false
		c.Snapshot = "off"
		return nil
	}
	return fmt.Errorf("%s is neither job nor off", show(v))
}

func setLineage(c *Config, v any, _ Env) error {
	switch v {
	case "on", true:
		c.Lineage = "on"
		return nil
	case "off", false: // YAML, and so a dotlist, reads them as truth values
		c.Lineage = "off"
		return nil
	case "complete":
		c.Lineage = "complete"
		return nil
	}
	return fmt.Errorf("%s is none of on, off, complete", show(v))
}

func setNumbering(c *Config, v any, _ Env) error {
	if v != "wandb" && v != "manifest" {
		return fmt.Errorf("%s is neither wandb nor manifest", show(v))
	}
	c.Numbering = v.(string)
	if v == "manifest" && c.Root == "" && c.Disabled == "" {
		return errors.New("manifest numbers only where there is a manifest store: set artifacts.manifest.root")
	}
	return nil
}

func setStateRoot(c *Config, v any, env Env) error {
	p, ok := v.(string)
	if ok {
		p = expandHome(strings.TrimPrefix(p, "file://"), env)
	}
	if !ok || !filepath.IsAbs(p) {
		return fmt.Errorf("%s is not an absolute path", show(v))
	}
	c.StateRoot = filepath.Clean(p)
	return nil
}

func setMaxBinds(c *Config, v any, _ Env) error {
	n, ok := v.(int64)
	if !ok || n < 1 || n > 100_000 {
		return fmt.Errorf("%s is not a number of mounts from 1 to 100000; for none, set data = \"passthrough\"", show(v))
	}
	c.MaxBinds = int(n)
	return nil
}

func setDataRoots(c *Config, v any, env Env) error {
	c.DataRoots, c.DataURIs = nil, nil
	for _, e := range asList(v) {
		p, ok := e.(string)
		if ok {
			p = expandHome(strings.TrimPrefix(p, "file://"), env)
		}
		if ok && (bucket.Is(p) || web.Is(p)) {
			root, err := dataURI(p)
			if err != nil {
				return err
			}
			c.DataURIs = append(c.DataURIs, root)
			continue
		}
		if !ok || !filepath.IsAbs(p) {
			return fmt.Errorf("%s is neither an absolute path nor a URI", show(e))
		}
		c.DataRoots = append(c.DataRoots, filepath.Clean(p))
	}
	if len(c.DataURIs) > 0 && len(c.DataRoots) == 0 {
		return errors.New("there are URIs only, and data could lie anywhere on this machine: name a directory too")
	}
	return nil
}

// dataURI spells a URI that data may lie below in one way.
func dataURI(p string) (string, error) {
	if !web.Is(p) {
		return bucketRoot(p)
	}
	u, err := web.Parse(p)
	if err != nil {
		return "", err
	}
	return web.Show(u), nil
}

func setID(dst **uint32, v any, lookup func(string) (string, error)) error {
	var n int64 = -1
	switch v := v.(type) {
	case int64:
		n = v
	case string:
		id, err := lookup(v)
		if err != nil {
			id = v
		}
		if n, err = strconv.ParseInt(id, 10, 64); err != nil {
			return fmt.Errorf("%q is neither a number nor a name known here", v)
		}
	}
	// The last id is the kernel's "none".
	if n < 0 || n >= 1<<32-1 {
		return fmt.Errorf("%s is not an id", show(v))
	}
	id := uint32(n)
	*dst = &id
	return nil
}

// setWriters reads user:NAME and group:NAME, where a number will do for a name.
func setWriters(c *Config, v any, _ Env) error {
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	for _, v := range list {
		s, _ := v.(string)
		kind, name, _ := strings.Cut(s, ":")
		var id *uint32
		var err error
		switch kind {
		case "user":
			if err = setID(&id, name, lookupUser); err == nil {
				c.Writers.Users = append(c.Writers.Users, *id)
			}
		case "group":
			if err = setID(&id, name, lookupGroup); err == nil {
				c.Writers.Groups = append(c.Writers.Groups, *id)
			}
		default:
			err = fmt.Errorf("%s is neither user:NAME nor group:NAME", show(v))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func lookupUser(name string) (string, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return "", err
	}
	return u.Uid, nil
}

func lookupGroup(name string) (string, error) {
	g, err := user.LookupGroup(name)
	if err != nil {
		return "", err
	}
	return g.Gid, nil
}

func setUmask(c *Config, v any, _ Env) error {
	var n int64 = -1
	switch v := v.(type) {
	case int64:
		n = v
	case string: // "022", as everybody writes it
		n, _ = strconv.ParseInt(strings.TrimPrefix(v, "0o"), 8, 64)
		if n == 0 && strings.Trim(v, "0") != "" {
			n = -1
		}
	}
	if n < 0 || n > 0o777 {
		return fmt.Errorf("%s is not a umask; write \"022\" or 0o022", show(v))
	}
	m := uint32(n)
	c.Umask = &m
	return nil
}

// setTTL takes 0 for "ask every time", where the packages below take it for
// their default.
func setTTL(c *Config, v any, _ Env) error {
	err := setDuration(&c.TTL, v)
	if err == nil && c.TTL == 0 {
		c.TTL = 1
	}
	return err
}

func setDeadline(c *Config, v any, _ Env) error {
	err := setDuration(&c.Deadline, v)
	if err == nil && c.Deadline == 0 {
		return fmt.Errorf("no call can be answered in no time; leave it out for 30s")
	}
	return err
}

func setDuration(dst *time.Duration, v any) error {
	switch v := v.(type) {
	case int64:
		*dst = time.Duration(v) * time.Second
	case float64:
		*dst = time.Duration(v * float64(time.Second))
	case string:
		d, err := time.ParseDuration(v)
		if err != nil {
			return fmt.Errorf("%q is not a duration; write \"1s\" or \"500ms\"", v)
		}
		*dst = d
	default:
		return fmt.Errorf("%s is not a duration; write \"1s\" or \"500ms\"", show(v))
	}
	if *dst < 0 {
		return fmt.Errorf("%s is negative", show(v))
	}
	return nil
}

func setLogLevel(c *Config, v any, _ Env) error {
	s, _ := v.(string)
	if err := c.LogLevel.UnmarshalText([]byte(s)); err != nil {
		return fmt.Errorf("%s is none of debug, info, warn, error", show(v))
	}
	return nil
}

// wandbTable decodes [wandb]. Other keys in it are W&B's and pass.
func (c *Config) wandbTable(s *settings) error {
	t := s.table("wandb")
	str := func(dst *string, keys ...string) error {
		for _, k := range keys {
			switch v := t[k].(type) {
			case nil:
			case string:
				if *dst == "" {
					*dst = v
				}
			default:
				return fmt.Errorf("%s: wandb.%s is text, not %s", s.where("wandb."+k), k, show(v))
			}
		}
		return nil
	}
	for _, f := range []struct {
		dst  *string
		keys []string
	}{
		{&c.Wandb.Project, []string{"project"}},
		{&c.Wandb.Entity, []string{"entity"}},
		{&c.Wandb.Name, []string{"run_name", "name"}},
		{&c.Wandb.Group, []string{"group"}},
		{&c.Wandb.JobType, []string{"job_type"}},
	} {
		if err := str(f.dst, f.keys...); err != nil {
			return err
		}
	}
	if v := t["tags"]; v != nil {
		for _, e := range asList(v) {
			c.Wandb.Tags = append(c.Wandb.Tags, pyStr(e))
		}
	}
	return nil
}
