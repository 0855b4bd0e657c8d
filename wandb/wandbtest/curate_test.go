package wandbtest_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"artifactfs.dev/artifactfs/wandb/wandbtest"
)

// collections lists the names of a project's collections.
func (c client) collections(entity, project string) []string {
	c.t.Helper()
	data := c.must(`query($e: String, $p: String) { project(entityName: $e, name: $p) { artifactCollections { edges { node { name } } } } }`, object{"e": entity, "p": project})
	return nodes(at(data, "project", "artifactCollections", "edges"), "name")
}

func TestCollections(t *testing.T) {
	c := start(t, nil)
	for _, name := range []string{"data", "other"} {
		c.log(name, map[string]string{"a": name})
	}
	id := at(c.must(`{ project(entityName: "team", name: "nemotron") { artifactCollection(name: "DATA") { id } } }`, nil), "project", "artifactCollection", "id")
	rename := `mutation($id: ID!, $n: String) { updateArtifactSequence(input: {artifactSequenceID: $id, name: $n, description: "words"}) { artifactCollection { name description } } }`
	if _, _, status := c.do(rename, object{"id": id, "n": "other"}); status != 409 {
		t.Errorf("renamed to a name that is taken: status %d", status)
	}
	c.must(rename, object{"id": id, "n": "renamed"})
	if c.resolve("renamed:v0") == nil || c.resolve("data:v0") != nil {
		t.Error("a renamed collection is not where it should be")
	}
	c.must(`mutation($id: ID!) { moveArtifactSequence(input: {artifactSequenceID: $id, destinationArtifactTypeName: "model"}) { artifactCollection { defaultArtifactType { name } } } }`, object{"id": id})
	data := c.must(`{ project(entityName: "team", name: "nemotron") {
		artifactTypes { edges { node { name } } }
		artifactType(name: "model") { artifactCollections { edges { node { name } } } } } }`, nil)
	if types := nodes(at(data, "project", "artifactTypes", "edges"), "name"); !slices.Equal(types, []string{"dataset", "model"}) {
		t.Errorf("types are %v", types)
	}
	if models := nodes(at(data, "project", "artifactType", "artifactCollections", "edges"), "name"); !slices.Equal(models, []string{"renamed"}) {
		t.Errorf("models are %v", models)
	}
	tags := object{"entityName": "team", "projectName": "nemotron", "artifactCollectionName": "renamed", "tags": []any{object{"tagName": "x"}, object{"tagName": "y"}}}
	c.must(`mutation($i: CreateArtifactCollectionTagAssignmentsInput!) { createArtifactCollectionTagAssignments(input: $i) { tags { name } } }`, object{"i": tags})
	tags["tags"] = []any{object{"tagName": "x"}}
	c.must(`mutation($i: DeleteArtifactCollectionTagAssignmentsInput!) { deleteArtifactCollectionTagAssignments(input: $i) { success } }`, object{"i": tags})
	data = c.must(`query($id: ID!) { artifactCollection(id: $id) { tags { edges { node { name } } } } }`, object{"id": id})
	if left := nodes(at(data, "artifactCollection", "tags", "edges"), "name"); !slices.Equal(left, []string{"y"}) {
		t.Errorf("tags are %v", left)
	}
	c.must(`mutation($id: ID!) { deleteArtifactSequence(input: {artifactSequenceID: $id}) { artifactCollection { state } } }`, object{"id": id})
	if got := c.collections("team", "nemotron"); !slices.Equal(got, []string{"other"}) || c.resolve("renamed:v0") != nil {
		t.Errorf("after one was deleted, collections are %v", got)
	}
}

func TestRegistries(t *testing.T) {
	c := start(t, nil)
	id, _ := c.log("data", map[string]string{"a": "1"})
	link := `mutation($id: ID, $p: String) { linkArtifact(input: {artifactID: $id, artifactPortfolioName: "best", entityName: "acme-org", projectName: $p}) {
		artifactMembership { artifactCollection { id } } } }`
	if _, _, status := c.do(link, object{"id": id, "p": "wandb-registry-new"}); status != 404 {
		t.Errorf("linked to a registry that is not there: status %d", status)
	}
	c.must(`mutation { upsertModel(input: {entityName: "acme-org", name: "wandb-registry-new"}) { inserted } }`, nil)
	best := at(c.must(link, object{"id": id, "p": "wandb-registry-new"}), "linkArtifact", "artifactMembership", "artifactCollection", "id")
	data := c.must(`{ entity(name: "acme-org") { artifactCollections(collectionTypes: [PORTFOLIO]) { edges { node { name } } } artifactMemberships { edges { node { versionIndex } } } } }`, nil)
	if got := nodes(at(data, "entity", "artifactCollections", "edges"), "name"); !slices.Equal(got, []string{"best"}) {
		t.Errorf("registries hold %v", got)
	}
	if got := nodes(at(data, "entity", "artifactMemberships", "edges"), "versionIndex"); !slices.Equal(got, []string{"0"}) {
		t.Errorf("memberships are %v", got)
	}
	c.must(`mutation($a: ID!, $p: ID!) { unlinkArtifact(input: {artifactID: $a, artifactPortfolioID: $p}) { success } }`, object{"a": id, "p": best})
	if data := c.must(`{ project(entityName: "acme-org", name: "wandb-registry-new") { artifactCollectionMembership(name: "best:v0") { id } } }`, nil); at(data, "project", "artifactCollectionMembership") != nil {
		t.Error("an unlinked version is still there")
	}
	if c.resolve("data:v0") == nil {
		t.Error("unlinking took the version from its sequence")
	}
}

// Tags, description and metadata change without a new version; TTL is tested elsewhere.
func TestUpdate(t *testing.T) {
	c := start(t, nil)
	id, _ := c.log("data", map[string]string{"a": "1"}, "old")
	update := `mutation($i: UpdateArtifactInput!) { updateArtifact(input: $i) { artifact { description metadata tags { name } aliases { alias } versionIndex } } }`
	c.must(update, object{"i": object{"artifactID": id, "metadata": `{"n": 1}`, "tagsToAdd": []any{object{"tagName": "x"}, object{"tagName": "y"}}}})
	a := at(c.must(update, object{"i": object{"artifactID": id, "description": "words", "tagsToDelete": []any{object{"tagName": "x"}},
		"aliases": []any{object{"artifactCollectionName": "data", "alias": "new"}}}}), "updateArtifact", "artifact")
	got, _ := json.Marshal(a)
	if want := `{"aliases":[{"alias":"new"}],"description":"words","metadata":"{\"n\": 1}","tags":[{"name":"y"}],"versionIndex":0}`; string(got) != want {
		t.Errorf("after two updates %s, want %s", got, want)
	}
	if _, errs, _ := c.do(update, object{"i": object{"artifactID": id, "metadata": "no JSON"}}); errs == nil {
		t.Error("metadata that is no JSON was taken")
	}
	c.must(`mutation($i: DeleteAliasesInput!) { deleteAliases(input: $i) { success } }`, object{"i": object{"artifactID": id,
		"aliases": []any{object{"entityName": "team", "projectName": "nemotron", "artifactCollectionName": "data", "alias": "new"}}}})
	if c.resolve("data:new") != nil || c.resolve("data:v0") == nil {
		t.Error("an alias was not deleted, or more than an alias")
	}
}

// An incremental manifest holds what is new: the version has that and what its base has.
func TestIncremental(t *testing.T) {
	c := start(t, nil)
	base, _ := c.log("data", map[string]string{"kept": "1", "changed": "1"})
	a := at(c.must(createArtifact, object{"i": c.input("data", "of the new entries only")}), "createArtifact", "artifact")
	id := at(a, "id").(string)
	if at(a, "artifactSequence", "latestArtifact", "id") != base {
		t.Errorf("latestArtifact is %v, want %s", at(a, "artifactSequence", "latestArtifact", "id"), base)
	}
	manifest := at(c.must(createManifest, object{"up": false, "i": object{"artifactID": id, "baseArtifactID": base, "name": "wandb_manifest.incremental.json", "digest": "",
		"entityName": "team", "projectName": "nemotron", "runName": "r1", "type": "INCREMENTAL"}}), "createArtifactManifest", "artifactManifest", "id")
	contents := object{}
	for name, text := range map[string]string{"changed": "2", "new": "3"} {
		node := at(c.must(createFiles, object{"f": []any{object{"artifactID": id, "name": name, "md5": b64md5([]byte(text))}}}), "createArtifactFiles", "files", "edges", 0, "node")
		c.put(at(node, "uploadUrl").(string), at(node, "uploadHeaders"), text)
		contents[name] = object{"digest": b64md5([]byte(text)), "size": 1, "birthArtifactID": id}
	}
	text, _ := json.Marshal(object{"version": 1, "storagePolicy": "wandb-storage-policy-v1", "storagePolicyConfig": object{"storageLayout": "V2"}, "contents": contents})
	file := at(c.must(`mutation($id: ID!, $d: String) { updateArtifactManifest(input: {artifactManifestID: $id, digest: $d}) { artifactManifest { file { uploadUrl uploadHeaders } } } }`,
		object{"id": manifest, "d": b64md5(text)}), "updateArtifactManifest", "artifactManifest", "file")
	c.put(at(file, "uploadUrl").(string), at(file, "uploadHeaders"), string(text))
	c.must(commitArtifact, object{"id": id})

	v := c.srv.Versions("team", "nemotron", "data")[1]
	want := map[string]string{"kept": "1", "changed": "2", "new": "3"}
	var names []string
	for _, e := range v.Entries {
		names = append(names, e.Name)
		if e.Digest != b64md5([]byte(want[e.Name])) {
			t.Errorf("%s is not %q", e.Name, want[e.Name])
		}
	}
	if !slices.Equal(names, slices.Sorted(maps.Keys(want))) || v.Digest != manifestDigest(want) {
		t.Errorf("entries are %v with digest %s, want %v", names, v.Digest, want)
	}
	if _, text := c.send("GET", at(c.resolve("data:v1"), "artifact", "currentManifest", "file", "directUrl").(string), nil, ""); !strings.Contains(text, "kept") {
		t.Errorf("the manifest that is read is %s", text)
	}
}

// What a filter asks that is not served is an error, not a list without the filter.
func TestFilters(t *testing.T) {
	c := start(t, nil)
	id, _ := c.log("data", map[string]string{"a": "1"})
	c.log("data", map[string]string{"a": "2"})
	c.must(`mutation($id: ID!) { deleteArtifact(input: {artifactID: $id, deleteAliases: true}) { artifact { id } } }`, object{"id": id})
	if _, err := c.srv.Log(wandbtest.Version{Name: "other", Files: map[string][]byte{"f": nil}}); err != nil {
		t.Fatal(err)
	}
	list := `query($f: JSONString, $o: String) { project(entityName: "team", name: "nemotron") { artifactCollection(name: "data") { artifacts(filters: $f, order: $o) { edges { version node { id } } } } } }`
	for _, test := range []struct {
		filter, order string
		want          string
	}{
		{`{}`, "", "v0 v1"},
		{`{}`, "-version_index", "v1 v0"},
		{`{"state":"COMMITTED"}`, "", "v1"},
		{`{"state":"DELETED"}`, "", "v0"},
	} {
		var got []string
		for _, e := range at(c.must(list, object{"f": test.filter, "o": test.order}), "project", "artifactCollection", "artifacts", "edges").([]any) {
			got = append(got, at(e, "version").(string))
		}
		if strings.Join(got, " ") != test.want {
			t.Errorf("%s %s: %v, want %s", test.filter, test.order, got, test.want)
		}
	}
	for _, bad := range []string{`{"createdAt": "x"}`, `{"state": {"$ne": "DELETED"}}`, `no JSON`} {
		if _, errs, _ := c.do(list, object{"f": bad}); errs == nil {
			t.Errorf("filter %s was passed over", bad)
		}
	}
	if _, errs, _ := c.do(`{ project(entityName: "team", name: "nemotron") { runs(filters: "{\"state\":\"running\"}") { totalCount } } }`, nil); errs == nil {
		t.Error("a filter of runs was passed over")
	}
	data := c.must(`{ project(entityName: "team", name: "nemotron") { artifactCollections(filters: "{\"name\":\"other\"}") { totalCount edges { node { name } } } } }`, nil)
	if got := nodes(at(data, "project", "artifactCollections", "edges"), "name"); !slices.Equal(got, []string{"other"}) {
		t.Errorf("collections named other: %v", got)
	}
}
