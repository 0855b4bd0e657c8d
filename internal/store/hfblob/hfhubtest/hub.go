package hfhubtest

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
)

// call is one request about a repository.
type call struct {
	s    *Server
	w    http.ResponseWriter
	r    *http.Request
	user *user
	repo *repo
	rest []string // the segments after the repository, without escapes
}

// fail answers as the Hub does: the words are in the headers and in the body.
func fail(w http.ResponseWriter, status int, code, message string) {
	if code != "" {
		w.Header().Set("X-Error-Code", code)
	}
	w.Header().Set("X-Error-Message", message)
	reply(w, status, map[string]string{"error": message})
}

func reply(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("X-Request-Id", "Root=1-hfhubtest")
	w.WriteHeader(status)
	w.Write(b)
}

// segments splits a path at slashes that are not escaped, and unescapes the parts.
func segments(path string) []string {
	all := strings.Split(strings.Trim(path, "/"), "/")
	for i, one := range all {
		if u, err := url.PathUnescape(one); err == nil {
			all[i] = u
		}
	}
	return all
}

// hub answers what is asked on the Hub's own host.
func (s *Server) hub(w http.ResponseWriter, r *http.Request) {
	c := &call{s: s, w: w, r: r}
	if auth := r.Header.Get("Authorization"); auth != "" {
		s.mu.Lock()
		c.user = s.users[strings.TrimPrefix(auth, "Bearer ")]
		s.mu.Unlock()
		if c.user == nil {
			fail(w, http.StatusUnauthorized, "", "Invalid credentials in Authorization header")
			return
		}
	}
	seg := segments(r.URL.EscapedPath())
	switch {
	case seg[0] == "api" && len(seg) > 1 && !isKind(seg[1]):
		c.global(seg[1:])
	case seg[0] == "api" && len(seg) >= 4:
		c.about(seg[1], seg[2]+"/"+seg[3], seg[4:], c.api)
	case isKind(seg[0]) && len(seg) > 3:
		c.about(seg[0], seg[1]+"/"+seg[2], seg[3:], c.page)
	case len(seg) > 2:
		c.about("models", seg[0]+"/"+seg[1], seg[2:], c.page)
	default:
		fail(w, http.StatusNotFound, "", "Sorry, we can't find the page you are looking for.")
	}
}

func isKind(s string) bool { return s == "models" || s == "datasets" || s == "spaces" }

// about answers about a repository that the caller may see.
func (c *call) about(kind, id string, rest []string, answer func()) {
	id = strings.TrimSuffix(id, ".git")
	c.s.mu.Lock()
	c.repo = c.s.repos[kind+"/"+strings.ToLower(id)]
	c.s.mu.Unlock()
	ns, _, _ := strings.Cut(id, "/")
	switch {
	case c.repo != nil && (!c.repo.private || c.user != nil && c.user.namespaces[ns]):
	case c.user == nil:
		fail(c.w, http.StatusUnauthorized, "RepoNotFound", "Invalid username or password.")
		return
	default:
		fail(c.w, http.StatusNotFound, "RepoNotFound", "Repository not found")
		return
	}
	c.rest = rest
	answer()
}

// writes reports whether the caller may change the repository, and says so if not.
func (c *call) writes() bool {
	ns, _, _ := strings.Cut(c.repo.id, "/")
	switch {
	case c.user == nil:
		fail(c.w, http.StatusUnauthorized, "", "Invalid username or password.")
	case !c.user.write || !c.user.namespaces[ns]:
		fail(c.w, http.StatusForbidden, "", "Forbidden: pass `create_pr=1` as a query parameter to create a Pull Request")
	default:
		return true
	}
	return false
}

// reads reports whether the caller may read content of the repository.
func (c *call) reads() bool {
	ns, _, _ := strings.Cut(c.repo.id, "/")
	if !c.repo.gated || c.user != nil && (c.user.gated || c.user.namespaces[ns]) {
		return true
	}
	status := http.StatusForbidden
	if c.user == nil {
		status = http.StatusUnauthorized
	}
	fail(c.w, status, "GatedRepo", "Access to "+c.repo.kind+" "+c.repo.id+" is restricted. You must have access to it and be authenticated to access it. Please log in.")
	return false
}

// at returns the commit of a revision, and says so if there is none.
func (c *call) at(rev string) *commit {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	got := c.repo.revision(rev)
	if got == nil {
		fail(c.w, http.StatusNotFound, "RevisionNotFound", "Invalid rev id: "+rev)
	}
	return got
}

// global answers what is about no repository.
func (c *call) global(seg []string) {
	switch {
	case seg[0] == "whoami-v2" && c.user == nil:
		fail(c.w, http.StatusUnauthorized, "", "Invalid username or password.")
	case seg[0] == "whoami-v2":
		reply(c.w, http.StatusOK, map[string]any{"type": "user", "name": c.user.name, "orgs": []any{}, "auth": map[string]any{"type": "access_token"}})
	case seg[0] == "validate-yaml":
		reply(c.w, http.StatusOK, map[string]any{"errors": []any{}, "warnings": []any{}})
	case seg[0] == "repos" && len(seg) == 2 && seg[1] == "create" && c.r.Method == http.MethodPost:
		c.createRepo()
	case seg[0] == "resolve-cache" && len(seg) > 4:
		c.about(seg[1], seg[2]+"/"+seg[3], seg[4:], c.resolveCache)
	default:
		fail(c.w, http.StatusNotFound, "", "Not Found")
	}
}

func (c *call) createRepo() {
	var in struct {
		Name, Organization, Type, Visibility, SDK string
		Private                                   bool
	}
	if err := json.NewDecoder(c.r.Body).Decode(&in); err != nil || in.Name == "" {
		fail(c.w, http.StatusBadRequest, "", `"name" is required`)
		return
	}
	if c.user == nil || !c.user.write {
		fail(c.w, http.StatusUnauthorized, "", "Invalid username or password.")
		return
	}
	if in.Organization == "" {
		in.Organization = c.user.name
	}
	if in.Type == "" {
		in.Type = "model"
	}
	if in.Type == "space" && in.SDK == "" {
		fail(c.w, http.StatusBadRequest, "", `"sdk" is required`)
		return
	}
	if !c.user.namespaces[in.Organization] {
		fail(c.w, http.StatusForbidden, "", "You don't have the rights to create a "+in.Type+" under the namespace \""+in.Organization+"\"")
		return
	}
	id := in.Organization + "/" + in.Name
	c.s.mu.Lock()
	made := c.s.create(in.Type+"s", id, RepoOptions{Private: in.Private || in.Visibility == "private"})
	c.s.mu.Unlock()
	path := "/" + id
	if in.Type != "model" {
		path = "/" + in.Type + "s/" + id
	}
	out := map[string]any{"url": c.s.URL + path, "name": id, "id": id}
	if !made {
		out["error"] = "You already created this " + in.Type + " repo"
		reply(c.w, http.StatusConflict, out)
		return
	}
	reply(c.w, http.StatusOK, out)
}
