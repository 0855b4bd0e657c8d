package manifest

import (
	"fmt"
	"io/fs"
	"strings"
)

const (
	maxComponent = 255 // NAME_MAX
	maxName      = 1024
)

// CheckName reports whether name can be an artifact's: a relative path without
// empty, dotted or overlong components, none of which reads as a version, so
// that no artifact lies inside another's version. The error satisfies
// fs.ErrInvalid and says what is wrong.
func CheckName(name string) error {
	why := ""
	if name == "" {
		why = "it is empty"
	} else if len(name) > maxName {
		why = fmt.Sprintf("it is longer than %d bytes", maxName)
	}
	for c := range strings.SplitSeq(name, "/") {
		if why == "" {
			why = badComponent(c)
		}
	}
	if why != "" {
		return fmt.Errorf("artifact name %s: %s: %w", quote(name), why, fs.ErrInvalid)
	}
	return nil
}

// CheckAlias reports whether alias can name a version beside its number: one
// component of a name. The error satisfies fs.ErrInvalid.
func CheckAlias(alias string) error {
	why := badComponent(alias)
	if _, number := ParseVersion(alias); number {
		why = "it is a version's number"
	} else if strings.Contains(alias, "/") {
		why = "it holds a slash"
	}
	if why != "" {
		return fmt.Errorf("alias %s: %s: %w", quote(alias), why, fs.ErrInvalid)
	}
	return nil
}

func badComponent(c string) string {
	switch {
	case c == "":
		return "it has an empty component"
	case c[0] == '.':
		return "a component starts with a dot"
	case len(c) > maxComponent:
		return fmt.Sprintf("a component is longer than %d bytes", maxComponent)
	case strings.Contains(c, "\x00"):
		return "it holds a NUL byte"
	case c == Latest || c[0] == 'v' && allDigits(c[1:]):
		return c + " names a version"
	}
	return ""
}

func allDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// DeriveName returns the name that upstream logs an artifact under: the explicit
// one as it is, else the semantic one (nano3/sft/data?sample=9) without its query
// and with dashes for slashes, else the type. It may not pass CheckName.
func DeriveName(explicit *string, semantic, typ string) string {
	if explicit != nil {
		return *explicit
	}
	if semantic != "" {
		clean, _, _ := strings.Cut(semantic, "?")
		return strings.ReplaceAll(clean, "/", "-")
	}
	return className(typ)
}

// className is the type of an artifact that names none: upstream's class.
func className(typ string) string {
	if typ == "" || typ == "artifact" {
		return "Artifact"
	}
	return typ
}

// quote quotes a name for a message, where it may be anything of any length.
func quote(s string) string { return fmt.Sprintf("%q", clip(s)) }

// clip shortens a text for a message.
func clip(s string) string {
	if len(s) > 100 {
		return s[:100] + "…"
	}
	return s
}
