package outbox

import (
	"fmt"
	"io/fs"
	"strings"

	"artifactfs.dev/artifactfs/manifest"
)

// W&B's limits. What it would refuse is refused before anything is sent.
const (
	maxName         = 128 // of a collection, a type, an alias
	maxMetadataKeys = 100
)

// CheckName says in words why W&B would not take an artifact of this name. A slash
// is not made a dash: two artifacts would then share one, and their numbers.
func CheckName(name string) error {
	why, as := "", "by another name"
	switch bad := strings.IndexFunc(name, func(r rune) bool { return !nameRune(r) }); {
	case name == "":
		why = "is empty"
	case len(name) > maxName:
		why = fmt.Sprintf("is longer than %d characters", maxName)
	case bad >= 0 && name[bad] == '/':
		why, as = "has a slash, which W&B's names cannot have", "as "+strings.ReplaceAll(name, "/", "-")
	case bad >= 0:
		why = fmt.Sprintf("has %q; W&B takes letters, digits, dash, underscore and dot", []rune(name[bad:])[0])
	default:
		return nil
	}
	return fmt.Errorf("artifact name %q %s; log it %s, or to the manifest store alone (backends: [\"manifest\"]): %w", name, why, as, fs.ErrInvalid)
}

func nameRune(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '_' || r == '-' || r == '.'
}

// checkType says why W&B would not take a type.
func checkType(name, typ string) error {
	why := ""
	switch {
	case typ == "":
		why = "is empty"
	case len(typ) > maxName:
		why = fmt.Sprintf("is longer than %d characters", maxName)
	case strings.ContainsAny(typ, "/:"):
		why = "has a slash or a colon"
	case typ == "job" || strings.HasPrefix(typ, "wandb-"):
		why = "is one of W&B's own"
	case typ == "run_table" && strings.HasPrefix(name, "run-"), typ == "code" && strings.HasPrefix(name, "source-"):
		why = fmt.Sprintf("with the name %q is one of W&B's own", name)
	default:
		return nil
	}
	return fmt.Errorf("artifact %s: type %q %s: %w", name, typ, why, fs.ErrInvalid)
}

// checkAlias says why W&B would not take an alias.
func checkAlias(alias string) error {
	why := ""
	switch {
	case alias == "":
		why = "is empty"
	case len(alias) > maxName:
		why = fmt.Sprintf("is longer than %d characters", maxName)
	case strings.ContainsAny(alias, "/:"):
		why = "has a slash or a colon"
	case isVersion(alias):
		why = "is a version's name"
	default:
		return nil
	}
	return fmt.Errorf("alias %q %s: W&B does not take it: %w", alias, why, fs.ErrInvalid)
}

func isVersion(s string) bool {
	rest, ok := strings.CutPrefix(s, "v")
	return ok && rest != "" && strings.Trim(rest, "0123456789") == ""
}

// check is all that can be said of a draft without asking anybody.
func check(name string, d *manifest.Draft) error {
	if err := CheckName(name); err != nil {
		return err
	}
	if err := checkType(name, d.Manifest.Type); err != nil {
		return err
	}
	for _, a := range d.Aliases {
		if err := checkAlias(a); err != nil {
			return fmt.Errorf("artifact %s: %w", name, err)
		}
	}
	return nil
}
