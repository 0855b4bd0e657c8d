package hfblob

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestPath(t *testing.T) {
	for key, want := range map[string]string{
		"a/b c#?%.json": "a/b c#?%.json", "a//b": "a/__0x__/b", "/a/": "__0x__/a/__0x__",
		"../.": "__0x2e__./__0x2e__", ".git/x": "__0x2e__git/x", ".gitattributes": ".gitattributes",
		"a\\b\n": "a__0x5c__b__0xa__", "__0x41__": "__0x41__", "__0x2e__git": "__0x5f____0x5f__0x2e__0x5f____0x5f__git",
	} {
		if got := toPath(key); got != want {
			t.Errorf("%q is at %q, want %q", key, got, want)
		}
		if got := toKey(toPath(key)); got != key {
			t.Errorf("%q comes back as %q", key, got)
		}
	}
}

func FuzzPath(f *testing.F) {
	for _, s := range []string{"a//b", "__0x2e__git", "__0x__", "__0x5f__", "..\\x", "___0xa____0x", "__0x5f____0x__"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !utf8.ValidString(s) {
			return // gocloud refuses such keys
		}
		if got := toKey(toPath(s)); got != s {
			t.Errorf("key %q is at %q, which is the key %q", s, toPath(s), got)
		}
		if strings.HasPrefix(s, "/") || strings.HasSuffix(s, "/") || strings.Contains(s, "//") || s == "" {
			return // no path in a repository
		}
		if got := toPath(toKey(s)); got != s && toPath(s) == s {
			t.Errorf("path %q is the key %q, which is at %q", s, toKey(s), got)
		}
	})
}
