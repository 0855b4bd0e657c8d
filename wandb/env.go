package wandb

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// Env is what the W&B SDK takes its settings from.
type Env struct {
	Getenv func(string) (string, bool)
	Home   string // "" if there is none
	Dir    string // the working directory, whose wandb/settings counts
}

// Find fills in what given leaves empty, as the W&B SDK does: from the environment,
// then ./wandb/settings, then the user's settings file; the key from WANDB_API_KEY,
// then from netrc. What is not found stays empty. Files that cannot be read are
// passed over, as if they were not there, but for a netrc named by NETRC.
func (e Env) Find(given Config) (Config, error) {
	c, settings := given, e.settings()
	fill := func(field *string, env, setting string) {
		if *field == "" {
			*field = e.get(env)
		}
		if *field == "" && setting != "" {
			*field = settings[setting]
		}
	}
	fill(&c.BaseURL, "WANDB_BASE_URL", "base_url")
	fill(&c.Entity, "WANDB_ENTITY", "entity")
	fill(&c.Project, "WANDB_PROJECT", "project")
	fill(&c.Username, "WANDB_USERNAME", "")
	fill(&c.Email, "WANDB_USER_EMAIL", "")
	fill(&c.NemoRunDir, "NEMO_RUN_DIR", "")
	fill(&c.CacheDir, "WANDB_CACHE_DIR", "")
	if c.CacheDir == "" && e.Home != "" {
		c.CacheDir = filepath.Join(e.Home, ".cache", "wandb")
	}
	if text := e.get("WANDB_X_EXTRA_HTTP_HEADERS"); text != "" && c.Headers == nil {
		if err := json.Unmarshal([]byte(text), &c.Headers); err != nil {
			return c, fmt.Errorf("WANDB_X_EXTRA_HTTP_HEADERS is no JSON object of strings: %w", fs.ErrInvalid)
		}
	}
	return c, e.findKey(&c)
}

func (e Env) get(name string) string {
	v, _ := e.Getenv(name)
	return strings.TrimSpace(v)
}

// findKey looks for the key of the server that c names.
func (e Env) findKey(c *Config) error {
	if c.Key != "" {
		return nil
	}
	if key := e.get("WANDB_API_KEY"); key != "" {
		c.Key, c.KeyFrom = Key(key), "WANDB_API_KEY"
		return nil
	}
	base := c.BaseURL
	if base == "" {
		base = DefaultBaseURL
	}
	u, err := url.Parse(base)
	if err != nil {
		return nil // Open says so
	}
	named := e.get("NETRC")
	files := []string{filepath.Join(e.Home, ".netrc"), filepath.Join(e.Home, "_netrc")}
	switch {
	case named != "":
		if rest, ok := strings.CutPrefix(named, "~/"); ok {
			named = filepath.Join(e.Home, rest)
		}
		files = []string{named}
	case e.Home == "":
		files = nil
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if named != "" && err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("the file that NETRC names: %w", err)
		}
		if key := netrcPassword(string(text), u.Host); key != "" {
			c.Key, c.KeyFrom = Key(key), file
			return nil
		}
	}
	return nil
}

// netrcPassword returns the password that a netrc has for a machine, host and port
// as the URL spells them. There is no default machine for keys: W&B's SDK asks for
// the machine by name too.
func netrcPassword(text, machine string) string {
	here := false
	for section := range strings.SplitSeq(text, "\n\n") {
		// A macro lasts until an empty line, and may hold any word.
		section, _, _ = strings.Cut("\n"+section, "\nmacdef")
		words := strings.Fields(netrcComments(section))
		for i := 0; i+1 < len(words); i += 2 {
			switch words[i] {
			case "machine":
				here = words[i+1] == machine
			case "default":
				here = false
				i-- // it has no value
			case "password":
				if here {
					return words[i+1]
				}
			}
		}
	}
	return ""
}

// netrcComments removes the lines that are comments.
func netrcComments(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(strings.TrimSpace(line), "#") {
			b.WriteString(line)
		}
	}
	return b.String()
}

// settings reads the SDK's two settings files; the working directory's counts more.
func (e Env) settings() map[string]string {
	dir := e.get("WANDB_CONFIG_DIR")
	if dir == "" && e.Home != "" {
		dir = filepath.Join(e.Home, ".config", "wandb")
	}
	out := make(map[string]string)
	if dir != "" {
		readSettings(filepath.Join(dir, "settings"), out)
	}
	if e.Dir != "" {
		readSettings(filepath.Join(e.Dir, "wandb", "settings"), out)
	}
	return out
}

// readSettings adds what an INI file has in its section [default].
func readSettings(file string, out map[string]string) {
	f, err := os.Open(file)
	if err != nil {
		return
	}
	defer f.Close()
	in := false
	for lines := bufio.NewScanner(f); lines.Scan(); {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		if line[0] == '[' {
			in = strings.EqualFold(strings.Trim(line, "[]"), "default")
			continue
		}
		if i := strings.IndexAny(line, "=:"); in && i > 0 {
			key := strings.ToLower(strings.TrimSpace(line[:i]))
			out[key] = strings.TrimSpace(line[i+1:])
		}
	}
}
