package wandbtest_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"artifactfs.dev/artifactfs/wandb/wandbtest"
)

// A server on a state directory has what the last one there had, as if it had never ended.
func TestState(t *testing.T) {
	opts := &wandbtest.Options{Key: "secret", State: t.TempDir()}
	first, err := wandbtest.Start(opts)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	c := client{t, first}
	first.Advance(24 * time.Hour)
	c.run("r1")
	c.log("data", map[string]string{"a": "1", "b": "same"}, "best")
	id, _ := c.log("data", map[string]string{"a": "2", "b": "same"})
	c.must(`mutation($id: ID!) { addAliases(input: {artifactID: $id, aliases: [{entityName: "team", projectName: "nemotron", artifactCollectionName: "data", alias: "best"}]}) { success } }`, object{"id": id})
	req, _ := http.NewRequest("POST", first.URL+"/files/team/nemotron/r1/file_stream", strings.NewReader(`{"complete": true, "exitcode": 3}`))
	req.SetBasicAuth("api", "secret")
	if res, err := http.DefaultClient.Do(req); err != nil || res.StatusCode != 200 {
		t.Fatal(res, err)
	}
	made := `{ project(entityName: "team", name: "nemotron") { createdAt artifactCollection(name: "data") { createdAt } } }`
	times := c.must(made, nil)
	want := first.Versions("team", "nemotron", "data")
	first.Close()
	f, err := os.OpenFile(filepath.Join(opts.State, "journal.jsonl"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.WriteString(`{"Time": "20`) // a server that was killed
	f.Close()

	for range 2 {
		srv := wandbtest.New(t, opts)
		c := client{t, srv}
		if diff := cmp.Diff(want, srv.Versions("team", "nemotron", "data")); diff != "" {
			t.Errorf("versions (-before +after):\n%s", diff)
		}
		if diff := cmp.Diff(times, c.must(made, nil)); diff != "" {
			t.Errorf("times (-before +after):\n%s", diff)
		}
		if r, err := srv.Run("team", "nemotron", "r1"); err != nil || r.State != "failed" || r.ExitCode != 3 {
			t.Errorf("run is %+v, %v", r, err)
		}
		if status, _ := c.send("GET", c.fileURL(), nil, ""); status != 200 {
			t.Errorf("a file of data:latest: status %d", status)
		}
		if _, v := c.log("data", map[string]string{"a": "1", "b": "same"}); v != "v0" {
			t.Errorf("the content of v0 became %s", v)
		}
		want = srv.Versions("team", "nemotron", "data")
		srv.Close()
	}
	if _, err := wandbtest.Start(&wandbtest.Options{Key: "other", State: opts.State}); err == nil || !strings.Contains(err.Error(), "another key") {
		t.Errorf("with another key: %v", err)
	}
}
