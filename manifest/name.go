package manifest

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
)

const (
	maxComponent = 255 // NAME_MAX
	maxName      = 1024
)

// CheckName reports whether name can be an artifact's: a relative path without
// empty, dotted or overlong components, none of which reads as a version, so
// that no artifact lies inside another's version. The error says what is wrong,
// and satisfies fs.ErrInvalid, or ENAMETOOLONG as it would from the kernel.
func CheckName(name string) error {
	why, kind := "", error(fs.ErrInvalid)
	if name == "" {
		why = "it is empty"
	} else if len(name) > maxName {
		why, kind = fmt.Sprintf("it is longer than %d bytes", maxName), syscall.ENAMETOOLONG
	}
	for c := range strings.SplitSeq(name, "/") {
		if why == "" {
			why, kind = badComponent(c)
		}
	}
	if why != "" {
		return fmt.Errorf("artifact name %s: %s: %w", quote(name), why, kind)
	}
	return nil
}

// CheckNew is CheckName for a name that is to be made. Nothing is made in an artifact's
// directory that upstream's code takes for a version: it counts the digits of every
// script, so that v٣ would be a v3, and v² ends every log of that artifact.
func CheckNew(name string) error {
	if err := CheckName(name); err != nil {
		return err
	}
	_, below, _ := strings.Cut(name, "/")
	for c := range strings.SplitSeq(below, "/") {
		if upstreamVersion(c) {
			return fmt.Errorf("artifact name %s: upstream's code takes %s for a version: %w", quote(name), quote(c), fs.ErrInvalid)
		}
	}
	return nil
}

func checkNewAlias(alias string) error {
	err := CheckAlias(alias)
	if err == nil && upstreamVersion(alias) {
		err = fmt.Errorf("alias %s: upstream's code takes it for a version: %w", quote(alias), fs.ErrInvalid)
	}
	return err
}

func upstreamVersion(c string) bool { return c != "" && c[0] == 'v' && isDigits(c[1:]) }

// CheckAlias reports whether alias can name a version beside its number: one
// component of a name. The error is as CheckName's.
func CheckAlias(alias string) error {
	if why, kind := badAlias(alias); why != "" {
		return fmt.Errorf("alias %s: %s: %w", quote(alias), why, kind)
	}
	return nil
}

func badAlias(alias string) (why string, kind error) {
	if _, number := ParseVersion(alias); number {
		return "it is a version's number", fs.ErrInvalid
	}
	if strings.Contains(alias, "/") {
		return "it holds a slash", fs.ErrInvalid
	}
	return badComponent(alias)
}

func badComponent(c string) (why string, kind error) {
	kind = fs.ErrInvalid
	switch {
	case c == "":
		why = "it has an empty component"
	case c[0] == '.':
		why = "a component starts with a dot"
	case len(c) > maxComponent:
		why, kind = fmt.Sprintf("a component is longer than %d bytes", maxComponent), syscall.ENAMETOOLONG
	case strings.Contains(c, "\x00"):
		why = "it holds a NUL byte"
	case c == Latest || c[0] == 'v' && allDigits(c[1:]):
		why = c + " names a version"
	}
	return why, kind
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

// invalid makes err an fs.ErrInvalid, unless its kind has been said.
func invalid(err error) error {
	if errors.Is(err, fs.ErrInvalid) || errors.Is(err, syscall.ENAMETOOLONG) {
		return err
	}
	return fmt.Errorf("%w: %w", err, fs.ErrInvalid)
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
