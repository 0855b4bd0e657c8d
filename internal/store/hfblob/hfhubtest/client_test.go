package hfhubtest_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"artifactfs.dev/artifactfs/internal/store/hfblob/hfhubtest"
)

// The Hub's own client takes the server for the Hub.
func TestClient(t *testing.T) {
	s := hfhubtest.New(&hfhubtest.Options{PageSize: 3})
	defer s.Close()
	s.AddUser("me", "hf_me", "org")
	s.CreateRepo("models", "other/gated", &hfhubtest.RepoOptions{Gated: true})
	var seen map[string]any
	if err := json.Unmarshal(s.Python(t, t.TempDir(), "hf_me", "testdata/client.py"), &seen); err != nil {
		t.Fatal(err)
	}
	tree := seen["tree"].(map[string]any)
	delete(seen, "tree")
	want := map[string]any{
		"url": s.URL + "/datasets/org/py", "again": "HfHubHTTPError 409", "stale": "HfHubHTTPError 412", "sha": true,
		"commits": []any{"gone", "artifact: m v1", "initial commit"}, "dirs": []any{"v1", "v10"}, "below": []any{"v10/a b#c?.txt"},
		"info": []any{"v1", "v1/manifest.json"}, "large": true, "odd": "odd", "range": true,
		"errors": []any{"RemoteEntryNotFoundError 404", "RevisionNotFoundError 404", "RepositoryNotFoundError 404", "RepositoryNotFoundError 401", "GatedRepoError 403"},
		"refs":   []any{"refs/heads/main"}, "pr": "refs/pr/1", "in pr": true,
	}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Errorf("huggingface_hub saw (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]any{13.0, "f875116269d33da0274ffaba7efe9d2c08ee54d4", "", "artifact: m v1"}, tree["v1/manifest.json"]); diff != "" {
		t.Errorf("a regular file (-want +got):\n%s", diff)
	}
	if w := tree["v1/weights.bin"].([]any); w[0] != 262144.0 || len(w[2].(string)) != 64 {
		t.Errorf("a file in LFS is %v", w)
	}
	var paths []string
	for p, text := range s.Files("datasets", "org/py", "main") {
		if _, ok := tree[p]; !ok {
			t.Errorf("huggingface_hub does not list %s of %d bytes", p, len(text))
		}
		paths = append(paths, p)
	}
	if slices.Sort(paths); strings.Join(paths, " ") != ".gitattributes v1/manifest.json v1/weights.bin v10/a b#c?.txt" || len(tree) != 4 {
		t.Errorf("the server has %q, huggingface_hub sees %v", paths, tree)
	}
}
