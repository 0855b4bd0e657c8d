package hfhubtest

import (
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// api answers /api/KIND/NAMESPACE/NAME/…
func (c *call) api() {
	verb := ""
	if len(c.rest) > 0 {
		verb = c.rest[0]
	}
	get := c.r.Method == http.MethodGet
	switch {
	case verb == "" && get:
		c.info("main")
	case verb == "revision" && get && len(c.rest) == 2:
		c.info(c.rest[1])
	case verb == "refs" && get:
		c.refs()
	case verb == "tree" && get && len(c.rest) >= 2:
		c.tree(c.rest[1], strings.Join(c.rest[2:], "/"))
	case verb == "commits" && get && len(c.rest) == 2:
		c.commits(c.rest[1])
	case verb == "paths-info" && c.r.Method == http.MethodPost && len(c.rest) == 2:
		c.pathsInfo(c.rest[1])
	case verb == "preupload" && c.r.Method == http.MethodPost && len(c.rest) == 2:
		c.preupload(c.rest[1])
	case verb == "commit" && c.r.Method == http.MethodPost && len(c.rest) == 2:
		c.commit(c.rest[1])
	default:
		fail(c.w, http.StatusNotFound, "", "Sorry, we can't find the page you are looking for.")
	}
}

// isoTime is how the Hub writes times.
func isoTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

func (c *call) info(rev string) {
	at := c.at(rev)
	if at == nil {
		return
	}
	out := map[string]any{"_id": "0123456789abcdef01234567", "id": c.repo.id}
	full := map[string]any{"sha": at.id, "lastModified": isoTime(at.at), "private": c.repo.private, "author": strings.Split(c.repo.id, "/")[0]}
	if c.repo.gated {
		full["gated"] = "auto"
	}
	if want := c.r.URL.Query()["expand"]; len(want) > 0 {
		for _, k := range want {
			if v, ok := full[k]; ok {
				out[k] = v
			}
		}
		reply(c.w, http.StatusOK, out)
		return
	}
	siblings := []map[string]any{}
	for p := range at.files {
		siblings = append(siblings, map[string]any{"rfilename": p})
	}
	out["siblings"], out["tags"] = siblings, []string{}
	for k, v := range full {
		out[k] = v
	}
	reply(c.w, http.StatusOK, out)
}

func (c *call) refs() {
	type ref struct {
		Name   string `json:"name"`
		Ref    string `json:"ref"`
		Commit string `json:"targetCommit"`
	}
	branches, tags, converts, prs := []ref{}, []ref{}, []ref{}, []ref{}
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	for full, at := range c.repo.refs {
		for prefix, list := range map[string]*[]ref{"refs/heads/": &branches, "refs/tags/": &tags, "refs/convert/": &converts, "refs/pr/": &prs} {
			if name, ok := strings.CutPrefix(full, prefix); ok {
				*list = append(*list, ref{name, full, at.id})
			}
		}
	}
	out := map[string]any{"branches": branches, "tags": tags, "converts": converts}
	if c.r.URL.Query().Get("include_prs") != "" {
		out["pullRequests"] = prs
	}
	reply(c.w, http.StatusOK, out)
}

func (c *call) commits(rev string) {
	at := c.at(rev)
	if at == nil {
		return
	}
	skip, _ := strconv.Atoi(c.r.URL.Query().Get("p"))
	const page = 50
	out := []map[string]any{}
	for i := 0; at != nil && len(out) < page; i, at = i+1, at.parent {
		if i >= skip*page {
			out = append(out, map[string]any{"id": at.id, "title": at.title, "message": at.message, "date": isoTime(at.at), "authors": []map[string]string{{"user": at.by}}})
		}
	}
	if at != nil {
		c.next(url.Values{"p": {strconv.Itoa(skip + 1)}})
	}
	reply(c.w, http.StatusOK, out)
}

// next sets the link to the next page.
func (c *call) next(set url.Values) {
	q := c.r.URL.Query()
	for k, v := range set {
		q[k] = v
	}
	c.w.Header().Set("Link", fmt.Sprintf(`<%s%s?%s>; rel="next"`, c.s.URL, c.r.URL.EscapedPath(), q.Encode()))
}

// entry is one entry of a tree, as the Hub writes it.
func entry(p string, f *file, expand bool) map[string]any {
	e := map[string]any{"type": "file", "path": p, "oid": f.oid, "size": f.size}
	if f.sha256 != "" {
		e["lfs"] = map[string]any{"oid": f.sha256, "size": f.size, "pointerSize": len(pointer(f.sha256, f.size))}
	}
	if expand {
		e["lastCommit"] = map[string]any{"id": f.last.id, "title": f.last.title, "date": isoTime(f.last.at)}
		e["securityFileStatus"] = nil
	}
	return e
}

func dirEntry(p, oid string) map[string]any {
	return map[string]any{"type": "directory", "path": p, "oid": oid, "size": 0}
}

func (c *call) tree(rev, dir string) {
	at := c.at(rev)
	if at == nil {
		return
	}
	q := c.r.URL.Query()
	recursive, expand := q.Get("recursive") == "true" || q.Get("recursive") == "True" || q.Get("recursive") == "1", isTrue(q.Get("expand"))
	all := c.s.entries(at, dir, recursive, expand)
	if len(all) == 0 && dir != "" {
		fail(c.w, http.StatusNotFound, "EntryNotFound", dir+" does not exist on \""+rev+"\"")
		return
	}
	size := c.s.o.PageSize
	if expand {
		size = min(size, 50)
	}
	if limit, _ := strconv.Atoi(q.Get("limit")); limit > 0 {
		size = min(size, limit)
	}
	from, _ := strconv.Atoi(q.Get("cursor"))
	from = min(max(from, 0), len(all))
	if to := from + size; to < len(all) {
		c.next(url.Values{"cursor": {strconv.Itoa(to)}})
		all = all[:to]
	}
	reply(c.w, http.StatusOK, all[from:])
}

func isTrue(s string) bool { return strings.EqualFold(s, "true") || s == "1" }

// entries lists a directory. The Hub promises no order; the same pages must have the
// same one. The last listing is kept: of 100,000 names each page would take a second.
func (s *Server) entries(at *commit, dir string, recursive, expand bool) []map[string]any {
	key := fmt.Sprint(at.id, recursive, expand, dir)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listed != key {
		all := entries(at, dir, recursive, expand)
		order := rand.New(rand.NewPCG(uint64(len(all)), 1))
		order.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		s.listed, s.list = key, all
	}
	return s.list
}

// entries lists a directory, sorted.
func entries(at *commit, dir string, recursive, expand bool) []map[string]any {
	below := ""
	if dir != "" {
		below = dir + "/"
	}
	var all []map[string]any
	trees := map[string]hash.Hash{}
	for _, p := range slices.Sorted(maps.Keys(at.files)) {
		rest, ok := strings.CutPrefix(p, below)
		if !ok {
			continue
		}
		f := at.files[p]
		if recursive || !strings.Contains(rest, "/") {
			all = append(all, entry(p, f, expand))
		}
		for d := path.Dir(rest); d != "."; d = path.Dir(d) {
			if !recursive && strings.Contains(d, "/") {
				continue
			}
			if trees[d] == nil {
				trees[d] = sha1.New()
			}
			fmt.Fprintln(trees[d], p, f.oid)
		}
	}
	for d, h := range trees {
		all = append(all, dirEntry(below+d, hex.EncodeToString(h.Sum(nil))))
	}
	slices.SortFunc(all, func(a, b map[string]any) int { return strings.Compare(a["path"].(string), b["path"].(string)) })
	if all == nil {
		all = []map[string]any{}
	}
	return all
}

func (c *call) pathsInfo(rev string) {
	var in struct {
		Paths  []string
		Expand bool
	}
	if strings.HasPrefix(c.r.Header.Get("Content-Type"), "application/json") {
		if err := json.NewDecoder(c.r.Body).Decode(&in); err != nil {
			fail(c.w, http.StatusBadRequest, "", err.Error())
			return
		}
	} else {
		c.r.ParseForm()
		in.Paths, in.Expand = c.r.PostForm["paths"], isTrue(c.r.PostForm.Get("expand"))
	}
	at := c.at(rev)
	if at == nil {
		return
	}
	out := []map[string]any{}
	for _, p := range in.Paths {
		if f := at.files[p]; f != nil {
			out = append(out, entry(p, f, in.Expand))
		} else if oid := treeOID(at, p); oid != "" {
			out = append(out, dirEntry(p, oid))
		}
	}
	reply(c.w, http.StatusOK, out)
}

// treeOID is a name of all that lies in a directory; "" if there is none.
func treeOID(at *commit, dir string) string {
	parent := path.Dir(dir)
	if parent == "." {
		parent = ""
	}
	for _, e := range entries(at, parent, false, false) {
		if e["path"] == dir && e["type"] == "directory" {
			return e["oid"].(string)
		}
	}
	return ""
}
