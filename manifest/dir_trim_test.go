package manifest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"
)

// A pause leaves the last answers, for a store that is gone when somebody comes back to it, and not all of them.
func TestTrim(t *testing.T) {
	root := t.TempDir()
	d, err := OpenDir(root, nil)
	if err != nil {
		t.Fatal(err)
	}
	const names = maxArtifacts/kept + 10
	for i := range names {
		name := fmt.Sprint("n", i)
		lay(t, root, map[string]string{name + "/v1/manifest.json": rec})
		list(t, d, name)
		if _, err := d.Manifest(bg, name, 1); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := d.Names(bg, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Versions(bg, "absent"); !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	d.Trim()
	if d.artifacts.Contains("absent") || !d.artifacts.Contains(fmt.Sprint("n", names-1)) {
		t.Error("a name that was never listed is remembered, or one that was is not")
	}
	if a, r := d.artifacts.Len(), d.records.Len(); a > maxArtifacts/kept || r > maxRecords/kept || d.records.bytes.Load() > maxRecordBytes/kept {
		t.Errorf("%d artifacts and %d records are left", a, r)
	}
	if err := os.Rename(root, root+".gone"); err != nil {
		t.Fatal(err)
	}
	defer os.Rename(root+".gone", root)
	d.SetTTL(-1)
	last := fmt.Sprint("n", names-1)
	if l, err := d.Versions(bg, last); err != nil || l.Latest != 1 || !strings.Contains(l.Warning, "last known") {
		t.Errorf("the last answer: %+v, %v", l, err)
	}
	if r, err := d.Manifest(bg, last, 1); err != nil || r.Manifest.Path != "/d" {
		t.Errorf("the last record: %+v, %v", r, err)
	}
	if l, err := d.Names(bg, ""); err != nil || len(l) != names {
		t.Errorf("%d names, %v; want %d", len(l), err, names)
	}
	if _, err := d.Versions(bg, "n0"); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what is forgotten: %v; want an error that does not say absent", err)
	}
}
