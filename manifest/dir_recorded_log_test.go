package manifest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"artifactfs.dev/artifactfs/manifest"
	"artifactfs.dev/artifactfs/manifest/manifesttest"
	"github.com/google/go-cmp/cmp"
)

// fixedLog is what a case with a fix leaves behind instead: files to find, by
// their text; "" is refused.
var fixedLog = map[string]map[string]string{
	"log/superscript-directory":        {"n/latest": "v2", "n/v2/manifest.json": "n 2 /data/lustre/ck 1"},
	"log/arabic-directory":             {"n/latest": "v2", "n/v2/manifest.json": "n 2 /data/lustre/ck 1"},
	"log/latest-is-symlink-to-version": {"n/latest": "v2", "n/v1/manifest.json": "n 1 /data/lustre/d/n/1 None", "n/v2/manifest.json": "n 2 /data/lustre/ck 1"},
	"log/latest-is-directory":          {"n/latest": "v2", "n/v1/manifest.json": "n 1 /data/lustre/d/n/1 None", "n/v2/manifest.json": "n 2 /data/lustre/ck 1"},
	// A trailing slash and an absolute name are no names (94, 74).
	"log/name-trailing-slash": nil,
	"log/name-absolute":       nil,
}

// Rows 17–20, 28, 70, 73–75, 78, 84, 94: what a log leaves in the store.
func TestRecordedLog(t *testing.T) {
	for _, c := range manifesttest.Cases(t, "log") {
		t.Run(c.Test(), func(t *testing.T) {
			dir := t.TempDir()
			c.Lay(t, dir)
			var want map[string]any
			if r, ok := c.Result.(map[string]any); ok {
				want, _ = r["tree"].(map[string]any)
			}
			err := logCase(t, c, open(t, dir+"/root", nil), want)
			whole := c.Input["whole"] == true
			got := treeOf(t, dir+"/root", whole)
			fixed, isFixed := fixedLog[c.Name]
			if c.Error != "" && !isFixed || c.Fix == "refused" || isFixed && fixed == nil {
				if err == nil {
					t.Errorf("logged; upstream: %s%s", c.Error, c.Fix)
				}
				if _, err := os.Lstat(dir + "/escaped"); err == nil {
					t.Error("the log left the store")
				}
				return
			}
			ok(t, err)
			if isFixed {
				for path, text := range fixed {
					if got[path] != text {
						t.Errorf("%s is %v; want %s", path, got[path], text)
					}
				}
				for path := range got {
					if strings.Contains(path, "v1/.latest") {
						t.Errorf("%s landed in a version", path)
					}
				}
				return
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("the tree differs from upstream's (-) by (+):\n%s", d)
			}
		})
	}
}

// logCase logs as the case did, at the time that it did.
func logCase(t *testing.T, c manifesttest.Case, d *manifest.Dir, want map[string]any) error {
	t.Helper()
	name, path := "n", "/data/lustre/ck"
	if v, given := c.Input["name"]; given {
		name = v.(string)
	}
	if v, given := c.Input["path"]; given {
		path = v.(string)
	}
	iterations, _ := c.Input["iterations"].([]any)
	if iterations == nil {
		iterations = []any{json.Number("1")}
	}
	producer, given := c.Env["NEMO_EXPERIMENT_ID"]
	if !given {
		producer = "local"
	}
	for i, n := range iterations {
		iteration := manifest.Number(fmt.Sprint(n))
		metadata := manifest.Object{{Key: "iteration", Value: iteration}, {Key: "absolute_path", Value: path}}
		created := "t"
		if text, ok := want[fmt.Sprintf("%s/v%d/manifest.json", name, i+1)].(string); ok {
			if m, err := manifest.ParseManifest([]byte(text)); err == nil {
				created = m.CreatedAt
			}
		}
		_, err := d.Publish(context.Background(), name, &manifest.Draft{
			Manifest: manifest.Manifest{
				Name: name, Type: "model", Path: path, CreatedAt: created, Producer: producer, Metadata: metadata,
			},
			Metadata: manifest.Object{
				{Key: "path", Value: path}, {Key: "type", Value: "model"}, {Key: "created_at", Value: created},
				{Key: "iteration", Value: iteration}, {Key: "absolute_path", Value: path}, {Key: "metadata", Value: metadata},
			},
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// treeOf describes a root as the cases do; .artifactfs is ours.
func treeOf(t *testing.T, root string, whole bool) map[string]any {
	t.Helper()
	out := make(map[string]any)
	ok(t, filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		rel := strings.TrimPrefix(path, root+"/")
		switch {
		case err != nil || path == root:
			return err
		case rel == ".artifactfs":
			return fs.SkipDir
		case e.IsDir():
			list, err := os.ReadDir(path)
			if len(list) == 0 {
				out[rel] = map[string]any{"dir": true}
			}
			return err
		case e.Type()&fs.ModeSymlink != 0:
			target, err := os.Readlink(path)
			out[rel] = map[string]any{"link": target}
			if e.Name() != "latest" {
				out[rel] = target
			}
			return err
		}
		b, err := os.ReadFile(path)
		switch {
		case whole:
			out[rel] = string(b)
		case e.Name() == "metadata.json":
		case e.Name() == "manifest.json":
			m, err := manifest.ParseManifest(b)
			ok(t, err)
			iteration := "None"
			if v, ok := m.Metadata.Get("iteration"); ok {
				iteration = fmt.Sprint(v)
			}
			out[rel] = fmt.Sprintf("%s %d %s %s", m.Name, m.Version, m.Path, iteration)
		default:
			out[rel] = string(b)
		}
		return err
	}))
	return out
}

// Row 72: upstream gives two of three simultaneous writers one number.
func TestRecordedRace(t *testing.T) {
	for _, c := range manifesttest.Cases(t, "race") {
		t.Run(c.Test(), func(t *testing.T) {
			root := t.TempDir()
			var writers int
			fmt.Sscan(fmt.Sprint(c.Input["writers"]), &writers)
			var wg sync.WaitGroup
			for w := range writers {
				d := open(t, root, nil) // as processes are: nothing shared
				wg.Go(func() {
					_, err := d.Publish(context.Background(), "n", &manifest.Draft{Manifest: manifest.Manifest{Path: fmt.Sprintf("/%d", w)}})
					if err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			l, err := open(t, root, nil).Versions(context.Background(), "n")
			if err != nil || len(l.Versions) != writers || l.Latest != writers {
				t.Errorf("%+v, %v; want %d versions", l, err, writers)
			}
		})
	}
}
