package config

import (
	"fmt"
	"path/filepath"
	"strings"

	"artifactfs.dev/artifactfs/internal/store/bucket"
)

// backends decides which stores are on. Upstream goes by Python's truth, so that
// "none" and "false" are on: those are errors here, and so is a manifest that is
// no table.
func (c *Config) backends(s *settings, env Env) error {
	t := s.table("artifacts")
	wandb, wandbSet := t["wandb"]
	manifest, manifestSet := t["manifest"]
	on, err := wandbOn(s, wandb)
	if err != nil {
		return err
	}
	c.WandB = on
	var root any
	switch m := manifest.(type) {
	case map[string]any:
		root = m["root"]
	case nil:
	case bool:
		if m {
			return manifestNotTable(s, m)
		}
	default:
		return manifestNotTable(s, m)
	}
	if c.Root, err = parseRoot(s, root, env); err != nil {
		return err
	}
	switch {
	case c.Root != "" || c.WandB:
	case !wandbSet && !manifestSet:
		c.Root, c.Embedded = embeddedRoot(env), true
	default:
		c.Disabled = whatDisabled(s, t)
	}
	return nil
}

func manifestNotTable(s *settings, v any) error {
	return fmt.Errorf("%s: artifacts.manifest is a table with a root, not %s; write artifacts.manifest.root = \"/path\"",
		s.where("artifacts.manifest"), show(v))
}

func wandbOn(s *settings, v any) (bool, error) {
	switch v := v.(type) {
	case bool:
		return v, nil
	case int64:
		return v != 0, nil
	case float64:
		return v != 0, nil
	case map[string]any:
		return len(v) > 0, nil
	case []any:
		return len(v) > 0, nil
	case string:
		if v == "" {
			return false, nil
		}
		way := ""
		if v == "true" || v == "false" {
			way = fmt.Sprintf("; write artifacts.wandb = %s without quotes, or ${oc.decode:${oc.env:VAR,%s}} for a variable", v, v)
		}
		return false, fmt.Errorf("%s: artifacts.wandb is true or false, not %q%s", s.where("artifacts.wandb"), v, way)
	}
	return false, nil
}

// parseRoot checks artifacts.manifest.root. Only absolute paths are taken: a
// relative one would be another store in every directory.
func parseRoot(s *settings, v any, env Env) (string, error) {
	const key = "artifacts.manifest.root"
	switch v := v.(type) {
	case nil:
		return "", nil
	case bool:
		if !v {
			return "", nil
		}
	case string:
		if v == "" {
			return "", nil
		}
		root, err := Root(v, env)
		if err != nil {
			return "", fmt.Errorf("%s: %s: %w", s.where(key), key, err)
		}
		return root, nil
	}
	return "", fmt.Errorf("%s: %s is a path or a URI in quotes, not %s", s.where(key), key, show(v))
}

// Root turns a manifest root as written into an absolute local path.
func Root(v string, env Env) (string, error) {
	if strings.EqualFold(v, "none") {
		return "", fmt.Errorf("%q would be a directory of that name; write null to switch the manifest off", v)
	}
	if strings.ContainsRune(v, 0) {
		return "", fmt.Errorf("%q holds a NUL byte", v)
	}
	if scheme, rest, ok := strings.Cut(v, "://"); ok {
		switch scheme {
		case "file", "local":
			if !strings.HasPrefix(rest, "/") {
				return "", fmt.Errorf("%q names a host; a local root is file:///path", v)
			}
			v = rest
		default:
			if bucket.Is(v) && scheme != "mem" {
				return bucketRoot(v)
			}
			return "", fmt.Errorf("%q: unknown kind of store %q; use an absolute path, file:///path, s3://, gs://, azblob:// or hf://", v, scheme)
		}
	}
	v = expandHome(v, env)
	if !filepath.IsAbs(v) {
		return "", fmt.Errorf("%q is neither an absolute path nor a URI", v)
	}
	return filepath.Clean(v), nil
}

// bucketRoot spells a bucket's URI in one way, so that one store is one root.
func bucketRoot(v string) (string, error) {
	u, err := bucket.Parse(v)
	if err != nil {
		return "", err
	}
	root := u.String()
	if len(u.Params) > 0 {
		root += "?" + u.Params.Encode()
	}
	return root, nil
}

// embeddedRoot is the store of those who configured nothing.
func embeddedRoot(env Env) string {
	// The XDG specification says to ignore a relative path.
	if d, _ := env("XDG_DATA_HOME"); filepath.IsAbs(d) {
		return filepath.Join(d, "artifactfs")
	}
	return expandHome("~/.local/share/artifactfs", env)
}

// whatDisabled names the settings that left no backend.
func whatDisabled(s *settings, t map[string]any) string {
	var out []string
	if v, ok := t["wandb"]; ok {
		out = append(out, fmt.Sprintf("artifacts.wandb = %s (%s)", show(v), s.where("artifacts.wandb")))
	}
	if m, ok := t["manifest"]; ok {
		key, v := "artifacts.manifest", m
		if mt, ok := m.(map[string]any); ok {
			if root, ok := mt["root"]; ok {
				key, v = key+".root", root
			} else {
				out = append(out, fmt.Sprintf("artifacts.manifest without a root (%s)", s.where(key)))
				return strings.Join(out, " and ")
			}
		}
		out = append(out, fmt.Sprintf("%s = %s (%s)", key, show(v), s.where(key)))
	}
	return strings.Join(out, " and ")
}
