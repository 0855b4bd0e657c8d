package config

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"strconv"
	"strings"
)

// smallestCache is less than which a cache is of no use: what is read at a time has
// hardly room in it.
const smallestCache = 64 << 20

func setCacheDir(c *Config, v any, env Env) error {
	p, ok := v.(string)
	if ok {
		p = expandHome(strings.TrimPrefix(p, "file://"), env)
	}
	if !ok || !filepath.IsAbs(p) {
		return fmt.Errorf("%s is not an absolute path", show(v))
	}
	c.CacheDir = filepath.Clean(p)
	return nil
}

func setCacheSize(c *Config, v any, _ Env) error {
	n, err := parseSize(v)
	if err == nil && n < smallestCache {
		err = errors.New("it is less than 64M")
	}
	if err != nil {
		return fmt.Errorf("%s is not a size, such as \"100G\": %w", show(v), err)
	}
	c.CacheSize = n
	return nil
}

var errNoSize = errors.New("a number of bytes, or with one of K, M, G, T")

// parseSize takes a number of bytes, or a string with a unit: G and GiB are 2^30,
// GB is 10^9.
func parseSize(v any) (int64, error) {
	switch v := v.(type) {
	case int64:
		return v, nil
	case string:
		number := strings.TrimRight(v, "KMGTiBkmgtb ")
		f, err := strconv.ParseFloat(number, 64)
		unit, known := sizeOf(strings.ToUpper(strings.TrimSpace(v[len(number):])))
		if n := f * unit; err == nil && known && n >= 0 && n < math.MaxInt64 {
			return int64(n), nil
		}
	}
	return 0, errNoSize
}

func sizeOf(unit string) (float64, bool) {
	if unit == "" || unit == "B" {
		return 1, true
	}
	power := strings.IndexByte("KMGT", unit[0]) + 1
	switch {
	case power == 0:
	case unit[1:] == "" || unit[1:] == "IB":
		return math.Pow(1024, float64(power)), true
	case unit[1:] == "B":
		return math.Pow(1000, float64(power)), true
	}
	return 0, false
}
