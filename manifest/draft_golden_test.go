package manifest

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"artifactfs.dev/artifactfs/manifest/manifesttest"
	"github.com/google/go-cmp/cmp"
)

// golden calls f with every version that upstream logged.
func golden(t *testing.T, f func(t *testing.T, name string, version int, raw, meta []byte)) {
	root := manifesttest.Golden(t, "artifacts")
	seen := 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() != "manifest.json" {
			return err
		}
		seen++
		dir := filepath.Dir(path)
		name, _ := filepath.Rel(root, filepath.Dir(dir))
		v, _ := ParseVersion(filepath.Base(dir))
		t.Run(fmt.Sprintf("%s:%v", name, v), func(t *testing.T) {
			f(t, name, int(v), readFile(t, path), readFile(t, filepath.Join(dir, "metadata.json")))
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen != 77 {
		t.Errorf("the golden root has %d versions, want 77", seen)
	}
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func parse(t *testing.T, b []byte) Object {
	t.Helper()
	v, err := ParseJSON(b)
	if err != nil {
		t.Fatal(err)
	}
	return v.(Object)
}

// Every file that upstream wrote is read and written again byte for byte.
func TestGoldenRoundTrip(t *testing.T) {
	golden(t, func(t *testing.T, name string, version int, raw, meta []byte) {
		for _, b := range [][]byte{raw, meta} {
			if got := AppendJSON(nil, parse(t, b), 2); !bytes.Equal(got, b) {
				t.Error(cmp.Diff(string(b), string(got)))
			}
		}
		r, err := NewRecord(name, version, raw, meta, "")
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Manifest.Bytes(); !bytes.Equal(got, raw) {
			t.Error(cmp.Diff(string(raw), string(got)))
		}
	})
}

// Every version that upstream logged, logged again from its metadata.json, gives
// both files byte for byte.
func TestGoldenDraft(t *testing.T) {
	golden(t, func(t *testing.T, name string, version int, raw, meta []byte) {
		want, err := NewRecord(name, version, raw, meta, "")
		if err != nil {
			t.Fatal(err)
		}
		d, err := redraft(want, meta)
		if notFinite := bytes.Contains(meta, []byte("Infinity")) || bytes.Contains(meta, []byte(": NaN")); notFinite {
			// Upstream writes what no JSON reader can read; we refuse it in words.
			if err == nil || !strings.Contains(err.Error(), "final_loss: ") {
				t.Fatalf("got %v, want final_loss refused", err)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := d.MetadataBytes(); !bytes.Equal(got, meta) {
			t.Errorf("metadata.json: %s", cmp.Diff(string(meta), string(got)))
		}
		if name == "team-raw-corpus" && version == 1 {
			sameBut(t, parse(t, raw), parse(t, d.ManifestBytes(version)))
		} else if got := d.ManifestBytes(version); !bytes.Equal(got, raw) {
			t.Errorf("manifest.json: %s", cmp.Diff(string(raw), string(got)))
		}
	})
}

// The same with the typed fields given once, not in metadata too, where upstream
// puts them in its hash order, which is no rule.
func TestGoldenDraftFromFields(t *testing.T) {
	golden(t, func(t *testing.T, name string, version int, raw, meta []byte) {
		want, err := NewRecord(name, version, raw, meta, "")
		if err != nil {
			t.Fatal(err)
		}
		o := parse(t, meta)
		m, _ := o.object("metadata")
		o.Set("metadata", slices.DeleteFunc(m, func(m Member) bool {
			_, typed := o.Get(m.Key)
			return typed && m.Key != "path" // metadata may have a path of its own
		}))
		d, err := redraft(want, AppendJSON(nil, o, 0))
		if err != nil {
			return // as in TestGoldenDraft
		}
		gotRaw, wantRaw := parse(t, d.ManifestBytes(version)), parse(t, raw)
		if name == "team-raw-corpus" && version == 1 {
			sameBut(t, wantRaw, gotRaw)
		} else if diff := cmp.Diff(sorted(wantRaw), sorted(gotRaw)); diff != "" {
			t.Errorf("manifest.json: %s", diff)
		}
		if diff := cmp.Diff(sorted(parse(t, meta)), sorted(parse(t, d.MetadataBytes()))); diff != "" {
			t.Errorf("metadata.json: %s", diff)
		}
	})
}

// redraft logs a version again from its metadata.json.
func redraft(want *Record, meta []byte) (*Draft, error) {
	v, err := ParseJSON(meta)
	if err != nil {
		return nil, err
	}
	o := v.(Object)
	used := []any{}
	for _, u := range want.Manifest.UsedArtifacts {
		used = append(used, u)
	}
	o.Set("used_artifacts", used)
	path := o.text("path")
	if !strings.HasPrefix(path, "/") && !IsURI(path) {
		// Ours refuses what only the writer's directory gives a meaning.
		o.Set("path", want.Manifest.Path)
	}
	r, err := ParseRequest(AppendJSON(nil, o, 2))
	if err != nil {
		return nil, err
	}
	resolved := want.Manifest.Path
	if r.Checkpoint() {
		resolved = ""
	}
	d, err := r.Draft(want.Manifest.Name, time.Now(), want.Manifest.Producer, resolved)
	if err == nil && r.Path != path {
		d.Metadata.Set("path", path)
	}
	return d, err
}

// sameBut compares two records but for the values that are not JSON: upstream
// writes them by str in one file and by pydantic in the other.
func sameBut(t *testing.T, want, got Object) {
	t.Helper()
	for _, o := range []Object{want, got} {
		m, _ := o.object("metadata")
		o.Set("metadata", slices.DeleteFunc(m, func(m Member) bool {
			return slices.Contains([]string{"nan", "inf", "when", "set", "bytes"}, m.Key)
		}))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("manifest.json: %s", diff)
	}
}

// sorted sorts the keys of the object at metadata.
func sorted(o Object) Object {
	m, _ := o.object("metadata")
	slices.SortFunc(m, func(a, b Member) int { return strings.Compare(a.Key, b.Key) })
	o.Set("metadata", m)
	return o
}
