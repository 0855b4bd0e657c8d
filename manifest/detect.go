package manifest

import (
	"strings"
	"unicode"
)

// IsReference reports whether upstream takes v, a value in a config, for a
// reference, by its look: a string that holds "Artifact", or one with a version
// after its last colon, and neither dots in the name nor what container images
// have. Upstream drops every string with a slash; the semantic names in its own
// recipes, such as super3/rl/rlvr1/data:latest, are references here.
func IsReference(v any) bool {
	s, ok := v.(string)
	if !ok {
		return false
	}
	if low := strings.ToLower(s); strings.Contains(low, "nvcr") || strings.Contains(low, "docker") {
		return false
	}
	slashed := strings.Contains(s, "/")
	if strings.Contains(s, "Artifact") {
		return !slashed
	}
	i := strings.LastIndexByte(s, ':')
	if i < 0 || strings.Contains(s[:i], ".") {
		return false
	}
	name, version := s[:i], s[i+1:]
	if slashed {
		_, number := ParseVersion(version)
		return (number || version == Latest) && CheckName(name) == nil
	}
	return strings.HasPrefix(version, "v") || version == Latest || isDigits(version)
}

// isDigits is Python's str.isdigit, which the digits of other scripts pass too,
// and superscripts.
func isDigits(s string) bool {
	for _, r := range s {
		if !unicode.IsDigit(r) && !strings.ContainsRune("²³¹⁰⁴⁵⁶⁷⁸⁹₀₁₂₃₄₅₆₇₈₉", r) {
			return false
		}
	}
	return s != ""
}
