package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzDotlist: whatever stands on the command line is settings or one line of error.
func FuzzDotlist(f *testing.F) {
	for _, s := range []string{
		"artifacts.manifest.root=${oc.env:X,/a}", "artifacts.wandb=off", "artifacts={wandb: false}", "artifactfs.data_roots=[/a, /b]",
		"artifacts.manifest.root=${oc.decode:'[1, {a: b}]'}", "artifacts.manifest.root=\\${x}${artifacts.manifest.root}", "a=&a [*a, *a]", "artifactfs.umask=0o22",
		"artifacts.manifest.root=${${${", "artifacts.manifest.root=${oc.decode:${oc.env:X}}",
	} {
		f.Add(s, "[1, \"x\", {a: ${b}}]")
	}
	dir := f.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "pyproject.toml"), nil, 0o644); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, arg, x string) {
		c, err := Load(Options{Dir: dir, Dotlist: []string{arg}, Env: func(k string) (string, bool) { return x, k == "X" || k == "HOME" }})
		if err == nil && c.Root != "" && !filepath.IsAbs(c.Root) {
			t.Errorf("%q: root %q is not absolute", arg, c.Root)
		}
		if err == nil && (c.Root == "" && !c.WandB) != (c.Disabled != "") {
			t.Errorf("%q: %+v", arg, c)
		}
	})
}

// FuzzEnvTOML: no file crashes or hangs the reader.
func FuzzEnvTOML(f *testing.F) {
	for _, s := range []string{
		"[artifacts]\nwandb = true\n[artifacts.manifest]\nroot = \"/a/${oc.env:X,b}\"\n", "[artifactfs]\ndata = \"copy\"\n",
		"[artifacts]\na = \"${b}\"\nb = \"${a}\"\n", "[artifacts]\na = \"" + strings.Repeat("${", 200) + "\"\n", "[[artifacts]]\n", "artifacts = 1979-05-27\n",
	} {
		f.Add(s)
	}
	dir := f.TempDir()
	file := filepath.Join(dir, "env.toml")
	f.Fuzz(func(t *testing.T, text string) {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		_, _ = Load(Options{File: file, Dir: dir, Env: func(string) (string, bool) { return "", false }})
	})
}

// FuzzJob: nor does a job's YAML, laid over a file.
func FuzzJob(f *testing.F) {
	for _, s := range []string{
		"artifacts: {wandb: no, manifest: {root: /a}}\n", "artifacts:\n  manifest:\n    root: ${run.base}/s\nrun: {base: /b}\n",
		"defaults: [a, {b: c}, _self_, ../x]\n", "a: &a [x]\nb: &b [*a, *a]\nc: [*b, *b]\n", "a: &a {b: *a}\n", "<<: {artifacts: null}\n",
		"? [1]\n: 2\n", "artifacts: !!binary aGk=\n", "--- 1\n--- 2\n", "artifacts: 1:20:30\n", "a: 0o17\nb: .inf\nc: 1e400\n",
	} {
		f.Add(s)
	}
	dir := f.TempDir()
	file, job := filepath.Join(dir, "env.toml"), filepath.Join(dir, "job.yaml")
	if err := os.WriteFile(file, []byte("[artifacts.manifest]\nroot = \"/store\"\n"), 0o644); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if err := os.WriteFile(job, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		c, err := Load(Options{File: file, Job: job, Dir: dir, Env: func(string) (string, bool) { return "", false }})
		if err == nil && c.Root != "" && !filepath.IsAbs(c.Root) {
			t.Errorf("root %q is not absolute", c.Root)
		}
	})
}
