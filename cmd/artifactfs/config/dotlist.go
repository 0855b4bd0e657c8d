package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// cliKeys are the keys that may stand on the command line. Upstream takes any,
// and one it does not know silently drops env.toml's root.
var cliKeys = func() []string {
	keys := []string{"artifacts", "artifacts.wandb", "artifacts.manifest", "artifacts.manifest.root", "wandb", "artifactfs"}
	for _, k := range wandbKeys {
		keys = append(keys, "wandb."+k)
	}
	for k := range ownKeys {
		keys = append(keys, "artifactfs."+k)
	}
	slices.Sort(keys)
	return keys
}()

// Keys are the settings that may stand on the command line, sorted.
func Keys() []string { return slices.Clone(cliKeys) }

var dotlistArg = regexp.MustCompile(`^(artifacts|artifactfs|wandb)(\.[\w.]+)?=`)

// IsOverride says whether an argument is key=value for one of our tables, as
// against a reference or a path.
func IsOverride(arg string) bool { return dotlistArg.MatchString(arg) }

// parseDotlist turns key=value arguments, values in YAML 1.1, into tables.
func parseDotlist(args []string) (map[string]any, error) {
	out := map[string]any{}
	for _, arg := range args {
		key, text, ok := strings.Cut(arg, "=")
		if !ok {
			return nil, fmt.Errorf("%q is not key=value%s", arg, didYouMean(arg, cliKeys, "="))
		}
		v, err := parseYAML([]byte(text))
		if err != nil {
			return nil, fmt.Errorf("%s: the value is not YAML: %s", arg, strings.TrimPrefix(err.Error(), "yaml: "))
		}
		one := nest(strings.Split(key, "."), v)
		if err := checkKeys("", one); err != nil {
			return nil, err
		}
		mergeDeep(out, one)
	}
	return out, nil
}

func nest(path []string, v any) map[string]any {
	for i := len(path) - 1; i > 0; i-- {
		v = map[string]any{path[i]: v}
	}
	return map[string]any{path[0]: v}
}

// checkKeys refuses what is not in cliKeys, except below artifacts.wandb, whose
// table upstream ignores but for its being there.
func checkKeys(prefix string, t map[string]any) error {
	for k, v := range t {
		key := k
		if prefix != "" {
			key = prefix + "." + k
		}
		known := false
		for _, c := range cliKeys {
			known = known || c == key
		}
		if !known {
			return fmt.Errorf("unknown key %s on the command line%s", key, didYouMean(key, cliKeys, ""))
		}
		if sub, ok := v.(map[string]any); ok && key != "artifacts.wandb" && key != "artifacts.manifest.root" {
			if err := checkKeys(key, sub); err != nil {
				return err
			}
		}
	}
	return nil
}

// didYouMean names the nearest of some keys.
func didYouMean(key string, keys []string, suffix string) string {
	best, bestDist := "", len(key)/2+2
	for _, k := range keys {
		d := distance(key, k)
		if d < bestDist || d == bestDist && k < best {
			best, bestDist = k, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %s%s?", best, suffix)
}

// distance is Levenshtein's, in bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diag := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diag
			if a[i] != b[j] {
				cost++
			}
			diag = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
