package wandbtest_test

import (
	"crypto/md5"
	"encoding/hex"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"artifactfs.dev/artifactfs/wandb/wandbtest"
)

func start(t *testing.T, opts *wandbtest.Options) client {
	c := client{t, wandbtest.New(t, opts)}
	c.run("r1")
	return c
}

const resolve = `query($n: String!) { project(entityName: "team", name: "nemotron") { artifactCollectionMembership(name: $n) {
	versionIndex aliases { alias } artifactCollection { __typename name } artifact { id digest state size fileCount
	currentManifest { file { directUrl } } createdBy { __typename ... on Run { name } ... on User { username } } } } } }`

func (c client) resolve(name string) any {
	c.t.Helper()
	return at(c.must(resolve, object{"n": name}), "project", "artifactCollectionMembership")
}

func TestLogAndRead(t *testing.T) {
	c := start(t, nil)
	files := map[string]string{"a b é.txt": "text", "empty": "", "train/0.bin": strings.Repeat("x", 1000)}
	_, version := c.log("data", files, "prod")
	if version != "v0" {
		t.Errorf("first version is %s", version)
	}
	m := c.resolve("data:prod")
	want := object{"versionIndex": 0., "size": 1004., "fileCount": 3., "state": "COMMITTED", "by": "r1", "digest": manifestDigest(files)}
	got := object{"versionIndex": at(m, "versionIndex"), "size": at(m, "artifact", "size"), "fileCount": at(m, "artifact", "fileCount"),
		"state": at(m, "artifact", "state"), "by": at(m, "artifact", "createdBy", "name"), "digest": at(m, "artifact", "digest")}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("data:prod (-want +got):\n%s", diff)
	}
	data := c.must(`{ project(entityName: "team", name: "nemotron") { artifactCollection(name: "data") { artifactMembership(aliasName: "latest") {
		files(first: 5000) { edges { node { name directUrl sizeBytes } } } } } } }`, nil)
	list := at(data, "project", "artifactCollection", "artifactMembership", "files", "edges").([]any)
	if len(list) != len(files) {
		t.Fatalf("%d files, want %d", len(list), len(files))
	}
	for _, e := range list {
		name := at(e, "node", "name").(string)
		if status, text := c.send("GET", at(e, "node", "directUrl").(string), nil, ""); status != 200 || text != files[name] {
			t.Errorf("%s: status %d, %d bytes, want %d", name, status, len(text), len(files[name]))
		}
	}
	if status, text := c.send("GET", at(m, "artifact", "currentManifest", "file", "directUrl").(string), nil, ""); status != 200 || !strings.Contains(text, "train/0.bin") {
		t.Errorf("manifest: status %d: %s", status, text)
	}
}

func TestVersions(t *testing.T) {
	c := start(t, nil)
	first, _ := c.log("data", map[string]string{"a": "1", "b": "same"}, "best")
	if _, v := c.log("data", map[string]string{"a": "2", "b": "same"}); v != "v1" {
		t.Errorf("second version is %s", v)
	}
	if n := c.srv.Requests("PUT"); n != 5 { // a, b, manifest; a, manifest: b is stored already
		t.Errorf("%d uploads, want 5", n)
	}
	manifest := at(c.resolve("data:v1"), "artifact", "currentManifest", "file", "directUrl").(string)
	if _, text := c.send("GET", manifest, nil, ""); !strings.Contains(text, `"birthArtifactID":"`+first) {
		t.Errorf("what v0 stored was not born there: %s", text)
	}
	// The content of v0 again: its aliases go there, latest too.
	if id, v := c.log("data", map[string]string{"a": "1", "b": "same"}, "again"); id != first || v != "v0" {
		t.Errorf("the same content is %s %s, want %s v0", id, v, first)
	}
	for alias, want := range map[string]any{"latest": 0., "best": 0., "again": 0., "v1": 1.} {
		if got := at(c.resolve("data:"+alias), "versionIndex"); got != want {
			t.Errorf("data:%s is %v, want %v", alias, got, want)
		}
	}
	del := `mutation($id: ID!, $a: Boolean) { deleteArtifact(input: {artifactID: $id, deleteAliases: $a}) { artifact { state } } }`
	if _, errs, status := c.do(del, object{"id": first, "a": false}); status != 400 || errs == nil {
		t.Errorf("a version with aliases was deleted: status %d", status)
	}
	c.must(del, object{"id": first, "a": true})
	if c.resolve("data:v0") != nil || c.resolve("data:best") != nil {
		t.Error("a deleted version still resolves")
	}
	if _, v := c.log("data", map[string]string{"a": "1", "b": "same"}); v != "v2" {
		t.Errorf("the number of a deleted version was given again: %s", v)
	}
}

func TestPages(t *testing.T) {
	c := start(t, nil)
	for _, text := range []string{"0", "1", "2", "3", "4"} {
		if _, err := c.srv.Log(wandbtest.Version{Name: "data", Files: map[string][]byte{"f": []byte(text)}}); err != nil {
			t.Fatal(err)
		}
	}
	doc := `query($after: String) { project(entityName: "team", name: "nemotron") { artifactCollection(name: "data") {
		artifacts(first: 2, after: $after, filters: "{\"state\":\"COMMITTED\"}") { totalCount pageInfo { endCursor hasNextPage } edges { version } } } } }`
	var got []string
	var after any
	for range 3 {
		l := at(c.must(doc, object{"after": after}), "project", "artifactCollection", "artifacts")
		for _, e := range at(l, "edges").([]any) {
			got = append(got, at(e, "version").(string))
		}
		after = at(l, "pageInfo", "endCursor")
		if more := at(l, "pageInfo", "hasNextPage"); more != (len(got) < 5) {
			t.Errorf("after %d of 5, hasNextPage is %v", len(got), more)
		}
	}
	if want := []string{"v0", "v1", "v2", "v3", "v4"}; !slices.Equal(got, want) {
		t.Errorf("versions are %v, want %v", got, want)
	}
}

func TestLinkAndLineage(t *testing.T) {
	c := start(t, nil)
	id, _ := c.log("data", map[string]string{"a": "1"})
	c.run("r2")
	use := `mutation($i: UseArtifactInput!) { useArtifact(input: $i) { artifact { id } } }`
	input := object{"artifactID": id, "entityName": "team", "projectName": "nemotron", "runName": "r2"}
	c.must(use, object{"i": input})
	c.must(use, object{"i": input})
	data := c.must(`query($id: ID!) { artifact(id: $id) { usedBy { edges { node { name } } } } }`, object{"id": id})
	if got := nodes(at(data, "artifact", "usedBy", "edges"), "name"); !slices.Equal(got, []string{"r2"}) {
		t.Errorf("used by %v, want r2", got)
	}
	data = c.must(`{ project(entityName: "team", name: "nemotron") { run(name: "r2") { inputArtifacts { edges { node { id } } } } } }`, nil)
	if got := nodes(at(data, "project", "run", "inputArtifacts", "edges"), "id"); !slices.Equal(got, []string{id}) {
		t.Errorf("inputs %v, want %s", got, id)
	}
	c.must(`mutation($id: ID) { linkArtifact(input: {artifactID: $id, artifactPortfolioName: "best", entityName: "acme-org",
		projectName: "wandb-registry-model", aliases: [{artifactCollectionName: "best", alias: "gold"}]}) { versionIndex } }`, object{"id": id})
	data = c.must(`{ project(entityName: "acme-org", name: "wandb-registry-model") { artifactCollectionMembership(name: "best:gold") {
		artifactCollection { __typename } artifact { id artifactSequence { name } } } } }`, nil)
	m := at(data, "project", "artifactCollectionMembership")
	if at(m, "artifactCollection", "__typename") != "ArtifactPortfolio" || at(m, "artifact", "id") != id || at(m, "artifact", "artifactSequence", "name") != "data" {
		t.Errorf("best:gold is %v", m)
	}
	// A second one linked: latest is there now, and gold stays.
	next, _ := c.log("data", map[string]string{"a": "2"})
	c.must(`mutation($id: ID) { linkArtifact(input: {artifactID: $id, artifactPortfolioName: "best", entityName: "acme-org", projectName: "wandb-registry-model"}) { versionIndex } }`, object{"id": next})
	for alias, want := range map[string]string{"gold": id, "v0": id, "latest": next, "v1": next} {
		data = c.must(`query($n: String!) { project(entityName: "acme-org", name: "wandb-registry-model") { artifactCollectionMembership(name: $n) { artifact { id } } } }`, object{"n": "best:" + alias})
		if got := at(data, "project", "artifactCollectionMembership", "artifact", "id"); got != want {
			t.Errorf("best:%s is %v, want %s", alias, got, want)
		}
	}
}

// A commit is refused that would make a version which cannot be read, and a create that is sent
// again makes nothing new.
func TestCommit(t *testing.T) {
	c := start(t, nil)
	files := map[string]string{"a": "1"}
	input := c.input("data", "not the digest")
	input["clientID"] = "client1"
	id := at(c.must(createArtifact, object{"i": input}), "createArtifact", "artifact", "id").(string)
	if again := at(c.must(createArtifact, object{"i": input}), "createArtifact", "artifact", "id"); again != id {
		t.Errorf("the same client id made %s and then %v", id, again)
	}
	c.upload(id, files)
	if _, errs, status := c.do(commitArtifact, object{"id": id}); status != 400 || !strings.Contains(errs[0], "digest") {
		t.Errorf("a wrong digest: status %d, %q", status, errs)
	}
	// a's bytes were never stored.
	entry := b64md5([]byte("never stored"))
	text := `{"version":1,"storagePolicy":"wandb-storage-policy-v1","contents":{"a":{"digest":"` + entry + `"}}}`
	sum := md5.Sum([]byte("wandb-artifact-manifest-v1\na:" + entry + "\n"))
	id = at(c.must(createArtifact, object{"i": c.input("data", hex.EncodeToString(sum[:]))}), "createArtifact", "artifact", "id").(string)
	file := at(c.must(createManifest, object{"up": true, "i": object{"artifactID": id, "name": "wandb_manifest.json", "digest": b64md5([]byte(text)),
		"entityName": "team", "projectName": "nemotron", "runName": "r1"}}), "createArtifactManifest", "artifactManifest", "file")
	c.put(at(file, "uploadUrl").(string), at(file, "uploadHeaders"), text)
	if _, errs, status := c.do(commitArtifact, object{"id": id}); status != 400 || !strings.Contains(errs[0], "a has not been uploaded") {
		t.Errorf("a file that is not there: status %d, %q", status, errs)
	}
}

// What is refused, and how.
func TestRefusals(t *testing.T) {
	c := start(t, nil)
	id, _ := c.log("data", map[string]string{"a": "1"})
	pend := at(c.must(createArtifact, object{"i": c.input("data", manifestDigest(map[string]string{"a": "2"}))}), "createArtifact", "artifact", "id")
	if c.resolve("data:v1") != nil {
		t.Error("a pending version resolves")
	}
	c.must(`mutation($id: ID) { linkArtifact(input: {artifactID: $id, artifactPortfolioName: "links", entityName: "team", projectName: "nemotron"}) { versionIndex } }`, object{"id": id})
	other := c.input("data", "0")
	other["artifactTypeName"] = "model"
	for _, test := range []struct {
		what, doc string
		vars      object
		status    int
		words     string
	}{
		{"unknown field", `{ viewer { nothing } }`, nil, 200, `Cannot query field "nothing"`},
		{"unknown input", createArtifact, object{"i": object{"nothing": 1}}, 200, "nothing"},
		{"wrong type", commitArtifact, object{"id": object{}}, 200, "wrong type for ID"},
		{"no manifest", commitArtifact, object{"id": pend}, 400, "no manifest"},
		{"use of a pending one", `mutation($id: ID!) { useArtifact(input: {artifactID: $id, entityName: "team", projectName: "nemotron", runName: "r1"}) { run { id } } }`, object{"id": pend}, 400, "has not committed"},
		{"no run", `mutation($id: ID!) { useArtifact(input: {artifactID: $id, entityName: "team", projectName: "nemotron", runName: "none"}) { run { id } } }`, object{"id": id}, 404, "run team/nemotron/none not found"},
		{"another type", createArtifact, object{"i": other}, 400, "has type dataset"},
		{"a portfolio", createArtifact, object{"i": c.input("links", "0")}, 400, "is a portfolio"},
		{"no alias", resolve, object{"n": "data"}, 200, "expected 'name:alias'"},
	} {
		t.Run(test.what, func(t *testing.T) {
			c := client{t, c.srv}
			_, errs, status := c.do(test.doc, test.vars)
			if status != test.status || len(errs) == 0 || !strings.Contains(errs[0], test.words) {
				t.Errorf("status %d, errors %q; want %d, %q", status, errs, test.status, test.words)
			}
		})
	}
	c.srv.AddUser("eve", "", "evekey")
	key := c.srv.Key
	c.srv.Key = "evekey"
	if data := c.must(`query($id: ID!) { project(entityName: "team", name: "nemotron") { id } artifact(id: $id) { id } }`, object{"id": id}); data["project"] != nil || data["artifact"] != nil {
		t.Errorf("somebody else sees %v", data)
	}
	c.srv.Key = "wrong"
	if _, errs, status := c.do(`{ viewer { id } }`, nil); status != 401 || !slices.Equal(errs, []string{"permission denied"}) {
		t.Errorf("wrong key: status %d, errors %q", status, errs)
	}
	c.srv.Key = key
}

// Each kind of server starts, and has or has not what goes with a feature.
func TestFeatures(t *testing.T) {
	for _, test := range []struct {
		features           wandbtest.Features
		serverInfo, digest bool
	}{{wandbtest.Modern, true, false}, {wandbtest.XXH, true, true}, {wandbtest.Old, false, false}} {
		t.Run(string(test.features), func(t *testing.T) {
			c := start(t, &wandbtest.Options{Features: test.features})
			if _, errs, _ := c.do(`{ serverInfo { features { name } } }`, nil); (errs == nil) != test.serverInfo {
				t.Errorf("features: errors %q", errs)
			}
			if _, errs, _ := c.do(`{ artifact(id: "x") { digestAlgorithm } }`, nil); (errs == nil) != test.digest {
				t.Errorf("digestAlgorithm: errors %q", errs)
			}
			if _, v := c.log("data", map[string]string{"a": "1"}); v != "v0" {
				t.Errorf("logged %s", v)
			}
		})
	}
}
