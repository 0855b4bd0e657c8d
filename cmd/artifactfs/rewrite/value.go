package rewrite

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"

	"artifactfs.dev/artifactfs/manifest"
)

// plainWord needs no quotes in YAML, 1.1 or 1.2, nor in OmegaConf's grammar.
var plainWord = regexp.MustCompile(`^[A-Za-z_/][A-Za-z0-9_./+-]*$`)

// notText is what YAML 1.1 or OmegaConf reads as something else than text.
var notText = regexp.MustCompile(`(?i)^(y|n|yes|no|on|off|true|false|null|nan|inf)$`)

// plainStart is how text begins that nothing takes for a number, a time or YAML's own.
var plainStart = regexp.MustCompile(`^[\p{L}_/$\\]`)

func isWord(s string) bool { return plainWord.MatchString(s) && !notText.MatchString(s) }

// scalar spells a value as YAML, on one line. Text that would be an interpolation is
// escaped: a resolver's answer is not looked at again.
func scalar(v any) string {
	switch v := v.(type) {
	case string:
		if v = escape(v); isWord(v) {
			return v
		}
		return quoted(v)
	case manifest.Number:
		if !v.Finite() {
			return strings.NewReplacer("Infinity", ".inf", "NaN", ".nan").Replace(string(v))
		}
	case manifest.Object, []any, []string:
		return string(manifest.AppendJSON(nil, escapeAll(v), 0)) // JSON is YAML, in flow style
	}
	return string(manifest.AppendJSON(nil, v, 0))
}

// quoted spells text in double quotes.
func quoted(s string) string { return string(manifest.AppendJSON(nil, s, 0)) }

// escapeAll escapes every string of a value.
func escapeAll(v any) any {
	switch v := v.(type) {
	case string:
		return escape(v)
	case []string:
		out := make([]any, len(v))
		for i, s := range v {
			out[i] = escape(s)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = escapeAll(e)
		}
		return out
	case manifest.Object:
		out := make(manifest.Object, len(v))
		for i, m := range v {
			out[i] = manifest.Member{Key: m.Key, Value: escapeAll(m.Value)}
		}
		return out
	}
	return v
}

// beforeInterp is ${ with the backslashes before it, each of which counts there.
var beforeInterp = regexp.MustCompile(`(\\*)\$\{`)

func escape(s string) string { return beforeInterp.ReplaceAllString(s, `$1$1\${`) }

// text is a value inside a string, as OmegaConf's str() would give it.
func text(v any) (string, error) {
	switch v := v.(type) {
	case string:
		return escape(v), nil
	case int:
		return fmt.Sprint(v), nil
	case bool:
		return map[bool]string{true: "True", false: "False"}[v], nil
	case nil:
		return "None", nil
	case manifest.Number:
		return number(v), nil
	}
	return "", fmt.Errorf("its value is a list or a mapping, and cannot be a part of a string")
}

// number is a number as Python's str() gives it.
func number(v manifest.Number) string {
	if !strings.ContainsAny(string(v), ".eEIN") {
		return string(v) // an integer of any size
	}
	f, err := strconv.ParseFloat(strings.Replace(string(v), "Infinity", "Inf", 1), 64)
	if err != nil && !math.IsInf(f, 0) {
		return string(v)
	}
	if s := strings.ToLower(strconv.FormatFloat(f, 'g', -1, 64)); math.IsNaN(f) || math.IsInf(f, 0) {
		return strings.TrimPrefix(s, "+")
	}
	// Python's repr has an exponent below 1e-4 and from 1e16 on.
	if a := math.Abs(f); a != 0 && (a < 1e-4 || a >= 1e16) {
		return strconv.FormatFloat(f, 'e', -1, 64)
	}
	s := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

// argument is a value as another resolver's argument.
func argument(v any) (string, error) {
	s, isText := v.(string)
	switch {
	case isText && isWord(s):
		return s, nil
	case isText && strings.ContainsAny(s, `\$'"`):
		return "", fmt.Errorf("its value %q cannot be spelled inside another interpolation", s)
	case isText:
		return "'" + s + "'", nil
	case v == nil:
		return "null", nil
	}
	return text(v)
}
