// Package imports holds the test of which package may import which.
package imports

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
)

const module = "artifactfs.dev/artifactfs/"

// allowed is ARCHITECTURE.md's arrows: what each package may import of ours, and
// which foreign modules only some may import.
var (
	allowed = map[string][]string{
		"internal/store":                {},
		"internal/store/bucket":         {"internal/store", "internal/store/hfblob"},
		"internal/store/cache":          {"internal/store"},
		"internal/store/hfblob":         {},
		"manifest":                      {"internal/store", "internal/store/bucket"},
		"resolver":                      {"manifest", "internal/store"},
		"nodes":                         {"resolver", "manifest", "internal/store"},
		"fs":                            {"nodes", "resolver", "manifest", "internal/store"},
		"manifest/manifesttest":         {"manifest"},
		"resolver/sourcetest":           {"resolver", "manifest", "internal/store"},
		"wandb":                         {"manifest", "internal/store", "internal/store/bucket"},
		"wandb/internal/gql":            {},
		"wandb/outbox":                  {"wandb", "manifest", "internal/store"},
		"wandb/schema":                  {},
		"wandb/wandbtest":               {"wandb/schema"},
		"wandb/wandbtest/cmd/wandbtest": {"wandb/wandbtest"},
		"cmd/artifactfs/ui":             {"resolver", "manifest"},
	}
	restricted = map[string][]string{
		"github.com/hanwen/go-fuse":    {"fs", "nodes"},
		"github.com/BurntSushi/toml":   {"cmd/artifactfs"},
		"github.com/spf13/":            {"cmd/artifactfs"},
		"github.com/jedib0t/go-pretty": {"cmd/artifactfs"},
		"github.com/graph-gophers/":    {"wandb/wandbtest"},
		"gocloud.dev":                  {"internal/store/bucket", "internal/store/hfblob"},
	}
)

type pkg struct {
	ImportPath string
	Imports    []string
}

func TestImports(t *testing.T) {
	for _, p := range list(t) {
		from, ours := strings.CutPrefix(p.ImportPath, module)
		if !ours || strings.HasPrefix(from, "scripts/") {
			continue
		}
		for _, to := range p.Imports {
			if rest, ok := strings.CutPrefix(to, module); ok {
				if may, known := allowed[from]; known && !within(rest, may) && !strings.HasPrefix(rest, from+"/") {
					t.Errorf("%s imports %s: imports point down only", from, rest)
				} else if !known && !strings.HasPrefix(from, "cmd/") && !strings.HasPrefix(from, "internal/") {
					t.Errorf("package %s is not in ARCHITECTURE.md's list", from)
				}
			}
			for prefix, may := range restricted {
				if strings.HasPrefix(to, prefix) && !within(from, may) {
					t.Errorf("%s imports %s: only %s may", from, to, strings.Join(may, ", "))
				}
			}
		}
	}
}

// within reports whether path is one of roots or lies below one.
func within(path string, roots []string) bool {
	for _, r := range roots {
		if path == r || strings.HasPrefix(path, r+"/") {
			return true
		}
	}
	return false
}

func list(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", "./...")
	cmd.Dir = "../.."
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var all []pkg
	for dec := json.NewDecoder(out); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if len(all) < 5 {
		t.Fatalf("go list found %d packages", len(all))
	}
	return all
}
