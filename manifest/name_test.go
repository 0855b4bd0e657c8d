package manifest

import (
	"errors"
	"io/fs"
	"strings"
	"syscall"
	"testing"

	"artifactfs.dev/artifactfs/manifest/manifesttest"
)

func TestDeriveNameCases(t *testing.T) {
	for _, c := range manifesttest.Cases(t, "derive") {
		t.Run(c.Test(), func(t *testing.T) {
			var explicit *string
			if s, ok := c.Input["explicit"].(string); ok {
				explicit = &s
			}
			if got := DeriveName(explicit, c.Text("name"), c.Text("type")); got != c.Result {
				t.Errorf("got %q, want %q", got, c.Result)
			}
		})
	}
}

func TestIsReferenceCases(t *testing.T) {
	for _, c := range manifesttest.Cases(t, "detect") {
		t.Run(c.Test(), func(t *testing.T) {
			want := c.Result.(bool)
			if c.Fix != "" {
				want = true // 14: an alias of the dashed name
			}
			if got := IsReference(c.Input["value"]); got != want {
				t.Errorf("IsReference(%#v) is %v, want %v (upstream %v)", c.Input["value"], got, want, c.Result)
			}
		})
	}
}

// A string with slashes is a reference only if nothing else is likelier.
func TestIsReferenceSlashes(t *testing.T) {
	for s, want := range map[string]bool{
		"nano3/sft/data:v3": true, "embed/model:2": true, "e/p/n:latest": true,
		"nano3/sft/data": false, "nano3/sft/data:prod": false, "ghcr.io/a/b:v1": false, "a/b:validated": false,
		"../m:v1": false, "a//b:v1": false, "https://x:3": false, "/a:3": false, "a/v1:3": false,
	} {
		if got := IsReference(s); got != want {
			t.Errorf("IsReference(%q) is %v, want %v", s, got, want)
		}
	}
}

// The names that upstream was asked to log under: those that we refuse, and all
// others pass.
func TestCheckNameCases(t *testing.T) {
	refused := map[string]string{
		"log/name-in-version":     "94: inside v1",
		"log/name-empty":          "94: the root itself",
		"log/name-dotdot":         "74: outside the store",
		"log/name-absolute":       "74: upstream logs it below the root, under another name than it answers",
		"log/name-dot":            "views have such names",
		"log/name-trailing-slash": "upstream logs n and records n/",
		"log/name-256":            "no file system takes it",
	}
	for _, c := range manifesttest.Cases(t, "log") {
		name, given := c.Input["name"].(string)
		if !given {
			continue
		}
		t.Run(c.Test(), func(t *testing.T) {
			err := CheckName(name)
			why, want := refused[c.Name]
			if (err != nil) != want {
				t.Errorf("CheckName(%.40q) is %v, want it refused: %v (%s)", name, err, want, why)
			}
			if (c.Fix == "refused" || c.Error != "") && !want {
				t.Errorf("the case says %q %s, the table does not", c.Fix, c.Error)
			}
		})
	}
}

func TestCheckName(t *testing.T) {
	for _, name := range []string{
		"n", "embed/model", "My Model v1.5", "données", "a:b", "n\nm", strings.Repeat("n", 255), "v", "vx", "v1.5", "v-1", "V1", "1", "v²",
		"latest-model", "n\xff", "-a-b", "n?sample=9",
	} {
		if err := CheckName(name); err != nil {
			t.Errorf("CheckName(%q): %v", name, err)
		}
	}
	for _, name := range []string{
		"", ".", "..", "/", "/n", "n/", "a//b", "a/../b", ".n", "a/.n", "n\x00", strings.Repeat("n", 256), "a/" + strings.Repeat("n", 256),
		strings.Repeat("n/", 600) + "n", "v1", "n/v1", "v05/n", "v99999999999999999999", "latest", "n/latest",
	} {
		if err := CheckName(name); !errors.Is(err, kindOf(name)) {
			t.Errorf("CheckName(%.40q) is %v, want %v", name, err, kindOf(name))
		}
	}
}

// What upstream's code takes for a version is made in no artifact.
func TestCheckNew(t *testing.T) {
	for name, ok := range map[string]bool{"n": true, "a/vx": true, "v²": true, "m/v²": false, "m/v٣/n": false, "a/v２": false, "m/v": true, "m/²": true, ".n": false} {
		if err := CheckNew(name); (err == nil) != ok || err != nil && !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("CheckNew(%q): %v", name, err)
		}
	}
}

// kindOf is the error of a bad name: of one that is too long, what the kernel answers.
func kindOf(name string) error {
	if len(name) > maxComponent {
		return syscall.ENAMETOOLONG
	}
	return fs.ErrInvalid
}

func TestCheckAlias(t *testing.T) {
	for _, alias := range []string{"prod", "validated", "v1.2", "v", "LATEST", "a b"} {
		if err := CheckAlias(alias); err != nil {
			t.Errorf("CheckAlias(%q): %v", alias, err)
		}
	}
	for _, alias := range []string{"", "latest", "v1", "1", "007", "v99999999999999999999", "a/b", ".prod", "..", "a\x00", strings.Repeat("a", 256)} {
		if err := CheckAlias(alias); !errors.Is(err, kindOf(alias)) {
			t.Errorf("CheckAlias(%.40q) is %v, want %v", alias, err, kindOf(alias))
		}
	}
}
