package hfblob

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gocloud.dev/blob"

	"artifactfs.dev/artifactfs/internal/store/hfblob/hfhubtest"
)

func listOptions(prefix, delimiter string) *blob.ListOptions {
	return &blob.ListOptions{Prefix: prefix, Delimiter: delimiter}
}

// All pages of a listing are of the commit that was the latest at the first.
func TestListOfOneCommit(t *testing.T) {
	hub, r := newHub(t, &hfhubtest.Options{PageSize: 3})
	files := map[string]string{}
	for i := range 7 {
		files[fmt.Sprintf("m/v%d/manifest.json", i+5)] = "{}"
	}
	hub.Commit("models", "org/m", "main", "seven", files)
	n := 0
	got := list(t, r, "m/", "/", func() {
		n++
		hub.Commit("models", "org/m", "main", "more", map[string]string{fmt.Sprintf("m/v7%d/x", n): "x"})
	})
	want := []string{"m/v10/", "m/v11/", "m/v5/", "m/v6/", "m/v7/", "m/v8/", "m/v9/"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("list (-want +got):\n%s", diff)
	}
	requests := hub.Requests()
	if len(requests) != 4 { // one for the commit, three pages of the tree
		t.Errorf("a list of seven directories asked %q", requests)
	}
	for _, one := range requests {
		if strings.Contains(one, "/tree/") && !strings.Contains(one, "/tree/"+r.sha(t, hub, "seven")+"/m") {
			t.Errorf("a list by directory asked %s", one)
		}
	}
}

// sha returns the commit of a title.
func (r *Repo) sha(t *testing.T, hub *hfhubtest.Server, title string) string {
	t.Helper()
	var out []struct{ ID, Title string }
	if _, err := r.c.api(t.Context(), &request{method: "GET", url: r.api("commits", "main")}, &out); err != nil {
		t.Fatal(err)
	}
	for _, c := range out {
		if c.Title == title {
			return c.ID
		}
	}
	t.Fatalf("no commit %q", title)
	return ""
}

// Branches, pull requests and commits are listed and read as they are.
func TestRevisions(t *testing.T) {
	hub, r := newHub(t, nil)
	first := hub.Commit("models", "org/m", "main", "one", map[string]string{"f": "one"})
	hub.Branch("models", "org/m", "feature/x", first)
	hub.Branch("models", "org/m", "refs/pr/1", first)
	hub.Commit("models", "org/m", "refs/pr/1", "pr", map[string]string{"f": "pr"})
	hub.Commit("models", "org/m", "main", "two", map[string]string{"f": "two", "g": "two"})
	for _, c := range []struct {
		rev, f string
		files  int
	}{{"main", "two", 3}, {"feature/x", "one", 2}, {"refs/pr/1", "pr", 2}, {first, "one", 2}} {
		at := *r
		at.uri.Rev = c.rev
		wantRead(t, &at, "f", 0, -1, "", c.f)
		if got := list(t, &at, "", "", nil); len(got) != c.files {
			t.Errorf("%s has %q, want %d files", c.rev, got, c.files)
		}
	}
	pr := *r
	pr.uri.Rev = "refs/pr/1"
	if err := pr.Bucket().WriteAll(t.Context(), "h", []byte("h"), nil); err != nil {
		t.Fatal(err)
	}
	if hub.Files("models", "org/m", "refs/pr/1")["h"] != "h" || hub.Files("models", "org/m", "main")["h"] != "" {
		t.Error("a write to a pull request is not there, or elsewhere too")
	}
	then := *r
	then.uri.Rev = first
	if err := then.Bucket().WriteAll(t.Context(), "h", []byte("h"), nil); err == nil {
		t.Error("a commit could be written to")
	}
}

// A listing of many pages is fetched in parts by who bounds his calls, and goes on from
// where an error came.
func TestListInParts(t *testing.T) {
	hub, r := newHub(t, &hfhubtest.Options{PageSize: 10})
	files := map[string]string{}
	for i := range 95 {
		files[fmt.Sprintf("d/%02d", i)] = "x"
	}
	hub.Commit("models", "org/m", "main", "many", files)
	h, err := r.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	hub.Requests()
	part := 0
	for {
		l, err := r.tree(t.Context(), h, "d", false, 4)
		if err == nil {
			if len(l) != 95 || l[0].key != "d/00" || l[94].key != "d/94" {
				t.Errorf("the list has %d names, from %s", len(l), l[0].key)
			}
			break
		}
		if part++; !errors.Is(err, ErrMore) && part != 2 {
			t.Fatalf("part %d: %v", part, err)
		}
		hub.Mend()
		if part == 1 {
			hub.Fail(hfhubtest.Fault{Path: "/tree/", Status: 403})
		}
	}
	if n := count(hub, "/tree/"); part != 3 || n != 11 {
		t.Errorf("%d parts and %d requests, want 3 and 11", part, n)
	}
}
