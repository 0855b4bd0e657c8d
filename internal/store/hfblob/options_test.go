package hfblob

import (
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFromEnv(t *testing.T) {
	home := t.TempDir()
	if err := os.WriteFile(filepath.Join(home, "token"), []byte("hf_file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		env  map[string]string
		want Options
	}{
		{"nothing", nil, Options{}},
		{"a home", map[string]string{"HOME": "/h"}, Options{CacheDir: "/h/.cache/huggingface/hub"}},
		{"XDG", map[string]string{"HOME": "/h", "XDG_CACHE_HOME": "/x"}, Options{CacheDir: "/x/huggingface/hub"}},
		{"HF_HOME has a token", map[string]string{"HF_HOME": home}, Options{CacheDir: home + "/hub", Token: "hf_file"}},
		{"HF_TOKEN", map[string]string{"HF_HOME": home, "HF_TOKEN": " hf_1 ", "HUGGING_FACE_HUB_TOKEN": "hf_2"}, Options{CacheDir: home + "/hub", Token: "hf_1"}},
		{"the old name", map[string]string{"HF_HOME": home, "HUGGING_FACE_HUB_TOKEN": "hf_2"}, Options{CacheDir: home + "/hub", Token: "hf_2"}},
		{"HF_TOKEN_PATH", map[string]string{"HF_TOKEN_PATH": home + "/token", "HF_HUB_CACHE": "/c"}, Options{CacheDir: "/c", Token: "hf_file"}},
		{"no implicit token", map[string]string{"HF_HOME": home, "HF_TOKEN": "hf_1", "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1"}, Options{CacheDir: home + "/hub"}},
		{"offline, elsewhere", map[string]string{"HF_HUB_OFFLINE": "yes", "HF_ENDPOINT": "http://h/"}, Options{Endpoint: "http://h/", Offline: true}},
	} {
		got, err := FromEnv(func(k string) string { return c.env[k] })
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if diff := cmp.Diff(&c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
	if _, err := FromEnv(func(k string) string { return map[string]string{"HF_TOKEN_PATH": home}[k] }); err == nil {
		t.Error("a token's file that cannot be read is no error")
	}
}

// A URL of gocloud's has the repository in its host and its path.
func TestOpenBucketURL(t *testing.T) {
	hub, _ := newHub(t, nil)
	hub.Branch("models", "org/m", "a/b", "main")
	hub.Commit("models", "org/m", "a/b", "f", map[string]string{"d #1/f": "f"})
	o := &URLOpener{Getenv: func(k string) string {
		return map[string]string{"HF_TOKEN": "hf_me", "HF_ENDPOINT": "http://127.0.0.1:1"}[k]
	}}
	u, err := url.Parse("hf://models/org/m@a%2Fb/d%20%231?endpoint=" + hub.URL)
	if err != nil {
		t.Fatal(err)
	}
	b, err := o.OpenBucketURL(t.Context(), u)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if got, err := b.ReadAll(t.Context(), "f"); err != nil || string(got) != "f" {
		t.Errorf("read %q, %v", got, err)
	}
	u.RawQuery = "token=x"
	if _, err := o.OpenBucketURL(t.Context(), u); err == nil {
		t.Error("an unknown parameter is no error")
	}
}
