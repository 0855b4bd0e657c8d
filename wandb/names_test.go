package wandb

import (
	"strings"
	"testing"

	"artifactfs.dev/artifactfs/manifest"
)

func TestEscape(t *testing.T) {
	for name, want := range map[string]string{
		"plain-name_1.0": "plain-name_1.0", "x y": "x y", "é": "é", ".": "%2E", "..": "%2E.", ".x": "%2Ex", "a:b": "a%3Ab", "a\nb": "a%0Ab",
		"100%": "100%25", "%2E": "%252E", "latest": "%6Catest", "v3": "%763", "v05": "%7605", "v": "v", "vx": "vx", "3": "3",
	} {
		if got := escape(name); got != want {
			t.Errorf("escape(%q) = %q; want %q", name, got, want)
		}
	}
	for _, s := range []string{"%", "%2", "%2e", "%zz", "%61", "a%20b", ".x", "v3", "latest", "a:b", "%2F%"} {
		if name, ok := unescape(s); ok {
			t.Errorf("unescape(%q) = %q; it is the spelling of no name", s, name)
		}
	}
}

func TestEscapeAlias(t *testing.T) {
	for alias, want := range map[string]string{"prod": "prod", "3": "%33", "05": "%305", "best:ever": "best%3Aever", "a/b": "a%2Fb", "v3x": "v3x"} {
		if got := escapeAlias(alias); got != want || manifest.CheckAlias(got) != nil {
			t.Errorf("escapeAlias(%q) = %q; want %q", alias, got, want)
		}
	}
}

// Every name of W&B's has one spelling, which can be a component of the tree.
func FuzzEscape(f *testing.F) {
	for _, s := range []string{"m", "..", "v3", "latest", "a:b%", "\x00", "é\xff", "%25", "."} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		s := escape(name)
		if back, ok := unescape(s); !ok || back != name {
			t.Fatalf("escape(%q) = %q, which is read as %q, %v", name, s, back, ok)
		}
		if name != "" && len(s) <= 255 && (manifest.CheckName(s) != nil || strings.Contains(s, "/")) {
			t.Fatalf("escape(%q) = %q: %v", name, s, manifest.CheckName(s))
		}
	})
}
