package hfhubtest

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"path"
	"strings"
	"time"
)

const stale = "The branch was updated since you opened this page. Please refresh and try again."

func (c *call) preupload(rev string) {
	var in struct {
		Files []struct {
			Path string
			Size int64
		}
	}
	if err := json.NewDecoder(c.r.Body).Decode(&in); err != nil || len(in.Files) > 256 {
		fail(c.w, http.StatusBadRequest, "", "at most 256 files")
		return
	}
	if !c.writes() {
		return
	}
	at := c.at(rev)
	if at == nil {
		return
	}
	out := []map[string]any{}
	for _, f := range in.Files {
		mode := "regular"
		if f.Size > c.s.o.RegularTo || path.Ext(f.Path) == ".bin" && f.Size > 0 {
			mode = "lfs"
		}
		one := map[string]any{"path": f.Path, "uploadMode": mode, "shouldIgnore": false}
		if old := at.files[f.Path]; old != nil {
			one["oid"] = old.etag()
		}
		out = append(out, one)
	}
	reply(c.w, http.StatusOK, map[string]any{"files": out})
}

// operation is one line of a commit.
type operation struct {
	Key   string
	Value struct {
		Summary, Description, ParentCommit string
		Content, Path, Encoding            string
		Algo, OID                          string
		Size                               int64
	}
}

func (c *call) commit(rev string) {
	header, ops, err := readCommit(c.r.Body)
	if err != nil {
		fail(c.w, http.StatusBadRequest, "", err.Error())
		return
	}
	pr := isTrue(c.r.URL.Query().Get("create_pr"))
	if !pr && !c.writes() || c.at(rev) == nil {
		return
	}
	if c.s.o.Commits > 0 {
		if _, reset, ok := c.s.count("commits "+c.repo.id, c.s.o.Commits, time.Hour); !ok {
			c.w.Header().Set("Retry-After", fmt.Sprint(reset))
			fail(c.w, http.StatusTooManyRequests, "", fmt.Sprintf("You have exceeded the rate limit for repository commits (%d per hour). Please try again later.", c.s.o.Commits))
			return
		}
	}
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	ref := c.repo.fullName(rev)
	head := c.repo.refs[ref]
	if head == nil {
		fail(c.w, http.StatusBadRequest, "", "Invalid branch: "+rev)
		return
	}
	if want := header.Value.ParentCommit; want != "" && !strings.HasPrefix(head.id, want) {
		fail(c.w, http.StatusPreconditionFailed, "", stale)
		return
	}
	files, err := c.s.applied(head, ops)
	if err != nil {
		fail(c.w, http.StatusBadRequest, "", err.Error())
		return
	}
	by := "anonymous"
	if c.user != nil {
		by = c.user.name
	}
	made := &commit{title: header.Value.Summary, message: header.Value.Description, by: by, files: files}
	out := map[string]any{"success": true, "hookOutput": ""}
	if pr {
		n := 1
		for c.repo.refs[fmt.Sprintf("refs/pr/%d", n)] != nil {
			n++
		}
		ref = fmt.Sprintf("refs/pr/%d", n)
		out["pullRequestUrl"] = fmt.Sprintf("%s/%s/discussions/%d", c.s.URL, c.repo.id, n)
	}
	c.s.add1(c.repo, ref, made, head)
	out["commitOid"], out["commitUrl"] = made.id, c.s.URL+"/"+c.repo.id+"/commit/"+made.id
	reply(c.w, http.StatusOK, out)
}

// readCommit reads the lines of a commit, the header first.
func readCommit(r io.Reader) (header operation, ops []operation, err error) {
	for dec := json.NewDecoder(r); ; {
		var op operation
		switch err := dec.Decode(&op); {
		case errors.Is(err, io.EOF) && header.Key == "":
			return header, nil, errors.New(`"header" is required`)
		case errors.Is(err, io.EOF):
			return header, ops, nil
		case err != nil:
			return header, nil, err
		}
		switch {
		case op.Key == "header" && op.Value.Summary == "":
			return header, nil, errors.New("a commit needs a summary")
		case op.Key == "header":
			header = op
		default:
			ops = append(ops, op)
		}
	}
}

// applied returns what a commit leaves of its parent's files. s.mu is held.
func (s *Server) applied(head *commit, ops []operation) (map[string]*file, error) {
	files := maps.Clone(head.files)
	for _, op := range ops {
		v := op.Value
		if err := checkPath(v.Path); err != nil {
			return nil, err
		}
		switch op.Key {
		case "file":
			data, err := base64.StdEncoding.DecodeString(v.Content)
			if err != nil || v.Encoding != "base64" {
				return nil, errors.New("a file's content is base64")
			}
			if int64(len(data)) > s.o.RegularTo {
				return nil, fmt.Errorf("%s must be in LFS", v.Path)
			}
			files[v.Path] = regularFile(data)
		case "lfsFile":
			if b, ok := s.lfs[v.OID]; !ok || v.Algo != "sha256" || int64(len(b)) != v.Size && v.Size != 0 {
				return nil, fmt.Errorf("LFS object %s of %s was not uploaded", v.OID, v.Path)
			}
			files[v.Path] = lfsFile(v.OID, int64(len(s.lfs[v.OID])))
		case "deletedFile", "deletedFolder":
			n := len(files)
			maps.DeleteFunc(files, func(p string, _ *file) bool {
				return p == v.Path || op.Key == "deletedFolder" && strings.HasPrefix(p, strings.TrimSuffix(v.Path, "/")+"/")
			})
			if n == len(files) {
				return nil, fmt.Errorf("%s does not exist", v.Path)
			}
		default:
			return nil, fmt.Errorf("unknown operation %q", op.Key)
		}
	}
	for p := range files {
		for d := path.Dir(p); d != "."; d = path.Dir(d) {
			if files[d] != nil {
				return nil, fmt.Errorf("%s is a file, and %s below it", d, p)
			}
		}
	}
	return files, nil
}

// checkPath refuses what git, or the Hub, does not take.
func checkPath(p string) error {
	for _, part := range strings.Split(p, "/") {
		if part == "" || part == "." || part == ".." || strings.EqualFold(part, ".git") {
			return fmt.Errorf("invalid path in repo: %q", p)
		}
	}
	if i := strings.IndexFunc(p, func(r rune) bool { return r < 32 || r == 127 || r == '\\' }); i >= 0 {
		return fmt.Errorf("invalid path in repo: %q", p)
	}
	return nil
}
