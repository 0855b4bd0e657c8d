package config

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"artifactfs.dev/artifactfs/manifest/manifesttest"
)

// differs holds the cases where we answer otherwise than upstream, on purpose,
// and says how: an error, unless it is text that begins with "=".
var differs = map[string]string{
	// upstream.md §10 row 89
	"job/root=none": "a directory of that name is not meant; null is", "job/root=None": "as none",
	"job/root=rel/dir": "a root is absolute or a URI",
	// row 90
	"job/wandb=n": "true or false", "job/wandb=y": "true or false", "job/wandb=none": "true or false",
	"job/wandb='false'": "true or false", "job/wandb=\"false\"": "true or false",
	"job/wandb-string-false": "true or false", "job/root-env-not-decoded": "true or false",
	"job/wandb-no-equals": "a key without a value is a slip, not an off",
	// row 91
	"job/plus-prefix": "unknown key", "job/tilde-prefix": "unknown key", "job/unknown-key": "unknown key",
	"job/typo-key": "unknown key", "job/dotlist-extra-drops-env-root": "unknown key",
	// manifest is a table
	"job/manifest-string": "an error", "job/manifest-true": "an error, as the string is", "setup/manifest-string": "an error",
	// row 56: nothing configured at all
	"job/no-env-toml-keys": "=embedded", "job/wandb-table-in-run": "=embedded",
	"setup/neither-with-ref": "=embedded", "setup/neither-no-ref": "=embedded", "setup/neither-empty-config": "=embedded",
	// Hydra inside the container takes none for null; one meaning is enough
	"in-container/root=none": "as row 89", "in-container/root=None": "as row 89",
	"in-container/root=1e3": "a number, row 93", "in-container/root=007": "a number, row 93",
	"in-container/unknown-key": "unknown key, row 91",
	// roots
	"tracker-root/hf-empty": "no object stores", "tracker-root/relative": "row 89", "tracker-root/dot": "row 89",
	"tracker-root/slash": "=/", "tracker-root/file-uri": "=path", "tracker-root/local-uri": "=path", "tracker-root/tilde": "=path",
}

func caseEnv(c manifesttest.Case, dir string) Env {
	return func(k string) (string, bool) {
		if v, ok := c.Env[k]; ok {
			if k == "NEMOTRON_ENV_FILE" {
				v = manifesttest.Moved(v, dir)
			}
			return v, true
		}
		if k == "HOME" {
			return filepath.Join(dir, "home"), true
		}
		return "", false
	}
}

func caseDir(t *testing.T, c manifesttest.Case) (dir, cwd string) {
	dir = t.TempDir()
	c.Lay(t, dir)
	cwd = filepath.Join(dir, "work")
	if c.Cwd != "" {
		cwd = manifesttest.Moved(c.Cwd, dir)
	}
	return dir, cwd
}

func TestFindCases(t *testing.T) {
	for _, c := range manifesttest.Cases(t, "env_find") {
		t.Run(c.Test(), func(t *testing.T) {
			dir, cwd := caseDir(t, c)
			want, _ := c.Result.(string)
			// A temporary directory may have an env.toml above it only by bad luck.
			if got := Find(cwd, caseEnv(c, dir)); got != manifesttest.Moved(want, dir) {
				t.Errorf("Find = %q, want %q", got, manifesttest.Moved(want, dir))
			}
		})
	}
}

func TestReadCases(t *testing.T) {
	for _, c := range manifesttest.Cases(t, "env_load") {
		t.Run(c.Test(), func(t *testing.T) {
			dir, cwd := caseDir(t, c)
			got := map[string]any{}
			path := Find(cwd, caseEnv(c, dir))
			var err error
			if path != "" {
				var f *file
				if f, err = readFile(path); err == nil {
					got = f.tables
				}
			}
			if (err != nil) != (c.Error != "") {
				t.Fatalf("error %v, upstream's %q", err, c.Error)
			}
			if err == nil {
				sameJSON(t, got, c.Result)
			} else if !strings.Contains(err.Error(), path) {
				t.Errorf("error %q does not name the file %s", err, path)
			}
		})
	}
}

// TestProfileCases: inheritance, and interpolation within what comes of it.
func TestProfileCases(t *testing.T) {
	for _, c := range manifesttest.Cases(t, "env_profile") {
		t.Run(c.Test(), func(t *testing.T) {
			dir, cwd := caseDir(t, c)
			f, err := readFile(Find(cwd, caseEnv(c, dir)))
			if err != nil {
				t.Fatal(err)
			}
			got, err := f.profile(c.Text("profile"), caseEnv(c, dir))
			if (err != nil) != (c.Error != "") {
				t.Fatalf("error %v, upstream's %q", err, c.Error)
			}
			if err == nil {
				sameJSON(t, got, c.Result)
			}
		})
	}
}

// TestJobCases merges env.toml, a job's YAML and dotlist arguments.
func TestJobCases(t *testing.T) {
	for _, c := range manifesttest.Cases(t, "job", "hydra", "setup") {
		t.Run(c.Test(), func(t *testing.T) {
			dir, cwd := caseDir(t, c)
			o := Options{Dir: cwd, Env: caseEnv(c, dir)}
			for _, key := range []string{"dotlist", "overrides"} {
				for _, a := range asList(c.Input[key]) {
					if a, ok := a.(string); ok {
						o.Dotlist = append(o.Dotlist, a)
					}
				}
			}
			for _, key := range []string{"yaml", "config"} {
				if doc, ok := c.Input[key]; ok {
					o.Job = filepath.Join(dir, "job.yaml")
					b, _ := json.Marshal(doc) // JSON is YAML
					if err := os.WriteFile(o.Job, b, 0o644); err != nil {
						t.Fatal(err)
					}
				}
			}
			if c.Op != "job" { // these had no env.toml
				if err := os.WriteFile(filepath.Join(cwd, "pyproject.toml"), nil, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			got, err := Load(o)
			checkJob(t, c, got, err)
		})
	}
}

func checkJob(t *testing.T, c manifesttest.Case, got *Config, err error) {
	why, other := differs[c.Name]
	if other && !strings.HasPrefix(why, "=") {
		if err == nil {
			t.Fatalf("no error; want one, (F): %s", why)
		}
		return
	}
	if why == "=embedded" {
		if err != nil || !got.Embedded || got.Root == "" || got.Disabled != "" {
			t.Fatalf("got %+v, %v; want the embedded root, (F) row 56", got, err)
		}
		return
	}
	// Upstream fails later, at the reference; tracking itself was set up.
	late := strings.HasPrefix(c.Error, "ArtifactNotFound") || strings.Contains(c.Error, "registry not initialized") || strings.Contains(c.Error, "503")
	if (err != nil) != (c.Error != "" && !late) {
		t.Fatalf("error %v, upstream's %q", err, c.Error)
	}
	if err != nil {
		return
	}
	want := wantBackends(c)
	have := map[string]any{"manifest": got.Root != "", "wandb": got.WandB, "root": nil}
	if got.Root != "" {
		have["root"] = got.Root
	}
	if want["root"] == "" {
		want["root"] = nil
	}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("backends (-want +got):\n%s", diff)
	}
	if off := got.Root == "" && !got.WandB; off != (got.Disabled != "") {
		t.Errorf("Disabled = %q with backends %v", got.Disabled, have)
	}
}

// wantBackends reads the three answers out of a recorded result.
func wantBackends(c manifesttest.Case) map[string]any {
	want := map[string]any{"manifest": false, "wandb": false, "root": nil}
	r, _ := c.Result.(map[string]any)
	if c.Op == "hydra" { // the merged config, by upstream's rule of truth
		a, _ := r["artifacts"].(map[string]any)
		want["wandb"] = a["wandb"] == true
		m, _ := a["manifest"].(map[string]any)
		if root, _ := m["root"].(string); root != "" {
			want["manifest"], want["root"] = true, root
		}
		return want
	}
	if c.Error != "" { // failed at the reference
		cfg, _ := c.Input["config"].(map[string]any)
		a, _ := cfg["artifacts"].(map[string]any)
		want["wandb"] = a["wandb"] == true
		m, _ := a["manifest"].(map[string]any)
		if root, _ := m["root"].(string); root != "" {
			want["manifest"], want["root"] = true, root
		}
		return want
	}
	for k := range want {
		want[k] = r[k]
	}
	return want
}

func TestRootCases(t *testing.T) {
	for _, c := range manifesttest.Cases(t, "root") {
		t.Run(c.Test(), func(t *testing.T) {
			dir := t.TempDir()
			in := c.Text("root")
			if in == "" {
				return // off, before a root is looked at: job/root-empty
			}
			got, err := Root(in, caseEnv(c, dir))
			why, other := differs[c.Name]
			if other && !strings.HasPrefix(why, "=") || c.Error != "" {
				if err == nil {
					t.Errorf("Root(%q) = %q, want an error: %s%s", in, got, why, c.Error)
				}
				return
			}
			want := c.Result.(map[string]any)["fs_root"].(string)
			if why == "=/" {
				want = "/"
			}
			if strings.HasPrefix(in, "~") {
				want = manifesttest.Moved(want, dir)
			}
			if err != nil || got != want {
				t.Errorf("Root(%q) = %q, %v; want %q", in, got, err, want)
			}
		})
	}
}

func sameJSON(t *testing.T, got, want any) {
	t.Helper()
	norm := func(v any) (out any) {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		_ = json.Unmarshal(b, &out)
		return out
	}
	if diff := cmp.Diff(norm(want), norm(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
