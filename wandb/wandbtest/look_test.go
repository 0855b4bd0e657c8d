package wandbtest_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"artifactfs.dev/artifactfs/wandb/wandbtest"
)

func TestLook(t *testing.T) {
	c := start(t, nil)
	srv := c.srv
	first, err := srv.Log(wandbtest.Version{Name: "data", Run: "r1", Metadata: object{"n": 1}, Aliases: []string{"best"},
		Refs: []wandbtest.Ref{{Name: "out/a", URI: "file:///data/a", Size: 7}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := srv.Log(wandbtest.Version{Name: "data", Files: map[string][]byte{"f": []byte("hello")}}); err != nil {
		t.Fatal(err)
	}
	c.must(createArtifact, object{"i": c.input("data", "0")})
	if _, err := srv.Exec(`mutation($id: ID!) { useArtifact(input: {artifactID: $id, entityName: "team", projectName: "nemotron", runName: "r1"}) { run { id } } }`,
		object{"id": first.ID}); err != nil {
		t.Error(err)
	}
	want := []wandbtest.Stored{
		{ID: first.ID, State: "COMMITTED", Digest: first.Digest, Type: "dataset", Metadata: `{"n":1}`, Index: 0, Aliases: []string{"best"},
			LoggedBy: "r1", UsedBy: []string{"r1"}, Entries: []wandbtest.Entry{{Name: "out/a", URI: "file:///data/a", Size: 7}}},
		{State: "COMMITTED", Type: "dataset", Index: 1, Aliases: []string{"latest"}, Entries: []wandbtest.Entry{{Name: "f", Digest: "XUFAKrxLKna5cZ2REBfFkg==", Size: 5}}},
		{State: "PENDING", Digest: "0", Type: "dataset", Index: -1, LoggedBy: "r1"},
	}
	got := srv.Versions("team", "nemotron", "data")
	if diff := cmp.Diff(want, got, cmp.FilterPath(func(p cmp.Path) bool {
		return p.Last().String() == ".ID" || p.Last().String() == ".Digest"
	}, cmp.FilterValues(func(a, b string) bool { return a == "" || b == "" }, cmp.Ignore())), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("versions (-want +got):\n%s", diff)
	}
	if _, err := srv.Exec(`{ nothing }`, nil); err == nil || !strings.Contains(err.Error(), "nothing") {
		t.Errorf("a document that is not valid: %v", err)
	}
}

func TestRunEnds(t *testing.T) {
	c := start(t, nil)
	for _, step := range []struct {
		body, state string
		code        int
	}{
		{`{"files": {"wandb-history.jsonl": {"offset": 0, "content": ["{}"]}}}`, "running", 0},
		{`{"complete": true, "exitcode": 0}`, "finished", 0},
		{`{"dropped": 0}`, "running", 0}, // traffic brings a finished run back
		{`{"complete": true, "exitcode": 3}`, "failed", 3},
	} {
		req, _ := http.NewRequest("POST", c.srv.URL+"/files/team/nemotron/r1/file_stream", strings.NewReader(step.body))
		req.SetBasicAuth("api", c.srv.Key)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		r, err := c.srv.Run("team", "nemotron", "r1")
		if err != nil || res.StatusCode != 200 || r.State != step.state || r.ExitCode != step.code {
			t.Errorf("after %s: status %d, run %+v, %v; want %s %d", step.body, res.StatusCode, r, err, step.state, step.code)
		}
	}
}

func TestTTL(t *testing.T) {
	c := start(t, nil)
	id, _ := c.log("data", map[string]string{"a": "1"})
	c.must(`mutation($id: ID!) { updateArtifact(input: {artifactID: $id, ttlDurationSeconds: 3600}) { artifact { ttlDurationSeconds ttlIsInherited } } }`, object{"id": id})
	c.srv.Advance(59 * time.Minute)
	if c.resolve("data:v0") == nil {
		t.Error("the version is gone before its time")
	}
	c.srv.Advance(2 * time.Minute)
	if c.resolve("data:v0") != nil || c.resolve("data:latest") != nil {
		t.Error("the version is there after its time")
	}
}

// A batch of files may be large, and so may a version.
func TestManyFiles(t *testing.T) {
	c := start(t, nil)
	files := map[string]string{}
	for i := range 1200 {
		files[fmt.Sprintf("d%d/f%04d", i%7, i)] = fmt.Sprint(i % 50) // of few contents, so that there are few uploads
	}
	if _, v := c.log("data", files); v != "v0" {
		t.Fatalf("logged %s", v)
	}
	doc := `query($after: String) { project(entityName: "team", name: "nemotron") { artifactCollection(name: "data") { artifactMembership(aliasName: "v0") {
		files(first: 500, after: $after) { pageInfo { endCursor hasNextPage } edges { node { name } } } } } } }`
	seen := map[string]bool{}
	var after any
	for more := true; more; {
		l := at(c.must(doc, object{"after": after}), "project", "artifactCollection", "artifactMembership", "files")
		for _, n := range nodes(at(l, "edges"), "name") {
			seen[n] = true
		}
		after, more = at(l, "pageInfo", "endCursor"), at(l, "pageInfo", "hasNextPage").(bool)
	}
	if len(seen) != len(files) {
		t.Errorf("%d files are listed, want %d", len(seen), len(files))
	}
	byEntry := `query($id: ID!, $e: [ArtifactManifestEntryInput!]) { artifact(id: $id) { filesByManifestEntries(entries: $e, storageLayout: "V2", manifestVersion: "1") {
		edges { node { name directUrl } } } } }`
	id := at(c.resolve("data:v0"), "artifact", "id")
	data := c.must(byEntry, object{"id": id, "e": []any{object{"name": "d1/f0001", "digest": b64md5([]byte("1"))}}})
	if status, body := c.send("GET", at(data, "artifact", "filesByManifestEntries", "edges", 0, "node", "directUrl").(string), nil, ""); status != 200 || body != "1" {
		t.Errorf("d1/f0001: %d %q", status, body)
	}
	if _, errs, status := c.do(byEntry, object{"id": id, "e": []any{object{"name": "d1/f0001", "digest": b64md5([]byte("2"))}}}); status != 404 {
		t.Errorf("d1/f0001 with another digest: status %d, %q", status, errs)
	}
}

// The base URL may have a path, which blobs do not have.
func TestPath(t *testing.T) {
	c := start(t, &wandbtest.Options{Path: "/some/wandb/"})
	if !strings.HasSuffix(c.srv.URL, "/some/wandb") {
		t.Errorf("base URL is %s", c.srv.URL)
	}
	if _, v := c.log("data", map[string]string{"a": "1"}); v != "v0" {
		t.Errorf("logged %s", v)
	}
	res, err := http.Post(strings.TrimSuffix(c.srv.URL, "/some/wandb")+"/graphql", "application/json", strings.NewReader("{}"))
	if err != nil || res.StatusCode != 404 {
		t.Errorf("the API without its path: %v %v", res, err)
	}
}
