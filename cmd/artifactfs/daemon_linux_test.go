package main

import (
	"io"
	"io/fs"
	"os"
	"testing"

	"artifactfs.dev/artifactfs/cmd/artifactfs/config"
)

// The mount can be read before whoever made it has noted that: what it says of itself
// is to be had from the first moment.
func TestStatusAtTheFirstMoment(t *testing.T) {
	dir := t.TempDir()
	for _, d := range []string{dir + "/store", dir + "/mnt"} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cfg, err := config.Load(config.Options{Dotlist: []string{"artifacts.manifest.root=" + dir + "/store"}, Dir: dir, Env: func(string) (string, bool) { return "", false }})
	if err != nil {
		t.Fatal(err)
	}
	d := newDaemon(&state{Dir: dir + "/mnt", Config: cfg, file: dir + "/state.json"}, io.Discard)
	c, err := d.open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"status", "config", "metrics", "events"} {
		if text, err := fs.ReadFile(c.tree.FS(), ".artifactfs/"+name); err != nil || len(text) == 0 && name != "events" {
			t.Errorf("%s: %q, %v", name, text, err)
		}
	}
}
