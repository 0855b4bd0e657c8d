package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// load reads an env.toml of that text in a directory of its own.
func load(t *testing.T, text string, dotlist ...string) (*Config, error) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "env.toml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return Load(Options{Dir: dir, Dotlist: dotlist, Env: func(k string) (string, bool) {
		switch k {
		case "HOME":
			return "/home/u", true
		case "SCRATCH":
			return "/scratch", true
		}
		return "", false
	}})
}

// TestMessages: an error names the file, the line, the key, and the way out.
func TestMessages(t *testing.T) {
	for _, c := range []struct {
		name, text string
		args, want []string
	}{
		{"syntax", "[artifacts]\nwandb = True\n", nil, []string{"env.toml:2: ", "lower case"}},
		{"no null", "[artifacts]\n\n\nwandb = null\n", nil, []string{"env.toml:4: ", "no null"}},
		{"unclosed", "[artifacts\n", nil, []string{"env.toml:2: "}},
		{"own typo", "[artifactfs]\ndata = \"copy\"\ndata_root = [\"/x\"]\n", nil,
			[]string{"env.toml:3: ", "unknown key artifactfs.data_root", "did you mean data_roots?"}},
		{"own typo far", "[artifactfs]\nzzzzzzzz = 1\n", nil, []string{"env.toml:2: ", "unknown key artifactfs.zzzzzzzz"}},
		{"dotted", "artifacts.manifest.root = \"none\"\n", nil, []string{"env.toml:1: ", "artifacts.manifest.root", "write null"}},
		{"wandb text", "[artifacts]\n# x\nwandb = \"false\"\n", nil, []string{"env.toml:3: ", "true or false", "without quotes", "oc.decode"}},
		{"relative", "[artifacts.manifest]\nroot = \"team/artifacts\"\n", nil, []string{"env.toml:2: ", "neither an absolute path nor a URI"}},
		{"s3", "[artifacts.manifest]\nroot = \"s3://b/a//k\"\n", nil, []string{"env.toml:2: ", "s3://b/a//k", "empty, . or .. component"}},
		{"ftp", "[artifacts.manifest]\nroot = \"ftp://b/k\"\n", nil, []string{"env.toml:2: ", "unknown kind of store", "s3://"}},
		{"URIs only", "[artifactfs]\ndata_roots = [\"s3://b/data\"]\n", nil, []string{"env.toml:2: ", "artifactfs.data_roots", "name a directory too"}},
		{"writers", "[artifactfs]\nwriters = [\"ada\"]\n", nil, []string{"env.toml:2: ", "artifactfs.writers", "user:NAME"}},
		{"manifest text", "[artifacts]\nmanifest = \"/x\"\n", nil, []string{"env.toml:2: ", "artifacts.manifest is a table", `artifacts.manifest.root = "/path"`}},
		{"shell", "[artifacts.manifest]\nroot = \"${SCRATCH}/a\"\n", nil, []string{"env.toml:2: ", "artifacts.manifest.root", "${oc.env:SCRATCH}"}},
		{"unset", "[artifacts.manifest]\nroot = \"${oc.env:NOPE}\"\n", nil, []string{"env.toml:2: ", "NOPE is not set", "${oc.env:NOPE,DEFAULT}"}},
		{"lane", "[artifactfs]\ndata = \"binds\"\n", nil, []string{"env.toml:2: ", `"binds" is none of auto, bind,`}},
		{"no binds", "[artifactfs]\nmax_binds = 0\n", nil, []string{"env.toml:2: ", "is not a number of mounts", "passthrough"}},
		{"relative data root", "[artifactfs]\ndata_roots = [\"/a\", \"b\"]\n", nil, []string{"env.toml:2: ", `"b" is neither an absolute path nor`}},
		{"umask", "[artifactfs]\numask = \"8\"\n", nil, []string{"env.toml:2: ", "not a umask"}},
		{"duration", "[artifactfs]\nttl = \"soon\"\n", nil, []string{"env.toml:2: ", "not a duration"}},
		{"cli typo", "", []string{"artifacts.manifest.rooot=/x"}, []string{"artifacts.manifest.rooot", "command line", "did you mean artifacts.manifest.root?"}},
		{"cli short", "", []string{"manifest.root=/x"}, []string{"unknown key manifest", "command line"}},
		{"cli own typo", "", []string{"artifactfs.dta=copy"}, []string{"did you mean artifactfs.data?"}},
		{"cli null", "", []string{"artifacts=null"}, []string{"command line: artifacts is a table", "artifacts.wandb=false artifacts.manifest.root=null"}},
		{"cli none", "", []string{"artifacts.manifest.root=none"}, []string{"command line: ", "write null"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := load(t, c.text, c.args...)
			if err == nil {
				t.Fatal("no error")
			}
			for _, w := range c.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("error %q does not say %q", err, w)
				}
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("error %q has two lines", err)
			}
		})
	}
}

// TestDisabled: switched off is not the same as not configured.
func TestDisabled(t *testing.T) {
	for _, c := range []struct {
		text string
		args []string
		want string // Disabled; "embedded", or "" for a root
	}{
		{"", nil, "embedded"},
		{"[wandb]\nproject = \"p\"\n", nil, "embedded"},
		{"[artifacts]\n", nil, "embedded"},
		{"", []string{"artifacts.wandb=false", "artifacts.manifest.root=null"},
			"artifacts.wandb = false (command line) and artifacts.manifest.root = null (command line)"},
		{"[artifacts]\nwandb = false\n", nil, "artifacts.wandb = false (FILE:2)"},
		{"[artifacts.manifest]\nroot = \"/a\"\n", []string{"artifacts.manifest.root=null"}, "artifacts.manifest.root = null (command line)"},
		{"[artifacts.manifest]\nroot = \"/a\"\n", []string{"artifacts.wandb=false"}, ""},
		{"[artifacts.manifest]\nroot = \"${oc.env:NOPE,null}\"\n", nil, "artifacts.manifest.root = null (FILE:2)"},
		{"[artifacts.manifest]\n", nil, "artifacts.manifest without a root (FILE:1)"},
	} {
		got, err := load(t, c.text, c.args...)
		if err != nil {
			t.Errorf("%q %q: %v", c.text, c.args, err)
			continue
		}
		want := strings.ReplaceAll(c.want, "FILE", got.File)
		if c.want == "embedded" {
			if !got.Embedded || got.Root != "/home/u/.local/share/artifactfs" {
				t.Errorf("%q %q: root %q, embedded %t; want the embedded one", c.text, c.args, got.Root, got.Embedded)
			}
			want = ""
		}
		if got.Disabled != want {
			t.Errorf("%q %q: Disabled = %q, want %q", c.text, c.args, got.Disabled, want)
		}
	}
}

// TestOwn decodes [artifactfs] in TOML and on the command line.
func TestOwn(t *testing.T) {
	got, err := load(t, `[artifactfs]
data = "copy"
data_roots = ["/lustre/", "file:///nfs/data", "~/x", "https://data.example:8443/sets/"]
uid = 1000
gid = "0"
umask = "022"
ttl = "250ms"
deadline = 5
log_level = "debug"
max_binds = 3
cache_dir = "~/cache/"
cache_size = "1G"
lineage = "complete"
`, "artifactfs.data=passthrough", "artifactfs.umask=027", "artifactfs.deadline=1:30")
	if err != nil {
		t.Fatal(err)
	}
	if got.Data != "passthrough" || strings.Join(got.DataRoots, " ") != "/lustre /nfs/data /home/u/x" {
		t.Errorf("data %q, data_roots %q", got.Data, got.DataRoots)
	}
	if strings.Join(got.DataURIs, " ") != "https://data.example:8443/sets/" {
		t.Errorf("of data_roots, URIs are %q", got.DataURIs)
	}
	if *got.UID != 1000 || *got.GID != 0 || *got.Umask != 0o27 {
		t.Errorf("uid %d gid %d umask %o", *got.UID, *got.GID, *got.Umask)
	}
	if got.TTL.String() != "250ms" || got.Deadline.String() != "1m30s" || got.LogLevel.String() != "DEBUG" {
		t.Errorf("ttl %v deadline %v level %v", got.TTL, got.Deadline, got.LogLevel)
	}
	if got.MaxBinds != 3 {
		t.Errorf("max_binds %d", got.MaxBinds)
	}
	if got.CacheDir != "/home/u/cache" || got.CacheSize != 1<<30 {
		t.Errorf("cache_dir %q, cache_size %d", got.CacheDir, got.CacheSize)
	}
	if got.Lineage != "complete" || len(got.Warnings) > 0 {
		t.Errorf("lineage %q, warnings %q", got.Lineage, got.Warnings)
	}
}

// TestSnapshotKeys decodes snapshot and state_root. A dotlist is YAML, where off is false.
func TestSnapshotKeys(t *testing.T) {
	for _, c := range []struct{ text, arg, snapshot, state, err string }{
		{"", "", "", "", ""},
		{`snapshot = "job"`, "", "job", "", ""},
		{`snapshot = "off"`, "", "off", "", ""},
		{"", "artifactfs.snapshot=off", "off", "", ""},
		{`snapshot = "off"`, "artifactfs.snapshot=job", "job", "", ""},
		{`snapshot = "rank"`, "", "", "", "neither job nor off"},
		{`state_root = "/lustre/state/"`, "", "", "/lustre/state", ""},
		{`state_root = "~/state"`, "", "", "/home/u/state", ""},
		{`state_root = "state"`, "", "", "", "not an absolute path"},
		{`state_root = 3`, "", "", "", "not an absolute path"},
	} {
		var args []string
		if c.arg != "" {
			args = append(args, c.arg)
		}
		got, err := load(t, "[artifactfs]\n"+c.text+"\n", args...)
		switch {
		case c.err != "":
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: %v, want %q", c.text, err, c.err)
			}
		case err != nil:
			t.Errorf("%s %s: %v", c.text, c.arg, err)
		case got.Snapshot != c.snapshot || got.StateRoot != c.state || len(got.Warnings) > 0:
			t.Errorf("%s %s: %q, %q, %q; want %q, %q", c.text, c.arg, got.Snapshot, got.StateRoot, got.Warnings, c.snapshot, c.state)
		}
	}
}

// TestBrokenProfiles: each error names the line and the profile; what is no
// profile is none of its business.
func TestBrokenProfiles(t *testing.T) {
	for text, want := range map[string]string{
		"[a]\nextends = 5\n":                                 "env.toml:2: profile a: extends is the name of a profile, not 5",
		"b = 1\n[a]\nextends = \"b\"\n":                      "env.toml:1: b is a table",
		"[a]\nextends = \"b\"\n[b]\nd = 2026-01-01\n":        "env.toml:1: a.d is a date",
		"[cache]\nextends = \"x\"\n[cli]\nextends = \"x\"\n": "",
		"[a]\nextends = \"b\"\n[b]\nx = \"${y}\"\n[c]\n":     "b.x",
		"[a]\nextends = \"b\"\ny = 1\n[b]\n":                 "",
	} {
		path := filepath.Join(t.TempDir(), "env.toml")
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, err := range BrokenProfiles(path, func(string) (string, bool) { return "", false }) {
			got = append(got, err.Error())
		}
		if all := strings.Join(got, "\n"); (all == "") != (want == "") || !strings.Contains(all, want) {
			t.Errorf("%q: %q, want %q", text, all, want)
		}
	}
}
