package manifest

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"artifactfs.dev/artifactfs/internal/store"
)

func TestWriterOf(t *testing.T) {
	for name, want := range map[string]writer{
		".latest_tmp_12":                {pid: 12},
		".latest_tmp_12_AB":             {pid: 12}, // of older releases
		".latest_tmp_12_NODE_345_AB":    {12, "NODE", "345"},
		".alias_tmp_12_NODE_345_AB":     {12, "NODE", "345"},
		".pin_tmp_12_NODE_345_AB":       {12, "NODE", "345"},
		"manifest.json.tmp.12":          {pid: 12},
		"v3.json.tmp.12.AB":             {pid: 12},
		"metadata.json.tmp.12.NODE.9.X": {12, "NODE", "9"},
		"manifest.json.tmp.0":           {}, "manifest.json.tmp.": {}, "manifest.json.tmp.x": {}, ".json.tmp.12": {},
		"a.latest_tmp_12": {}, "manifest.json": {}, "latest": {}, "v1": {}, "manifest.json.tmp.12x.AB": {}, "": {},
		"manifest.json.tmp.99999999999999999999": {}, "manifest.json.tmp.-3": {}, "manifest.json.tmp.+3": {},
	} {
		got, ok := writerOf(name)
		if got != want || ok != (want.pid != 0) {
			t.Errorf("writerOf(%q) = %+v, %t; want %+v", name, got, ok, want)
		}
	}
	for _, sep := range []string{"_", "."} {
		name := map[string]string{"_": ".latest_tmp_", ".": "manifest.json.tmp."}[sep] + unique(sep)
		if got, ok := writerOf(name); !ok || got != self() || got.node == "" {
			t.Errorf("writerOf(%q) = %+v; want this process, %+v", name, got, self())
		}
	}
}

// A file goes at once when its writer was on this node and is dead, an hour later
// when it may live elsewhere, and never while it lives here.
func TestAbandoned(t *testing.T) {
	cmd := exec.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	node := self().node
	living, start := strconv.Itoa(cmd.Process.Pid), store.Started(uint32(cmd.Process.Pid))
	const dead = "999999999" // beyond what a pid can be
	dir, long := t.TempDir(), time.Now().Add(-2*time.Hour)
	keep := map[string]bool{}
	for parts, kept := range map[string][2]bool{ // new, old
		living + "." + node + "." + start + ".A": {true, true},
		living + "." + node + ".1.A":             {false, false}, // the pid is another process's now
		dead + "." + node + "." + start + ".A":   {false, false},
		dead + ".ELSEWHERE." + start + ".A":      {true, false},
		living + ".ELSEWHERE." + start + ".A":    {true, false},
		living:                                   {true, true},
		dead:                                     {true, false},
	} {
		for i, prefix := range []string{"new", "old"} {
			path := filepath.Join(dir, prefix+".json.tmp."+parts)
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			if prefix == "old" {
				if err := os.Chtimes(path, long, long); err != nil {
					t.Fatal(err)
				}
			}
			keep[filepath.Base(path)] = kept[i]
		}
	}
	for _, name := range []string{"latest", "old.json.tmp", strings.Repeat("x", 20)} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		keep[name] = true
	}
	if err := removeAbandoned(dir); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range keep {
		if got := slices.ContainsFunc(left, func(e fs.DirEntry) bool { return e.Name() == name }); got != want {
			t.Errorf("%s is kept: %t; want %t", name, got, want)
		}
	}
}

// Every writer that looks first after a death looks everywhere, whichever door it
// takes: an alias or a claim must not put the versions off for an hour.
func TestSweepByEveryDoor(t *testing.T) {
	for door, write := range map[string]func(*Dir) error{
		"claim": func(d *Dir) error { return d.Claim(bg, "a", 2) },
		"alias and log": func(d *Dir) error {
			if err := d.SetAlias(bg, "a", "prod", 1); err != nil {
				return err
			}
			_, err := d.Publish(bg, "a", &Draft{Manifest: Manifest{Path: "/data"}, Metadata: Object{}})
			return err
		},
	} {
		root := t.TempDir()
		if _, err := openT(t, root).Publish(bg, "a", &Draft{Manifest: Manifest{Path: "/data"}, Metadata: Object{}}); err != nil {
			t.Fatal(err)
		}
		left := filepath.Join(root, "a/v1/metadata.json.tmp.999999999."+self().node+".1.A")
		if err := os.WriteFile(left, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := write(openT(t, root)); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Lstat(left); err == nil {
			t.Errorf("%s: %s is there", door, left)
		}
	}
}
