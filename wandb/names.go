package wandb

import (
	"fmt"
	"io/fs"
	"strings"

	"artifactfs.dev/artifactfs/manifest"
)

// collection is a collection of a project: a sequence of versions, or a portfolio of
// links to versions of others.
type collection struct {
	entity, project string
	name            string // W&B's
}

func (c collection) String() string { return c.entity + "/" + c.project + "/" + c.name }

// escape spells a name of W&B's as one component of a path, and of a reference: of
// a renamed collection it may hold anything but a slash. One name has one spelling.
func escape(name string) string {
	var b strings.Builder
	for i := range len(name) {
		if c := name[i]; c < 0x20 || c == 0x7f || c == '%' || c == ':' || c == '/' {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	s := b.String()
	if strings.HasPrefix(s, ".") || s == manifest.Latest || len(s) > 1 && s[0] == 'v' && strings.Trim(s[1:], "0123456789") == "" {
		s = escapeFirst(s)
	}
	return s
}

// escapeAlias is escape for an alias, which cannot be a bare number either.
func escapeAlias(alias string) string {
	s := escape(alias)
	if s != "" && strings.Trim(s, "0123456789") == "" {
		s = escapeFirst(s)
	}
	return s
}

func escapeFirst(s string) string { return fmt.Sprintf("%%%02X", s[0]) + s[1:] }

// unescape reads what escape writes, and nothing else.
func unescape(s string) (string, bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '%' {
			if i+2 >= len(s) {
				return "", false
			}
			if _, err := fmt.Sscanf(s[i+1:i+3], "%02X", &c); err != nil {
				return "", false
			}
			i += 2
		}
		b.WriteByte(c)
	}
	name := b.String()
	return name, escape(name) == s
}

// usable reports whether a collection can be shown under its escaped name.
func usable(name string) bool { return manifest.CheckName(escape(name)) == nil }

// parse reads the name of an artifact: one of the configured project, or
// ENTITY/PROJECT/NAME. Other names are those of no artifact here.
func (s *Source) parse(name, entity string) (collection, error) {
	if err := manifest.CheckName(name); err != nil {
		return collection{}, err
	}
	c := collection{entity: entity, project: s.c.Project()}
	parts := strings.Split(name, "/")
	if len(parts) == 3 {
		c.entity, c.project = parts[0], parts[1]
	}
	var ok bool
	if c.name, ok = unescape(parts[len(parts)-1]); !ok || len(parts) != 1 && len(parts) != 3 || badProject(c.project) != "" {
		return c, s.absent(name)
	}
	return c, nil
}

// absent says that a name is not in W&B for certain.
func (s *Source) absent(name string) error {
	return fmt.Errorf("no artifact %s in W&B at %s: %w", name, s.c, fs.ErrNotExist)
}
