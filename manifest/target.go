package manifest

import "strings"

// Target is the version that an alias names.
type Target struct {
	Version int
	// In is the backend whose own number it is, where that is not the one that numbers
	// the tree; "" where it is.
	In Numbering
}

// String is v3, or manifest:v3.
func (t Target) String() string {
	v := Version(t.Version).String()
	if t.In == "" {
		return v
	}
	return string(t.In) + ":" + v
}

// parseTarget reads what String writes.
func parseTarget(s string) (Target, bool) {
	in, version, found := strings.Cut(s, ":")
	if !found {
		in, version = "", s
	}
	n, ok := ParseVersion(version)
	if _, err := ParseNumbering(in); found && err != nil {
		return Target{}, false
	}
	t := Target{Version: int(n), In: Numbering(in)}
	return t, ok && t.String() == s
}
