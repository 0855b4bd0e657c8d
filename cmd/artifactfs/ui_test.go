package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"artifactfs.dev/artifactfs/cmd/artifactfs/config"
	"artifactfs.dev/artifactfs/cmd/artifactfs/ui"
	"artifactfs.dev/artifactfs/manifest"
	"artifactfs.dev/artifactfs/wandb/wandbtest"
)

// uiSite is a store with a page over it.
type uiSite struct {
	*testing.T
	root, data string
	url        string // without the token
	token      string
	path       string // below which the page is, as /SECRET; known to who has entered
}

func newUISite(t *testing.T) *uiSite {
	dir := t.TempDir()
	s := &uiSite{T: t, root: filepath.Join(dir, "store"), data: filepath.Join(dir, "data")}
	for _, d := range []string{s.root, s.data} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// record writes the record of a version, as a writer on the store itself does.
func (s *uiSite) record(name string, n int, metadata map[string]any, from ...string) {
	s.Helper()
	dir := filepath.Join(s.root, name, vN(n))
	b, err := json.Marshal(map[string]any{
		"type": "Artifact", "path": s.data, "created_at": "2026-08-21T09:00:00+00:00", "producer": "slurm-4242",
		"metadata": metadata, "inputs": []string{}, "used_artifacts": from,
	})
	if err == nil {
		err = os.MkdirAll(dir, 0o755)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "manifest.json"), b, 0o644)
	}
	if b, e := json.Marshal(metadata); err == nil && metadata != nil {
		err = errors.Join(e, os.WriteFile(filepath.Join(dir, "metadata.json"), b, 0o644))
	}
	if err != nil {
		s.Fatal(err)
	}
}

// unreadable logs a version, retires it and spoils its record: it stays in the list.
func (s *uiSite) unreadable(name string, n int) {
	s.Helper()
	s.record(name, n, nil)
	dir, err := manifest.OpenDir(s.root, nil)
	if err == nil {
		err = dir.Retire(context.Background(), name, n, "a mistake", false)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(s.root, name, vN(n), "manifest.json"), []byte("{"), 0o644)
	}
	if err != nil {
		s.Fatal(err)
	}
}

// serve begins to serve the page. W&B is on if there are variables for it.
func (s *uiSite) serve(environ ...string) {
	s.Helper()
	env := func(key string) (string, bool) {
		for _, kv := range environ {
			if v, ok := strings.CutPrefix(kv, key+"="); ok {
				return v, true
			}
		}
		return "", false
	}
	cfg, err := config.Load(config.Options{Dir: s.root, Dotlist: []string{"artifacts.manifest.root=" + s.root, fmt.Sprintf("artifacts.wandb=%v", len(environ) > 0)}, Env: env})
	if err != nil {
		s.Fatal(err)
	}
	k, err := openCore(cfg, coreOptions{})
	if err != nil {
		s.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := (&app{out: w, err: io.Discard}).serveUI(ctx, &uiStore{k: k}, "127.0.0.1:0")
		w.CloseWithError(err)
		done <- err
	}()
	s.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			s.Errorf("the page ended with %v", err)
		}
		if _, err := http.Get(s.url); err == nil {
			s.Error("the page has ended and answers")
		}
	})
	line, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		s.Fatal(err)
	}
	s.url, s.token, _ = strings.Cut(strings.TrimSpace(line), "/?token=")
}

// enter trades the token for the cookie, and learns the path.
func (s *uiSite) enter(c *http.Client) {
	s.Helper()
	r, err := c.Get(s.url + "/?token=" + s.token)
	if err != nil {
		s.Fatal(err)
	}
	defer r.Body.Close()
	for _, cookie := range r.Cookies() {
		s.path = strings.TrimSuffix(cookie.Path, "/")
	}
	if len(s.path) < 20 {
		s.Fatalf("the path %q is no secret", s.path)
	}
}

// TestUIGuard: only who has the token reads, by this machine's own names, and nobody writes.
func TestUIGuard(t *testing.T) {
	s := newUISite(t)
	s.record("model", 1, nil)
	s.serve()
	jar, _ := cookiejar.New(nil)
	with, without := &http.Client{Jar: jar}, &http.Client{}
	do := func(c *http.Client, method, path, host string) (int, string, http.Header) {
		t.Helper()
		r, err := http.NewRequest(method, s.url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if host != "" {
			r.Host = host
		}
		resp, err := c.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(b), resp.Header
	}
	s.enter(&http.Client{})
	port := s.url[strings.LastIndexByte(s.url, ':'):]
	p := s.path
	enter := "/?version=model%3Av1&token=" + s.token
	for _, c := range []struct {
		who                *http.Client
		method, path, host string
		want               int
	}{
		{without, "GET", "/", "", 403},
		{without, "GET", "/dist/app.js", "", 403},
		{without, "GET", "/api/artifacts", "", 403},
		{without, "GET", "/?token=", "", 403},
		{without, "GET", "/?token=" + s.token[1:], "", 403},
		{without, "GET", enter, "evil.example" + port, 403},
		{with, "GET", enter, "", 200}, // and has the cookie from here on
		{with, "GET", p + "/", "", 200},
		{with, "HEAD", p + "/", "", 200},
		{without, "GET", enter, "localhost" + port, 200},
		{without, "GET", enter, "[::1]" + port, 200},
		{with, "GET", p + "/", "evil.example" + port, 403},
		{with, "GET", p + "/", "127.0.0.1.evil.example", 403},
		{with, "GET", p + "/", "10.0.0.1" + port, 403},
		{with, "GET", p + "/", "", 200},
		{with, "POST", p + "/", "", 405},
		{with, "PUT", p + "/api/version?ref=model", "", 405},
		{with, "DELETE", p + "/api/version?ref=model", "", 405},
		{with, "OPTIONS", p + "/", "", 405},
		{with, "GET", p + "/etc/passwd", "", 404},
		{with, "GET", p + "/dist/..%2fui.go", "", 404},
		{with, "GET", p + "/api/version?ref=model", "", 200},
		{with, "GET", p + "/api/version?ref=nothing", "", 404},
		{with, "GET", p + "/api/version?ref=..%2Fx", "", 400},
		{with, "GET", p + "/api/versions?name=..%2F..", "", 400},
		{with, "GET", p + "/api/versions?name=" + strings.Repeat("x", 300), "", 400},
		{with, "GET", p + "/api/versions?name=model&count=-1", "", 400},
		{with, "GET", p + "/api/lineage?ref=model&depth=x", "", 400},
		{with, "GET", p + "/api/lineage?ref=model", "", 200},
		{with, "GET", p + "/api/status", "", 200},
		{without, "GET", "/api/status", "", 403},
		{without, "GET", p + "/api/status", "", 403},
		{without, "GET", p + "/", "", 403},
		{with, "GET", "/", "", 403}, // the cookie is for the path alone
		{with, "GET", "/api/status", "", 403},
		{with, "GET", "/dist/app.js", "", 403},
	} {
		got, body, h := do(c.who, c.method, c.path, c.host)
		if got != c.want {
			t.Errorf("%s %s (Host %s): %d, want %d: %s", c.method, c.path, c.host, got, c.want, body)
		}
		if policy := h.Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s %s: policy %q", c.method, c.path, policy)
		}
		if strings.Contains(body, s.token) {
			t.Errorf("%s %s: the token is in the answer", c.method, c.path)
		}
	}
	_, _, h := do(without, "GET", enter, "")
	if c := h.Get("Set-Cookie"); !strings.Contains(c, "HttpOnly") || !strings.Contains(c, "SameSite=Strict") || !strings.HasPrefix(c, "artifactfs-") {
		t.Errorf("cookie %q", c)
	}
}

// TestUILists: lists come in pieces that say whether they are whole.
func TestUILists(t *testing.T) {
	s := newUISite(t)
	for i := range 120 {
		s.record("many", i+1, map[string]any{"big": json.Number("12345678901234567890"), "n": i})
	}
	s.record("deep/er", 1, nil)
	s.serve()
	jar, _ := cookiejar.New(nil)
	c := &http.Client{Jar: jar}
	s.enter(c)
	get := func(path string) *http.Response {
		t.Helper()
		r, err := c.Get(s.url + s.path + path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Body.Close() })
		return r
	}
	names, end := "", ""
	for lines := bufio.NewScanner(get("/api/artifacts").Body); lines.Scan(); end = lines.Text() {
		var a ui.Artifact
		if err := json.Unmarshal(lines.Bytes(), &a); err != nil {
			t.Fatal(err)
		}
		if a.Name != "" {
			names += fmt.Sprintf("%s %s %d;", a.Name, a.Latest, a.Versions)
		}
	}
	if !strings.Contains(names, "many v120 120;") || !strings.Contains(names, "deep/er v1 1;") || end != `{"end":2}` {
		t.Errorf("artifacts: %q, then %s", names, end)
	}
	var page ui.Versions
	seen := 0
	for before := 0; seen < 1000; before = page.Next {
		page = ui.Versions{}
		if err := json.NewDecoder(get(fmt.Sprintf("/api/versions?name=many&count=50&before=%d", before)).Body).Decode(&page); err != nil {
			t.Fatal(err)
		}
		for _, v := range page.Versions {
			if v.Version != vN(120-seen) || v.Producer != "slurm-4242" {
				t.Fatalf("after %d versions: %+v", seen, v)
			}
			seen++
		}
		if page.Next == 0 {
			break
		}
	}
	if seen != 120 || page.Total != 120 {
		t.Errorf("%d of %d versions", seen, page.Total)
	}
	b, _ := io.ReadAll(get("/api/version?ref=many:v3").Body)
	if !strings.Contains(string(b), `{"key":"big","text":"12345678901234567890"}`) {
		t.Errorf("a number is not as it was recorded: %s", b)
	}
}

// TestUIBroken: a list that broke off says so.
func TestUIBroken(t *testing.T) {
	s := newUISite(t)
	s.serve()
	if err := os.Remove(s.root); err != nil {
		t.Fatal(err)
	}
	jar, _ := cookiejar.New(nil)
	c := &http.Client{Jar: jar}
	s.enter(c)
	for _, path := range []string{"/", "/api/artifacts"} {
		r, err := c.Get(s.url + s.path + path)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil || strings.HasPrefix(path, "/api") && !strings.Contains(string(b), `"error":"`) {
			t.Errorf("%s of a store that is not there: %s, %v", path, b, err)
		}
	}
}

// TestUITwoStores: what only the store has that does not number the tree is found by its
// aliases.
func TestUITwoStores(t *testing.T) {
	srv, err := wandbtest.Start(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	if _, err := srv.Log(wandbtest.Version{Name: "only", Files: map[string][]byte{"f": []byte("x")}}); err != nil {
		t.Fatal(err)
	}
	s := newUISite(t)
	s.record("model", 1, nil)
	for _, kv := range append(srv.Environ(), "WANDB_ENTITY=team") { // the client looks there itself
		k, v, _ := strings.Cut(kv, "=")
		t.Setenv(k, v)
	}
	s.serve(append(srv.Environ(), "WANDB_ENTITY=team")...)
	jar, _ := cookiejar.New(nil)
	c := &http.Client{Jar: jar}
	s.enter(c)
	for path, want := range map[string]string{
		"/api/version?ref=.manifest/model:v1": `"name":"model","version":"v1","in":"manifest"`,
		"/api/artifacts":                      `{"name":"model","latest":"manifest:v1","versions":0}`,
		"/api/versions?name=model":            `"foreign":[{"version":"v1","in":"manifest","aliases":["latest"]`,
		"/api/version?ref=model:latest":       `"name":"model","version":"v1","in":"manifest"`,
		"/api/lineage?ref=model:latest":       `"of":".manifest/model:v1"`,
		"/api/version?ref=only:latest":        `"name":"only","version":"v0","aliases":["latest"]`,
		"/api/status":                         `"store":"wandb"`,
	} {
		r, err := c.Get(s.url + s.path + path)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil || !strings.Contains(string(b), want) {
			t.Errorf("%s: %s, want %s", path, b, want)
		}
	}
}

func TestUIListen(t *testing.T) {
	for _, c := range []struct {
		listen string
		expose bool
		want   string // "": refused
	}{
		{"127.0.0.1:0", false, "127.0.0.1:0"}, {"[::1]:80", false, "[::1]:80"}, {"localhost:8800", false, "127.0.0.1:8800"},
		{"0.0.0.0:0", false, ""}, {":0", false, ""}, {"10.0.0.1:80", false, ""}, {"node7:80", false, ""}, {"127.0.0.1", false, ""},
		{"0.0.0.0:0", true, "0.0.0.0:0"}, {"node7:80", true, "node7:80"},
	} {
		got, err := listenAddress(c.listen, c.expose)
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("--listen %s, expose %v: %q, %v", c.listen, c.expose, got, err)
		}
	}
}
