package manifest

import (
	"fmt"
	"io/fs"
	"strings"
)

// Ref is a reference to a version of an artifact.
type Ref struct {
	Name    string // as it was written, slashes included
	Version string // latest, vN without leading zeros, or an alias
	Sub     string // a path inside the version, or ""
}

// Latest is the version of a reference that gives none.
const Latest = "latest"

// ParseRef reads [art://][ENTITY/PROJECT/]NAME[:VERSION][/SUBPATH].
func ParseRef(s string) (Ref, error) {
	return Ref{}, fmt.Errorf("reference %q: %w", s, fs.ErrInvalid)
}

// String returns the reference in its shortest whole form, NAME:VERSION[/SUB].
func (r Ref) String() string {
	s := r.Name + ":" + r.Version
	if r.Sub != "" {
		s += "/" + r.Sub
	}
	return s
}

// Number returns the number of a reference by number.
func (r Ref) Number() (Version, bool) {
	if !strings.HasPrefix(r.Version, "v") {
		return 0, false
	}
	return ParseVersion(r.Version)
}

// Dashed returns r with dashes for the slashes of its name: the name that
// upstream logs a semantic name such as super3/rl/rlvr1/data under.
func (r Ref) Dashed() Ref {
	r.Name = strings.ReplaceAll(r.Name, "/", "-")
	return r
}

// WandB returns the parts of a name that can be read as ENTITY/PROJECT/NAME.
func (r Ref) WandB() (entity, project, name string, ok bool) {
	parts := strings.Split(r.Name, "/")
	if len(parts) != 3 {
		return "", "", "", false
	}
	return parts[0], parts[1], parts[2], true
}

// IsReference reports whether upstream takes the value of a key in a config for
// a reference, with what it misses.
func IsReference(v any) bool { return false }
