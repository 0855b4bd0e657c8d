package wandbtest_test

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"artifactfs.dev/artifactfs/wandb/wandbtest"
)

// client speaks to the server as any client would: over HTTP.
type client struct {
	t   testing.TB
	srv *wandbtest.Server
}

type object = map[string]any

// do sends one document and returns data, errors and the status.
func (c client) do(doc string, vars object) (object, []string, int) {
	c.t.Helper()
	body, err := json.Marshal(object{"query": doc, "variables": vars, "operationName": ""})
	if err != nil {
		c.t.Fatal(err)
	}
	req, _ := http.NewRequest("POST", c.srv.URL+"/graphql", bytes.NewReader(body))
	req.SetBasicAuth("api", c.srv.Key)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, []string{err.Error()}, 0
	}
	defer res.Body.Close()
	var answer struct {
		Data   object
		Errors []struct{ Message string }
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		c.t.Fatalf("answer: %v", err)
	}
	var errs []string
	for _, e := range answer.Errors {
		errs = append(errs, e.Message)
	}
	return answer.Data, errs, res.StatusCode
}

// must is do without errors.
func (c client) must(doc string, vars object) object {
	c.t.Helper()
	data, errs, status := c.do(doc, vars)
	if errs != nil || status != 200 {
		c.t.Fatalf("status %d, errors %q\n%s", status, errs, doc)
	}
	return data
}

// at walks into an answer: keys of objects, indexes of lists.
func at(v any, path ...any) any {
	for _, p := range path {
		switch p := p.(type) {
		case string:
			v, _ = v.(object)[p], true
		case int:
			v = v.([]any)[p]
		}
	}
	return v
}

// strings collects one field of a list's nodes.
func nodes(v any, key string) []string {
	out := []string{}
	for _, e := range v.([]any) {
		out = append(out, fmt.Sprint(at(e, "node", key)))
	}
	return out
}

func (c client) run(name string) {
	c.t.Helper()
	c.must(`mutation($n: String) { upsertBucket(input: {entityName: "team", modelName: "nemotron", name: $n}) { inserted bucket { id } } }`, object{"n": name})
}

func b64md5(b []byte) string {
	sum := md5.Sum(b)
	return base64.StdEncoding.EncodeToString(sum[:])
}

// manifestDigest is an artifact's digest, computed as the reference says and not as the server does.
func manifestDigest(files map[string]string) string {
	names := []string{}
	for n := range files {
		names = append(names, n)
	}
	slices.Sort(names)
	text := "wandb-artifact-manifest-v1\n"
	for _, n := range names {
		text += n + ":" + b64md5([]byte(files[n])) + "\n"
	}
	sum := md5.Sum([]byte(text))
	return hex.EncodeToString(sum[:])
}

const (
	createArtifact = `mutation($i: CreateArtifactInput!) { createArtifact(input: $i) { artifact { id state versionIndex artifactSequence { id latestArtifact { id } } } } }`
	createManifest = `mutation($i: CreateArtifactManifestInput!, $up: Boolean!) { createArtifactManifest(input: $i) { artifactManifest { id file { id uploadUrl @include(if: $up) uploadHeaders @include(if: $up) } } } }`
	createFiles    = `mutation($f: [CreateArtifactFileSpecInput!]!) { createArtifactFiles(input: {artifactFiles: $f, storageLayout: V2}) { files { edges { node { displayName uploadUrl uploadHeaders artifact { id } } } } } }`
	commitArtifact = `mutation($id: ID!) { commitArtifact(input: {artifactID: $id}) { artifact { id digest state versionIndex } } }`
)

func (c client) input(name, digest string, aliases ...string) object {
	all := []any{object{"artifactCollectionName": name, "alias": "latest"}}
	for _, a := range aliases {
		all = append(all, object{"artifactCollectionName": name, "alias": a})
	}
	return object{"entityName": "team", "projectName": "nemotron", "runName": "r1", "artifactTypeName": "dataset", "artifactCollectionName": name,
		"digest": digest, "digestAlgorithm": "MANIFEST_MD5", "enableDigestDeduplication": true, "aliases": all}
}

// upload does the steps between create and commit: manifest, files, manifest.
func (c client) upload(id string, files map[string]string) {
	c.t.Helper()
	manifest := object{"artifactID": id, "name": "wandb_manifest.json", "digest": "", "entityName": "team", "projectName": "nemotron", "runName": "r1", "type": "FULL"}
	data := c.must(createManifest, object{"i": manifest, "up": false})
	specs, contents := []any{}, object{}
	for n, text := range files {
		specs = append(specs, object{"artifactID": id, "artifactManifestID": at(data, "createArtifactManifest", "artifactManifest", "id"), "name": n, "md5": b64md5([]byte(text))})
	}
	for _, e := range at(c.must(createFiles, object{"f": specs}), "createArtifactFiles", "files", "edges").([]any) {
		name := at(e, "node", "displayName").(string)
		if u, ok := at(e, "node", "uploadUrl").(string); ok {
			c.put(u, at(e, "node", "uploadHeaders"), files[name])
		}
		contents[name] = object{"digest": b64md5([]byte(files[name])), "size": len(files[name]), "birthArtifactID": at(e, "node", "artifact", "id")}
	}
	text, _ := json.Marshal(object{"version": 1, "storagePolicy": "wandb-storage-policy-v1", "storagePolicyConfig": object{"storageLayout": "V2"}, "contents": contents})
	manifest["digest"] = b64md5(text)
	file := at(c.must(createManifest, object{"i": manifest, "up": true}), "createArtifactManifest", "artifactManifest", "file")
	c.put(at(file, "uploadUrl").(string), at(file, "uploadHeaders"), string(text))
}

func (c client) put(url string, headers any, body string) {
	c.t.Helper()
	if status, text := c.send("PUT", url, headers, body); status != 200 {
		c.t.Fatalf("PUT: %d %s", status, text)
	}
}

// send sends a request to the blob store, with upload headers or none.
func (c client) send(method, url string, headers any, body string) (int, string) {
	c.t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	if list, ok := headers.([]any); ok {
		for _, h := range list {
			k, v, _ := strings.Cut(h.(string), ":")
			req.Header.Set(k, v)
		}
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err.Error()
	}
	return res.StatusCode, string(b)
}

// log does a whole log, and returns the version's id and name.
func (c client) log(name string, files map[string]string, aliases ...string) (id, version string) {
	c.t.Helper()
	a := at(c.must(createArtifact, object{"i": c.input(name, manifestDigest(files), aliases...)}), "createArtifact", "artifact")
	id = at(a, "id").(string)
	if at(a, "state") == "COMMITTED" {
		return id, fmt.Sprintf("v%v", at(a, "versionIndex"))
	}
	c.upload(id, files)
	a = at(c.must(commitArtifact, object{"id": id}), "commitArtifact", "artifact")
	return id, fmt.Sprintf("v%v", at(a, "versionIndex"))
}
