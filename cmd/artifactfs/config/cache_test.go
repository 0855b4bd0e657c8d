package config

import (
	"strings"
	"testing"
)

func TestCacheSize(t *testing.T) {
	for text, want := range map[string]int64{
		`"100G"`: 100 << 30, `"1.5 TiB"`: 3 << 39, `"200MB"`: 200_000_000, `"64m"`: 64 << 20, `100000000`: 100_000_000, `"100000000"`: 100_000_000, `"100000 KB"`: 100_000_000,
		`"1G G"`: 0, `"G"`: 0, `""`: 0, `"-1G"`: 0, `"1P"`: 0, `"1e30T"`: 0, `"nanG"`: 0, `"63M"`: 0, `true`: 0, `1.5`: 0, `"1GIBB"`: 0, `"infG"`: 0,
	} {
		got, err := load(t, "[artifactfs]\ncache_size = "+text+"\n")
		switch {
		case want == 0 && (err == nil || !strings.Contains(err.Error(), "cache_size")):
			t.Errorf("%s: %v, want an error that names the key", text, err)
		case want > 0 && (err != nil || got.CacheSize != want):
			t.Errorf("%s: %v, %v; want %d", text, got, err, want)
		}
	}
	if _, err := load(t, "[artifactfs]\ncache_dir = \"cache\"\n"); err == nil || !strings.Contains(err.Error(), "not an absolute path") {
		t.Errorf("a relative path: %v", err)
	}
}
