package wandbtest_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"artifactfs.dev/artifactfs/wandb/wandbtest"
)

// fileURL is the signed URL of the only file of data:latest.
func (c client) fileURL() string {
	c.t.Helper()
	data := c.must(`{ project(entityName: "team", name: "nemotron") { artifactCollection(name: "data") { artifactMembership(aliasName: "latest") {
		files(first: 1) { edges { node { directUrl } } } } } } }`, nil)
	return at(data, "project", "artifactCollection", "artifactMembership", "files", "edges", 0, "node", "directUrl").(string)
}

func oneFile(t *testing.T) client {
	c := start(t, nil)
	if _, err := c.srv.Log(wandbtest.Version{Name: "data", Files: map[string][]byte{"f": []byte("0123456789")}}); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestBlobHost(t *testing.T) {
	c := oneFile(t)
	link := c.fileURL()
	store, _ := url.Parse(link)
	api, _ := url.Parse(c.srv.URL)
	if store.Hostname() == api.Hostname() {
		t.Errorf("blobs lie at %s, as the API does", store.Hostname())
	}
	forged := *store
	forged.RawQuery = strings.Replace(store.RawQuery, "signature=", "signature=0", 1)
	for _, test := range []struct {
		what, method, link string
		headers            []any
		status             int
		body               string
	}{
		{"whole", "GET", link, nil, 200, "0123456789"},
		{"range", "GET", link, []any{"Range:bytes=2-4"}, 206, "234"},
		{"open range", "GET", link, []any{"Range:bytes=7-"}, 206, "789"},
		{"beyond the end", "GET", link, []any{"Range:bytes=20-"}, 416, ""},
		{"credentials", "GET", link, []any{"Authorization:Basic YTpi"}, 400, "Only one auth mechanism"},
		{"forged", "GET", forged.String(), nil, 403, "SignatureDoesNotMatch"},
		{"write by a URL for reading", "PUT", link, nil, 403, "SignatureDoesNotMatch"},
	} {
		if status, body := c.send(test.method, test.link, test.headers, ""); status != test.status || !strings.Contains(body, test.body) {
			t.Errorf("%s: status %d, %q; want %d, %q", test.what, status, body, test.status, test.body)
		}
	}
	if got := c.srv.BytesServed(); got != 10+3+3 {
		t.Errorf("%d bytes served, want 16", got)
	}
}

func TestURLsExpire(t *testing.T) {
	c := oneFile(t)
	link := c.fileURL()
	c.srv.ExpireURLs()
	if status, _ := c.send("GET", link, nil, ""); status != 403 {
		t.Errorf("expired at once: status %d", status)
	}
	link = c.fileURL()
	c.srv.Advance(30 * time.Minute)
	if status, _ := c.send("GET", link, nil, ""); status != 200 {
		t.Errorf("within its hour: status %d", status)
	}
	c.srv.Advance(31 * time.Minute)
	if status, _ := c.send("GET", link, nil, ""); status != 403 {
		t.Errorf("after its hour: status %d", status)
	}
}

func TestUploadHeaders(t *testing.T) {
	c := start(t, nil)
	id := at(c.must(createArtifact, object{"i": c.input("data", "0")}), "createArtifact", "artifact", "id")
	spec := object{"artifactID": id, "name": "f", "md5": b64md5([]byte("text"))}
	node := at(c.must(createFiles, object{"f": []any{spec}}), "createArtifactFiles", "files", "edges", 0, "node")
	link := at(node, "uploadUrl").(string)
	if status, _ := c.send("PUT", link, nil, "text"); status != 403 {
		t.Errorf("without the headers: status %d, want 403", status)
	}
	if status, body := c.send("PUT", link, at(node, "uploadHeaders"), "other"); status != 400 || !strings.Contains(body, "BadDigest") {
		t.Errorf("other bytes: status %d %s, want 400 BadDigest", status, body)
	}
	c.put(link, at(node, "uploadHeaders"), "text")
	node = at(c.must(createFiles, object{"f": []any{spec}}), "createArtifactFiles", "files", "edges", 0, "node")
	if at(node, "uploadUrl") != nil || at(node, "artifact", "id") != id {
		t.Errorf("what is stored is asked for again: %v", node)
	}
}

// The addresses that take the API's credentials and redirect to a signed URL.
func TestDownloadAddresses(t *testing.T) {
	c := oneFile(t)
	id := at(c.resolve("data:latest"), "artifact", "id").(string)
	const hex = "781e5e245d69b566979b86e28d23f2c7" // of 0123456789
	v2 := "/artifactsV2/default/team/nemotron/data/"
	for path, want := range map[string]int{
		v2 + url.PathEscape(id) + "/" + url.PathEscape(id) + "/" + hex + "/f": 307,
		v2 + url.PathEscape(id) + "/" + hex + "/f":                            307, // as SDKs without the artifact's id
		"/artifactsV2/default/team/" + url.PathEscape(id) + "/" + hex:         307, // and for servers of old
		"/artifacts/team/" + hex:                                              307,
		"/artifacts/team/0" + hex[1:]:                                         404,
		v2 + url.PathEscape(id) + "/0" + hex[1:] + "/f":                       404,
		"/artifactsV2/default/other/nemotron/data/" + id + "/" + hex + "/f":   404,
	} {
		req, _ := http.NewRequest("GET", c.srv.URL+path, nil)
		req.SetBasicAuth("api", c.srv.Key)
		res, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("%s: status %d, want %d", path, res.StatusCode, want)
			continue
		}
		if want == 307 {
			if status, body := c.send("GET", res.Header.Get("Location"), nil, ""); status != 200 || body != "0123456789" {
				t.Errorf("%s leads to %d %q", path, status, body)
			}
		}
	}
	if res, err := http.Get(c.srv.URL + "/artifacts/team/" + hex); err != nil || res.StatusCode != 401 {
		t.Errorf("without a key: %v %v", res, err)
	}
}
