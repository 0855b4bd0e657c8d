//go:build linux

package acceptance

import (
	"fmt"
	"os"
	"os/exec"
	"testing"

	"artifactfs.dev/artifactfs/internal/store/bucket/buckettest"
)

// indexWriter adds a version as upstream's code for its older format does: it reads
// the index, and writes it whole beside its place.
const indexWriter = `
import json, pathlib, sys
index, name, version, path = pathlib.Path(sys.argv[1]) / ".art_index.json", sys.argv[2], int(sys.argv[3]), sys.argv[4]
entries = json.load(open(index)) if index.exists() else {}
entry = entries.setdefault(name, {"name": name, "versions": [], "aliases": {}})
entry["versions"].append({"version": version, "path": path, "created_at": "2026-01-01T00:00:00+00:00", "metadata": {}})
entry["aliases"]["latest"] = version
temporary = index.with_suffix(".tmp")
with open(temporary, "w") as f:
    json.dump(entries, f, indent=2)
temporary.rename(index)
`

// The index of upstream's older format is read and written over a bucket as over a
// directory, and a log goes on above its numbers.
func TestIndexInABucket(t *testing.T) {
	needRoot(t)
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip("no python3 here")
	}
	s := newSite(t, siteOptions{Root: buckettest.S3(t).URI})
	one, two := s.data("one", map[string]string{"f": "1"}), s.data("two", map[string]string{"f": "2"})
	add := func(version int, path string) error {
		out, err := exec.Command("python3", "-c", indexWriter, s.path(".manifest"), "old", fmt.Sprint(version), path).CombinedOutput()
		if err != nil {
			err = fmt.Errorf("%w: %s", err, out)
		}
		return err
	}
	for v, path := range []string{one, two} {
		if err := add(v+1, path); err != nil {
			t.Fatal(err)
		}
	}
	read := func(path string) string {
		t.Helper()
		b, err := os.ReadFile(s.path(path))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	if a, b := read("old/v1/f"), read("old/latest/f"); a != "1" || b != "2" {
		t.Errorf("v1 and latest of the index read as %q and %q", a, b)
	}
	before := read(".manifest/.art_index.json")
	broken := s.path(".manifest/.art_index.tmp")
	if err := os.WriteFile(broken, []byte("{}"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(broken, s.path(".manifest/.art_index.json")); err == nil {
		t.Error("an index that has lost its versions was taken")
	}
	if now := read(".manifest/.art_index.json"); now != before {
		t.Errorf("the index is %s, and was %s", now, before)
	}
	s.artifactfs("log", "old", one)
	if link, err := os.Readlink(s.path("old/latest")); err != nil || link != "v3" {
		t.Errorf("after a log latest is %q, %v; want v3", link, err)
	}
	if got := read("old/v2/f"); got != "2" {
		t.Errorf("v2 of the index reads as %q after it", got)
	}
}
