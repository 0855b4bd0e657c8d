package hfhubtest

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
)

// repo is a repository. Server.mu guards it; its commits do not change.
type repo struct {
	kind, id       string // models, datasets or spaces; NAMESPACE/NAME
	private, gated bool
	refs           map[string]*commit // by full name: refs/heads/main, refs/pr/1
	commits        map[string]*commit
}

type commit struct {
	id, title, message string
	by                 string
	at                 time.Time
	parent             *commit
	files              map[string]*file
}

// file is one path of a commit.
type file struct {
	oid    string // of the blob, which of LFS is the pointer
	size   int64
	data   []byte // nil where it is in LFS
	sha256 string // of content in LFS
	last   *commit
}

func (f *file) etag() string {
	if f.sha256 != "" {
		return f.sha256
	}
	return f.oid
}

// gitOID is the name that git has for a blob.
func gitOID(b []byte) string {
	h := sha1.New()
	fmt.Fprintf(h, "blob %d\x00", len(b))
	h.Write(b)
	return hex.EncodeToString(h.Sum(nil))
}

func regularFile(data []byte) *file {
	return &file{oid: gitOID(data), size: int64(len(data)), data: data}
}

func lfsFile(sum string, size int64) *file {
	return &file{oid: gitOID(pointer(sum, size)), size: size, sha256: sum}
}

func pointer(sum string, size int64) []byte {
	return fmt.Appendf(nil, "version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize %d\n", sum, size)
}

// RepoOptions are what a repository can be.
type RepoOptions struct{ Private, Gated bool }

// CreateRepo makes a repository of a kind, models, datasets or spaces. It panics if
// there is one.
func (s *Server) CreateRepo(kind, id string, o *RepoOptions) {
	if o == nil {
		o = &RepoOptions{}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.create(kind, id, *o) {
		panic("hfhubtest: there is a repository " + kind + "/" + id)
	}
}

func (s *Server) create(kind, id string, o RepoOptions) bool {
	key := kind + "/" + strings.ToLower(id)
	if s.repos[key] != nil {
		return false
	}
	r := &repo{kind: kind, id: id, private: o.Private, gated: o.Gated, refs: map[string]*commit{}, commits: map[string]*commit{}}
	s.repos[key] = r
	s.add1(r, "refs/heads/main", &commit{title: "initial commit", by: "system", files: map[string]*file{
		".gitattributes": regularFile([]byte("*.bin filter=lfs diff=lfs merge=lfs -text\n")),
	}}, nil)
	return true
}

// add1 makes c the head of a ref, on top of what it was.
func (s *Server) add1(r *repo, ref string, c, parent *commit) {
	c.parent, c.at = parent, time.Now().UTC().Truncate(time.Millisecond)
	c.id = fmt.Sprintf("%x", sha1.Sum(fmt.Appendf(nil, "%s %s %p %d", r.id, c.title, parent, s.runs.Add(1))))
	for _, f := range c.files {
		if f.last == nil {
			f.last = c
		}
	}
	r.refs[ref], r.commits[c.id] = c, c
}

// Commit puts files into a branch, over what is there, and returns the commit. Content
// beyond Options.RegularTo goes to LFS.
func (s *Server) Commit(kind, id, branch, title string, files map[string]string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.repos[kind+"/"+strings.ToLower(id)]
	ref := r.fullName(branch)
	head := r.refs[ref]
	c := &commit{title: title, by: "hfhubtest", files: maps.Clone(head.files)}
	for p, text := range files {
		f := regularFile([]byte(text))
		if f.size > s.o.RegularTo {
			sum := sha256.Sum256(f.data)
			s.lfs[hex.EncodeToString(sum[:])] = f.data
			f = lfsFile(hex.EncodeToString(sum[:]), f.size)
		}
		c.files[p] = f
	}
	s.add1(r, ref, c, head)
	return c.id
}

// Branch makes a ref at another revision: a branch, or a full name such as refs/pr/1.
func (s *Server) Branch(kind, id, name, at string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.repos[kind+"/"+strings.ToLower(id)]
	r.refs[r.fullName(name)] = r.revision(at)
}

// Files returns what a revision holds, paths to content; nil if there is none such.
func (s *Server) Files(kind, id, rev string) map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.repos[kind+"/"+strings.ToLower(id)]
	if r == nil || r.revision(rev) == nil {
		return nil
	}
	out := map[string]string{}
	for p, f := range r.revision(rev).files {
		out[p] = string(s.content(f))
	}
	return out
}

// Titles returns the titles of a branch's commits, the newest first.
func (s *Server) Titles(kind, id, branch string) (titles []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.repos[kind+"/"+strings.ToLower(id)]
	for c := r.revision(branch); c != nil; c = c.parent {
		titles = append(titles, c.title)
	}
	return titles
}

// content returns a file's bytes. s.mu is held.
func (s *Server) content(f *file) []byte {
	if f.sha256 != "" {
		return s.lfs[f.sha256]
	}
	return f.data
}

var sha = regexp.MustCompile(`^[0-9a-f]{7,40}$`)

// fullName is what git calls a branch that is meant.
func (r *repo) fullName(name string) string {
	if strings.HasPrefix(name, "refs/") {
		return name
	}
	return "refs/heads/" + name
}

// revision returns the commit that a branch, a tag, a full ref or an id names.
func (r *repo) revision(rev string) *commit {
	for _, ref := range []string{r.fullName(rev), "refs/tags/" + rev} {
		if c := r.refs[ref]; c != nil {
			return c
		}
	}
	if sha.MatchString(rev) {
		for _, id := range slices.Sorted(maps.Keys(r.commits)) {
			if strings.HasPrefix(id, rev) {
				return r.commits[id]
			}
		}
	}
	return nil
}
