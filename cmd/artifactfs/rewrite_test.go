package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"artifactfs.dev/artifactfs/manifest/manifesttest"
)

// loadAll prints what OmegaConf makes of x in each config that is named.
const loadAll = `
import json, sys
from omegaconf import OmegaConf
for name in sys.argv[1:]:
    print(json.dumps(OmegaConf.to_container(OmegaConf.load(name), resolve=True)["x"]))
`

// TestRewriteAsUpstream rewrites a config for every ${art:…} that upstream was asked, and
// has OmegaConf read the result.
func TestRewriteAsUpstream(t *testing.T) {
	python, _ := filepath.Abs("../../.venv/bin/python")
	if _, err := os.Stat(python); err != nil {
		t.Skip("no .venv: run make deps")
	}
	var files []string
	var want []any
	var names []string
	for _, c := range manifesttest.Cases(t, "art") {
		if c.Name == "art/dot-syntax" { // OmegaConf's own, and left alone
			continue
		}
		dir := t.TempDir()
		c.Lay(t, dir)
		lustre := movedLustre(t, dir)
		out, err := rewritten(t, c, dir)
		answer, wanted := rewriteAnswer(c, lustre)
		if (err == nil) != wanted {
			t.Errorf("%s: %v, want success %v", c.Test(), err, wanted)
			continue
		}
		if err != nil {
			continue
		}
		file := filepath.Join(dir, "out.yaml")
		if err := os.WriteFile(file, out, 0o644); err != nil {
			t.Fatal(err)
		}
		files, want, names = append(files, file), append(want, answer), append(names, c.Test()+": "+string(out))
	}
	cmd := exec.Command(python, append([]string{"-c", loadAll}, files...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) != len(want) || len(want) < 25 {
		t.Fatalf("%d answers to %d configs", len(lines), len(want))
	}
	for i, line := range lines {
		if text, _ := json.Marshal(want[i]); !sameJSON(text, []byte(line)) {
			t.Errorf("%s\nOmegaConf reads %s, upstream gives %s", names[i], line, text)
		}
	}
}

// movedLustre moves the data that the records of a case name below dir, and makes it.
func movedLustre(t *testing.T, dir string) string {
	t.Helper()
	lustre := filepath.Join(dir, "lustre")
	records, _ := filepath.Glob(filepath.Join(dir, "root", "*", "*", "manifest.json"))
	for _, r := range records {
		b, err := os.ReadFile(r)
		if err == nil {
			err = os.WriteFile(r, bytes.ReplaceAll(b, []byte(`"/data/lustre`), []byte(`"`+lustre)), 0o644)
		}
		var m struct{ Path string }
		_ = json.Unmarshal(b, &m)
		if err == nil {
			err = os.MkdirAll(strings.Replace(m.Path, "/data/lustre", lustre, 1), 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return lustre
}

func rewritten(t *testing.T, c manifesttest.Case, dir string) ([]byte, error) {
	t.Helper()
	run, _ := json.Marshal(c.Input["run"])
	config := fmt.Sprintf("run: %s\nx: %q\n", run, c.Text("get"))
	if err := os.WriteFile(filepath.Join(dir, "in.yaml"), []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	a := &app{in: strings.NewReader(""), out: &out, err: &errs}
	cmd := a.command()
	cmd.SetArgs([]string{"rewrite", filepath.Join(dir, "in.yaml"), "--at", "/mnt/artifacts", "artifacts.manifest.root=" + filepath.Join(dir, "root")})
	err := cmd.ExecuteContext(context.Background())
	if err != nil && errs.Len() > 0 {
		err = fmt.Errorf("%w: %s", err, errs.String())
	}
	return out.Bytes(), err
}

// rewriteAnswer is what a rewritten config is to hold: upstream's answer, but that paths
// lead through the mount, and where ours is another on purpose.
func rewriteAnswer(c manifesttest.Case, lustre string) (any, bool) {
	const mounted = "/mnt/artifacts/n/latest"
	paths := map[string]any{
		"art/path": mounted, "art/default-field": mounted, "art/quoted": mounted, "art/in-a-string": mounted + "/blend.json",
		"art/metadata-absent-path": "/mnt/artifacts/n/v1", "art/two-keys": "/mnt/artifacts/n/v1:v2",
		"art/version": "v1", "art/version-alias": "v1", "art/undetected-alias": "/mnt/artifacts/n/prod",
		"art/undetected-slashes":              "/mnt/artifacts/super3-rl-rlvr1-data/latest",
		"art/iteration-only-in-metadata-json": json.Number("20"),
	}
	if v, ok := paths[c.Name]; ok {
		return v, true
	}
	return c.Result, c.Error == ""
}

func sameJSON(a, b []byte) bool {
	var x, y any
	number := strings.NewReplacer(`{"float":"nan"}`, `"NaN"`, `{"float":"-inf"}`, `"-Infinity"`, "NaN", `"NaN"`, "-Infinity", `"-Infinity"`)
	if json.Unmarshal([]byte(number.Replace(string(a))), &x) != nil || json.Unmarshal([]byte(number.Replace(string(b))), &y) != nil {
		return string(a) == string(b)
	}
	return reflect.DeepEqual(x, y)
}
