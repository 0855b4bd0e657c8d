package hfblob

import (
	"fmt"
	"io/fs"
	"net/url"
	"regexp"
	"strings"
)

// Scheme is that of a repository's URI.
const Scheme = "hf"

// URI is where a repository is, or something in it.
type URI struct {
	Kind string // models, datasets or spaces
	ID   string // NAMESPACE/NAME
	Rev  string // a branch, a tag, a full ref or a commit; "" is main
	Path string // in the repository, as it is written
}

var (
	singular   = map[string]string{"model": "models", "dataset": "datasets", "space": "spaces", "kernel": "kernels", "bucket": "buckets"}
	specialRef = regexp.MustCompile(`^refs/(?:convert/[\w.-]+|pr/[0-9]+)`)
	idPart     = regexp.MustCompile(`^[\w.-]{1,96}$`)
)

// ParseURI reads hf://[models/|datasets/|spaces/]NAMESPACE/NAME[@REVISION][/PATH], as
// huggingface_hub does: @ means a revision only right after the name, and a slash in a
// revision is %2F, but in refs/pr/N and refs/convert/NAME. The path is taken as it is
// written. An error satisfies fs.ErrInvalid.
func ParseURI(s string) (URI, error) {
	rest, ok := strings.CutPrefix(s, Scheme+"://")
	if !ok {
		return URI{}, fmt.Errorf("%q does not begin with hf://: %w", s, fs.ErrInvalid)
	}
	u := URI{Kind: "models"}
	first, after, _ := strings.Cut(rest, "/")
	switch {
	case first == "models" || first == "datasets" || first == "spaces":
		u.Kind, rest = first, after
	case first == "kernels" || first == "buckets":
		return URI{}, fmt.Errorf("%q: %s of the Hub are not repositories that can be written; those are models, datasets and spaces: %w", s, first, fs.ErrInvalid)
	case singular[first] != "":
		return URI{}, fmt.Errorf("%q: the kind is %s, in the plural: %w", s, singular[first], fs.ErrInvalid)
	}
	ns, rest, _ := strings.Cut(rest, "/")
	name, rest, slash := cutAny(rest, "/@")
	u.ID = ns + "/" + name
	if err := checkID(ns, name); err != nil {
		return URI{}, fmt.Errorf("%q: %w", s, err)
	}
	if slash == '@' {
		var err error
		if u.Rev, rest, err = cutRevision(rest); err != nil {
			return URI{}, fmt.Errorf("%q: %w", s, err)
		}
	}
	u.Path = rest
	if strings.HasPrefix(u.Path, "/") || strings.Contains(u.Path, "//") {
		return URI{}, fmt.Errorf("%q: the path has an empty component: %w", s, fs.ErrInvalid)
	}
	return u, nil
}

// cutAny cuts s at the first of chars, and returns that too.
func cutAny(s, chars string) (before, after string, at byte) {
	i := strings.IndexAny(s, chars)
	if i < 0 {
		return s, "", 0
	}
	return s[:i], s[i+1:], s[i]
}

// cutRevision splits what comes after the @.
func cutRevision(s string) (rev, rest string, err error) {
	if ref := specialRef.FindString(s); ref != "" && (len(ref) == len(s) || s[len(ref)] == '/') {
		return ref, strings.TrimPrefix(s[len(ref):], "/"), nil
	}
	rev, rest, _ = strings.Cut(s, "/")
	rev, err = url.PathUnescape(rev)
	if err != nil || rev == "" || strings.ContainsFunc(rev, func(r rune) bool { return r < ' ' || r == 127 }) {
		return "", "", fmt.Errorf("after @ comes a branch, a tag, a commit or refs/pr/N: %w", fs.ErrInvalid)
	}
	return rev, rest, nil
}

func checkID(ns, name string) error {
	for _, part := range []string{ns, name} {
		if !idPart.MatchString(part) || strings.Contains(part, "--") || strings.Contains(part, "..") || strings.Trim(part, "-.") != part {
			return fmt.Errorf("a repository is NAMESPACE/NAME, not %q: %w", ns+"/"+name, fs.ErrInvalid)
		}
	}
	if strings.HasSuffix(name, ".git") {
		return fmt.Errorf("the name of a repository does not end in .git: %w", fs.ErrInvalid)
	}
	return nil
}

// Repo returns the URI of the repository, without the path.
func (u URI) Repo() URI {
	u.Path = ""
	return u
}

// String returns the URI, with escapes in a revision that would else be cut there.
func (u URI) String() string {
	s := Scheme + "://"
	if u.Kind != "models" {
		s += u.Kind + "/"
	}
	s += u.ID
	if u.Rev != "" {
		rev := u.Rev
		if specialRef.FindString(rev) != rev {
			rev = strings.NewReplacer("%", "%25", "/", "%2F", "?", "%3F", "#", "%23").Replace(rev)
		}
		s += "@" + rev
	}
	if u.Path != "" {
		s += "/" + u.Path
	}
	return s
}
