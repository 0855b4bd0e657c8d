package manifest

import (
	"strconv"
	"strings"
)

// Version is the number of a version.
type Version int

func (v Version) String() string { return "v" + strconv.Itoa(int(v)) }

// ParseVersion reads v3, 3, v05 or 05. Only ASCII digits count, and a number
// that does not fit is none.
func ParseVersion(s string) (Version, bool) {
	s = strings.TrimPrefix(s, "v")
	if !allDigits(s) {
		return 0, false
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0, false
	}
	return Version(n), true
}
