package manifest

import (
	"fmt"
	"io/fs"
	"strings"
)

// CheckName reports whether name can be an artifact's: a relative path without
// empty, dotted or overlong components, none of which reads as a version, so
// that no artifact lies inside another's version. The error satisfies
// fs.ErrInvalid and says what is wrong.
func CheckName(name string) error {
	if name == "" {
		return fmt.Errorf("an artifact's name is empty: %w", fs.ErrInvalid)
	}
	if len(name) > 1024 {
		return fmt.Errorf("an artifact's name is longer than 1024 bytes: %w", fs.ErrInvalid)
	}
	for c := range strings.SplitSeq(name, "/") {
		if why := badComponent(c); why != "" {
			return fmt.Errorf("artifact name %q: %s: %w", name, why, fs.ErrInvalid)
		}
	}
	return nil
}

func badComponent(c string) string {
	switch {
	case c == "":
		return "it starts or ends with a slash or has two in a row"
	case c[0] == '.':
		return "a component starts with a dot"
	case len(c) > 255:
		return "a component is longer than 255 bytes"
	case strings.Contains(c, "\x00"):
		return "it holds a NUL byte"
	case c == "latest":
		return "latest names a version"
	}
	if _, ok := ParseVersion(c); ok && c[0] == 'v' {
		return c + " names a version"
	}
	return ""
}

// DeriveName returns the name that upstream logs an artifact under: the explicit
// one as it is, else the semantic one (nano3/sft/data?sample=9) without its query
// and with dashes for slashes, else the type.
func DeriveName(explicit *string, semantic, typ string) string {
	if explicit != nil {
		return *explicit
	}
	if semantic != "" {
		clean, _, _ := strings.Cut(semantic, "?")
		return strings.ReplaceAll(clean, "/", "-")
	}
	if typ == "" || typ == "artifact" {
		return "Artifact"
	}
	return typ
}
