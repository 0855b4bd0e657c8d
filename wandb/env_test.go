package wandb

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// find looks things up in an environment of its own.
func find(t *testing.T, vars map[string]string, home, dir string, given Config) Config {
	t.Helper()
	e := Env{Home: home, Dir: dir, Getenv: func(name string) (string, bool) { v, ok := vars[name]; return v, ok }}
	c, err := e.Find(given)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestFind(t *testing.T) {
	home, dir := t.TempDir(), t.TempDir()
	write(t, home+"/.config/wandb/settings", "[other]\nentity = x\n[default]\n# said by login\nbase_url = https://own.example/w\nentity: team\nproject = p1\n")
	write(t, dir+"/wandb/settings", "[default]\nproject=p2\n")
	write(t, home+"/.netrc", "machine own.example\n  login user\n  password thekey\n")
	got := find(t, nil, home, dir, Config{})
	want := Config{BaseURL: "https://own.example/w", Entity: "team", Project: "p2", Key: "thekey", KeyFrom: home + "/.netrc", CacheDir: home + "/.cache/wandb"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("settings files and netrc (-want +got):\n%s", d)
	}
	vars := map[string]string{
		"WANDB_BASE_URL": "https://env.example", "WANDB_ENTITY": "e", "WANDB_PROJECT": "p3", "WANDB_API_KEY": "k",
		"WANDB_USERNAME": "u", "WANDB_USER_EMAIL": "m", "NEMO_RUN_DIR": "/lustre/j", "WANDB_CACHE_DIR": "/c",
		"WANDB_X_EXTRA_HTTP_HEADERS": `{"X-A": "b"}`,
	}
	got = find(t, vars, home, dir, Config{Project: "given"})
	want = Config{
		BaseURL: "https://env.example", Entity: "e", Project: "given", Key: "k", KeyFrom: "WANDB_API_KEY", CacheDir: "/c",
		Username: "u", Email: "m", NemoRunDir: "/lustre/j", Headers: map[string]string{"X-A": "b"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("the environment (-want +got):\n%s", d)
	}
	other := t.TempDir()
	write(t, other+"/settings", "[default]\nentity = third\n")
	if got := find(t, map[string]string{"WANDB_CONFIG_DIR": other, "WANDB_PROJECT": ""}, home, dir, Config{}); got.Entity != "third" || got.Project != "p2" {
		t.Errorf("with WANDB_CONFIG_DIR: %+v", got)
	}
	e := Env{Getenv: func(name string) (string, bool) { return "[1]", name == "WANDB_X_EXTRA_HTTP_HEADERS" }}
	if _, err := e.Find(Config{}); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("headers that are none: %v", err)
	}
}

func TestNetrc(t *testing.T) {
	for _, c := range []struct{ text, machine, want string }{
		{"machine api.wandb.ai login user password K", "api.wandb.ai", "K"},
		{"machine api.wandb.ai\n\tlogin user\n\tpassword K\n", "api.wandb.ai", "K"},
		{"machine a login u password A machine b login u password B", "b", "B"},
		{"machine h:8080 login u password P\nmachine h login u password Q", "h:8080", "P"},
		{"machine h:8080 login u password P\nmachine h login u password Q", "h", "Q"},
		{"default login u password D", "h", ""},
		{"machine x login u password X\ndefault login u password D", "h", ""},
		{"machine h login u password H\ndefault login u password D", "h", "H"},
		{"# machine h login u password no\nmachine h login u password H", "h", "H"},
		{"macdef init\nmachine h password no\n\nmachine h login u password H", "h", "H"},
		{"machine h\n\nlogin u\npassword H", "h", "H"},
		{"machine h account a login u password H", "h", "H"},
		{"machine h login u password", "h", ""},
		{"", "h", ""},
	} {
		if got := netrcPassword(c.text, c.machine); got != c.want {
			t.Errorf("netrc %q, machine %s = %q; want %q", c.text, c.machine, got, c.want)
		}
	}
}

func TestNetrcFiles(t *testing.T) {
	home := t.TempDir()
	named := write(t, home+"/mine", "machine api.wandb.ai login u password named")
	write(t, home+"/_netrc", "machine api.wandb.ai login u password second")
	for name, c := range map[string]struct {
		vars map[string]string
		want Key
	}{
		"_netrc": {nil, "second"}, "NETRC": {map[string]string{"NETRC": named}, "named"}, "~": {map[string]string{"NETRC": "~/mine"}, "named"},
		"absent": {map[string]string{"NETRC": home + "/none"}, ""}, "other server": {map[string]string{"WANDB_BASE_URL": "http://h:1"}, ""},
	} {
		if got := find(t, c.vars, home, "", Config{}); got.Key != c.want {
			t.Errorf("%s: the key is %q; want %q", name, string(got.Key), string(c.want))
		}
	}
}

func TestKeys(t *testing.T) {
	for key, good := range map[Key]bool{
		testKey: true, "local-" + testKey: true, Key(strings.Repeat("a", 86)): true, "wandb_v1_" + testKey: true,
		"eyJhbGciOi.eyJzdWIiOi.c2lnbmF0dXJl": true,
		"":                                   false, "short": false, testKey + " ": false, testKey + "\n": false, Key(strings.Repeat("é", 40)): false, "a.b": false, testKey + "/x": false,
	} {
		_, err := NewClient(Config{Key: key, KeyFrom: "the test"})
		if (err == nil) != good || err != nil && !IsKind(err, Unauthorized) {
			t.Errorf("key %q: %v; want good: %v", string(key), err, good)
		}
		if err != nil && key != "" && strings.Contains(err.Error(), strings.TrimSpace(string(key))) {
			t.Errorf("the key is in %v", err)
		}
	}
	c := Config{Key: testKey}
	if text := fmt.Sprintf("%v %+v %#v %s %q", c, c, c, c.Key, c.Key); strings.Contains(text, testKey) {
		t.Errorf("the key prints: %s", text)
	}
}

func TestBadConfig(t *testing.T) {
	for _, c := range []Config{
		{BaseURL: "api.wandb.ai"}, {BaseURL: "ftp://h"}, {BaseURL: "https://"}, {BaseURL: "https://h?x=1"}, {BaseURL: "https://u:p@h"}, {BaseURL: "https://h\x00"},
		{Project: "a/b"}, {Project: "a:b"}, {Project: strings.Repeat("p", 129)},
	} {
		c.Key = testKey
		if _, err := NewClient(c); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("%+v: %v; want fs.ErrInvalid", c, err)
		}
	}
}
