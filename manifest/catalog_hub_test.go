package manifest_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"artifactfs.dev/artifactfs/internal/store/bucket"
	"artifactfs.dev/artifactfs/internal/store/hfblob/hfhubtest"
	"artifactfs.dev/artifactfs/manifest"
	"artifactfs.dev/artifactfs/resolver"
	"artifactfs.dev/artifactfs/resolver/sourcetest"
)

// testHub is a Hub with an empty repository, and its URI.
func testHub(t *testing.T, o *hfhubtest.Options) (*hfhubtest.Server, string) {
	t.Helper()
	hub := hfhubtest.New(o)
	t.Cleanup(hub.Close)
	hub.AddUser("me", "hf_me", "org")
	hub.CreateRepo("datasets", "org/store", &hfhubtest.RepoOptions{Private: true})
	t.Setenv("HF_TOKEN", "hf_me")
	t.Setenv("HF_HOME", t.TempDir())
	return hub, "hf://datasets/org/store/root?endpoint=" + hub.URL
}

// openBucket opens a bucket as a process of its own does: it shares nothing.
func openBucket(t testing.TB, uri string) *bucket.Bucket {
	t.Helper()
	u, err := bucket.Parse(uri)
	if err != nil {
		t.Fatal(err)
	}
	b, err := bucket.Open(t.Context(), u)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func TestCatalogHub(t *testing.T) {
	const ttl = 50 * time.Millisecond
	sourcetest.Run(t, func(t *testing.T) *sourcetest.Backend {
		hub, uri := testHub(t, &hfhubtest.Options{PageSize: 5})
		return &sourcetest.Backend{
			TTL: ttl,
			Open: func(t testing.TB) resolver.Source {
				return manifest.NewCatalog(openBucket(t, uri), &manifest.CatalogOptions{TTL: ttl})
			},
			Write: func(t testing.TB, path, content string) {
				if err := openBucket(t, uri).Write(t.Context(), path, []byte(content)); err != nil {
					t.Fatal(err)
				}
			},
			Break: func(testing.TB) func() {
				hub.Fail(hfhubtest.Fault{Status: http.StatusBadGateway, Times: 1 << 30})
				return hub.Mend
			},
		}
	})
}

// hubDraft is a version of m.
func hubDraft(path string) *manifest.Draft {
	return &manifest.Draft{
		Manifest: manifest.Manifest{Name: "m", Type: "Artifact", Path: path, CreatedAt: "2026-08-21T09:00:00+00:00", Producer: "local", Metadata: manifest.Object{}, Inputs: []string{}, UsedArtifacts: []string{}},
		Metadata: manifest.Object{{Key: "path", Value: path}},
	}
}

// Sixteen nodes log five versions each, while the Hub fails before and after commits:
// each version is one commit, all numbers are there, and each has its own record.
func TestCatalogHubWriters(t *testing.T) {
	const nodes, logs = 16, 5
	hub, uri := testHub(t, nil)
	for range 8 {
		hub.Fail(hfhubtest.Fault{Method: "POST", Path: "/commit/", Status: 500, Landed: true})
		hub.Fail(hfhubtest.Fault{Method: "POST", Path: "/commit/", Status: 503})
		hub.Fail(hfhubtest.Fault{Method: "POST", Path: "/commit/", Reset: true, Landed: true})
	}
	var mu sync.Mutex
	got := map[int]string{}
	var wg sync.WaitGroup
	for i := range nodes {
		c := manifest.NewCatalog(openBucket(t, uri), nil)
		wg.Go(func() {
			for j := range logs {
				path := fmt.Sprintf("/data/%d/%d", i, j)
				v, err := c.Publish(t.Context(), "m", hubDraft(path))
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				if was, ok := got[v]; ok {
					t.Errorf("v%d is %s and %s", v, was, path)
				}
				got[v] = path
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	files := hub.Files("datasets", "org/store", "main")
	for v := 1; v <= nodes*logs; v++ {
		var rec struct{ Path string }
		if err := json.Unmarshal([]byte(files[fmt.Sprintf("root/m/v%d/manifest.json", v)]), &rec); err != nil || rec.Path != got[v] {
			t.Errorf("v%d has the path %q, %v; its writer logged %q", v, rec.Path, err, got[v])
		}
	}
	if files["root/m/latest"] != fmt.Sprint("v", nodes*logs) {
		t.Errorf("latest is %s", files["root/m/latest"])
	}
	titles := hub.Titles("datasets", "org/store", "main")
	if len(titles) != nodes*logs+1 || titles[0] != fmt.Sprint("artifact: m v", nodes*logs) {
		t.Errorf("%d commits, the last %q; want one for each of %d versions", len(titles)-1, titles[0], nodes*logs)
	}
}

// What each operation asks of the Hub.
func TestCatalogHubRequests(t *testing.T) {
	hub, uri := testHub(t, nil)
	c, other := manifest.NewCatalog(openBucket(t, uri), &manifest.CatalogOptions{TTL: time.Hour}), manifest.NewCatalog(openBucket(t, uri), nil)
	log := func(c *manifest.Catalog, name string) func() error {
		return func() error { _, err := c.Publish(t.Context(), name, hubDraft("/data")); return err }
	}
	versions := func(name string, want int) func() error {
		return func() error {
			l, err := c.Versions(t.Context(), name)
			if err == nil && len(l.Versions) != want {
				err = fmt.Errorf("%s has the versions %v, want %d", name, l.Versions, want)
			}
			return err
		}
	}
	names := func() error { _, err := c.Names(t.Context(), ""); return err }
	wait := func() error { c.SetTTL(time.Nanosecond); return nil } // until a TTL is over
	for _, step := range []struct {
		name string
		do   func() error
		most int
	}{
		{"log, and a look for the older index", log(c, "m"), 6},
		{"log another", log(c, "n"), 5},
		{"first listing", versions("m", 1), 11},
		{"of another, at the same commit", versions("n", 1), 10},
		{"names, at the same commit", names, 1},
		{"within the TTL", versions("m", 1), 0},
		{"another node logs", log(other, "n"), 6},
		{"", wait, 0},
		{"what has not changed", versions("m", 1), 2},
		{"what has", versions("n", 2), 11},
		{"nothing new", versions("n", 2), 1},
		{"names, nothing new", func() error { return errors.Join(names(), names()) }, 3},
		{"record that is known", func() error { _, err := c.Manifest(t.Context(), "m", 1); return err }, 0},
	} {
		hub.Requests()
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if asked := hub.Requests(); len(asked) > step.most {
			t.Errorf("%s asks %d times, at most %d are needed:\n%s", step.name, len(asked), step.most, strings.Join(asked, "\n"))
		} else {
			t.Logf("%s: %d requests\n%s", step.name, len(asked), strings.Join(asked, "\n"))
		}
	}
}

// A job's pins are no commits: the next place has them, and the Hub is not asked.
func TestCatalogHubPins(t *testing.T) {
	hub, uri := testHub(t, nil)
	p := manifest.NewCatalog(openBucket(t, uri), nil).Pins()
	_, err := p.Pinned(t.Context(), "1000.eos.slurm-1", "m", manifest.Latest)
	if !errors.Is(err, errors.ErrUnsupported) || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Pinned: %v", err)
	}
	if _, err := p.Pin(t.Context(), "1000.eos.slurm-1", "m", manifest.Latest, manifest.Target{Version: 1}); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Pin: %v", err)
	}
	if ids, err := p.Snapshots(t.Context()); err != nil || len(ids) != 0 {
		t.Errorf("Snapshots = %q, %v", ids, err)
	}
	if asked := hub.Requests(); len(asked) != 0 {
		t.Errorf("the Hub was asked %q", asked)
	}
}

// huggingface_hub reads what artifactfs logged, byte for byte, and artifactfs what it
// wrote as upstream's tracker does: three files in one commit.
func TestCatalogHubClient(t *testing.T) {
	hub, uri := testHub(t, nil)
	c := manifest.NewCatalog(openBucket(t, uri), &manifest.CatalogOptions{TTL: time.Nanosecond})
	if v, err := c.Publish(t.Context(), "m", hubDraft("/data/1")); err != nil || v != 1 {
		t.Fatalf("Publish = v%d, %v", v, err)
	}
	var files map[string]string
	if err := json.Unmarshal(hub.Python(t, t.TempDir(), "hf_me", "testdata/hub.py", "org/store", "root"), &files); err != nil {
		t.Fatal(err)
	}
	d := hubDraft("/data/1")
	for path, want := range map[string]string{
		"root/m/v1/manifest.json": string(d.ManifestBytes(1)), "root/m/v1/metadata.json": string(d.MetadataBytes()), "root/m/latest": "v1",
	} {
		if files[path] != want {
			t.Errorf("huggingface_hub reads %s as %q, want %q", path, files[path], want)
		}
	}
	l, err := c.Versions(t.Context(), "m")
	if err != nil || l.Latest != 2 || len(l.Versions) != 2 {
		t.Fatalf("after huggingface_hub logged v2: %+v, %v", l, err)
	}
	rec, err := c.Manifest(t.Context(), "m", 2)
	if err != nil || rec.Manifest.Path != "/data/py" {
		t.Errorf("v2 is %+v, %v", rec, err)
	}
	if v, err := c.Publish(t.Context(), "m", hubDraft("/data/3")); err != nil || v != 3 {
		t.Errorf("Publish = v%d, %v; want v3", v, err)
	}
}
