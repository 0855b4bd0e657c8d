package manifest

import "strconv"

// Version is the number of a version.
type Version int

func (v Version) String() string { return "v" + strconv.Itoa(int(v)) }

// ParseVersion reads v3, 3, v05 or 05. Only ASCII digits count, and a number
// that does not fit is none.
func ParseVersion(s string) (Version, bool) {
	if len(s) > 0 && s[0] == 'v' {
		s = s[1:]
	}
	if s == "" {
		return 0, false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
	}
	n, err := strconv.Atoi(s)
	return Version(n), err == nil
}
