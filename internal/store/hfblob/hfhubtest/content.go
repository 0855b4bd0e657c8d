package hfhubtest

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"
)

// page answers on a repository's pages: content, and LFS.
func (c *call) page() {
	get := c.r.Method == http.MethodGet || c.r.Method == http.MethodHead
	rest := strings.Join(c.rest, "/")
	switch {
	case get && c.rest[0] == "resolve" && len(c.rest) > 2:
		c.resolve(c.rest[1], strings.Join(c.rest[2:], "/"))
	case rest == "info/lfs/objects/batch" && c.r.Method == http.MethodPost:
		c.batch()
	case rest == "info/lfs/objects/verify" && c.r.Method == http.MethodPost:
		c.verify()
	default:
		fail(c.w, http.StatusNotFound, "", "Sorry, we can't find the page you are looking for.")
	}
}

// entry answers where there is no such file.
func (c *call) entry(rev, p string) (*commit, *file) {
	if !c.reads() {
		return nil, nil
	}
	at := c.at(rev)
	if at == nil {
		return nil, nil
	}
	c.w.Header().Set("X-Repo-Commit", at.id)
	f := at.files[p]
	if f == nil {
		fail(c.w, http.StatusNotFound, "EntryNotFound", "Entry not found")
	}
	return at, f
}

func (c *call) resolve(rev, p string) {
	at, f := c.entry(rev, p)
	if f == nil {
		return
	}
	h := c.w.Header()
	h.Set("X-Linked-Size", fmt.Sprint(f.size))
	h.Set("X-Linked-Etag", strconv.Quote(f.etag()))
	if f.sha256 != "" {
		h.Set("ETag", strconv.Quote(f.oid))
		h.Set("Location", c.s.sign("GET", "/content/"+f.sha256))
		c.w.WriteHeader(http.StatusFound)
		return
	}
	h.Set("ETag", strconv.Quote(f.oid))
	where := (&url.URL{Path: "/api/resolve-cache/" + c.repo.kind + "/" + c.repo.id + "/" + at.id + "/" + p}).EscapedPath()
	h.Set("Location", where+"?etag="+url.QueryEscape(strconv.Quote(f.oid)))
	c.w.WriteHeader(http.StatusTemporaryRedirect)
}

// resolveCache gives content that is not in LFS.
func (c *call) resolveCache() {
	_, f := c.entry(c.rest[0], strings.Join(c.rest[1:], "/"))
	if f == nil {
		return
	}
	c.w.Header().Set("ETag", strconv.Quote(f.etag()))
	serveContent(c.w, c.r, f.data)
}

// serveContent gives content, or a range of it.
func serveContent(w http.ResponseWriter, r *http.Request, data []byte) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
}

// sign returns a URL on the other host that is good for a while.
func (s *Server) sign(method, p string) string {
	q := url.Values{"Expires": {fmt.Sprint(time.Now().Add(s.o.SignedFor).UnixMilli())}}
	q.Set("Signature", s.signature(method, p, q.Get("Expires")))
	return s.CDN() + p + "?" + q.Encode()
}

// Expire ends the life of every URL that was signed until now.
func (s *Server) Expire() { s.expired.Add(1) }

func (s *Server) signature(method, p, expires string) string {
	h := hmac.New(sha256.New, s.key)
	fmt.Fprint(h, method, " ", p, " ", expires, " ", s.expired.Load())
	return hex.EncodeToString(h.Sum(nil))
}

// cdn answers on the other host: with content, and to uploads.
func (s *Server) cdn(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	ms, _ := strconv.ParseInt(q.Get("Expires"), 10, 64)
	oid := path.Base(r.URL.Path)
	switch {
	case r.Header.Get("Authorization") != "" || r.Header.Get("Cookie") != "":
		http.Error(w, "Only one auth mechanism allowed", http.StatusBadRequest)
	case q.Get("Signature") != s.signature(method, r.URL.Path, q.Get("Expires")), time.Now().UnixMilli() > ms:
		http.Error(w, "AccessDenied: Request has expired", http.StatusForbidden)
	case method == http.MethodPut:
		data, err := io.ReadAll(r.Body)
		if sum := sha256.Sum256(data); err != nil || hex.EncodeToString(sum[:]) != oid {
			http.Error(w, "BadDigest", http.StatusBadRequest)
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.lfs[oid] = data
	default:
		s.mu.Lock()
		data, ok := s.lfs[oid]
		s.mu.Unlock()
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("ETag", strconv.Quote(oid))
		serveContent(w, r, data)
	}
}

// lfsObject is one object that LFS is asked about.
type lfsObject struct {
	OID  string `json:"oid"`
	Size int64  `json:"size"`
}

func (c *call) batch() {
	var in struct {
		Operation string
		Transfers []string
		Objects   []lfsObject
		Algo      string `json:"hash_algo"`
	}
	if err := json.NewDecoder(c.r.Body).Decode(&in); err != nil || in.Operation != "upload" || in.Algo != "sha256" {
		fail(c.w, http.StatusBadRequest, "", "cannot be understood")
		return
	}
	if !c.writes() {
		return
	}
	out := []map[string]any{}
	for _, o := range in.Objects {
		one := map[string]any{"oid": o.OID, "size": o.Size}
		c.s.mu.Lock()
		_, there := c.s.lfs[o.OID]
		c.s.mu.Unlock()
		if !there {
			one["actions"] = map[string]any{
				"upload": map[string]any{"href": c.s.sign("PUT", "/upload/"+o.OID)},
				"verify": map[string]any{"href": c.s.URL + strings.TrimSuffix(c.r.URL.Path, "batch") + "verify"},
			}
		}
		out = append(out, one)
	}
	reply(c.w, http.StatusOK, map[string]any{"transfer": "basic", "objects": out})
}

func (c *call) verify() {
	var in lfsObject
	if err := json.NewDecoder(c.r.Body).Decode(&in); err != nil || !c.writes() {
		return
	}
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	if data, ok := c.s.lfs[in.OID]; !ok || int64(len(data)) != in.Size {
		fail(c.w, http.StatusNotFound, "", "LFS object was not uploaded")
		return
	}
	reply(c.w, http.StatusOK, map[string]any{})
}
