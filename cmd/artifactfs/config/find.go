package config

import (
	"os"
	"path/filepath"
	"strings"
)

const fileName = "env.toml"

// Find returns the env.toml that applies in dir: the one NEMOTRON_ENV_FILE
// names, else the nearest at or above dir, looking no further up than the first
// directory with a pyproject.toml. It returns "" if there is none. A file that
// the variable names is returned whether it exists or not: its absence is an
// error, and reading it says so.
func Find(dir string, env func(string) (string, bool)) string {
	if v, _ := env("NEMOTRON_ENV_FILE"); v != "" {
		v = expandHome(v, env)
		if !filepath.IsAbs(v) {
			v = filepath.Join(dir, v)
		}
		return v
	}
	for {
		file := filepath.Join(dir, fileName)
		if exists(file) {
			return file
		}
		up := filepath.Dir(dir)
		if up == dir || exists(filepath.Join(dir, "pyproject.toml")) {
			return ""
		}
		dir = up
	}
}

// exists follows links, as Python's Path.exists does: a dangling one is absent.
func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// expandHome replaces a leading ~ by the home directory. Nothing else is
// expanded: upstream takes $HOME literally, too.
func expandHome(p string, env func(string) (string, bool)) string {
	if p != "~" && !strings.HasPrefix(p, "~/") {
		return p
	}
	home, _ := env("HOME")
	if home == "" {
		if h, err := os.UserHomeDir(); err == nil {
			home = h
		}
	}
	if home == "" {
		return p
	}
	return filepath.Join(home, strings.TrimPrefix(p, "~"))
}
