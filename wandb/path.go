package wandb

import (
	"context"
	"net/url"
	"os"
	"path"
	"regexp"
	"strings"
	"time"

	"artifactfs.dev/artifactfs/manifest"
)

// effective is where the data of a version lies, and what that says of it.
type effective struct {
	path      string          // "": in W&B
	iteration manifest.Number // of a checkpoint that is named by its iteration; "" if it is not
}

var iterDir = regexp.MustCompile(`^iter_([0-9]+)$`)

// effectivePath is the data path of a version, as upstream finds it: what its
// metadata says, else where its file:// references have their common base.
func (s *Source) effectivePath(ctx context.Context, meta manifest.Object, refs *bases) effective {
	if v, said := meta.Get("absolute_path"); said {
		p, _ := v.(string)
		e := effective{path: p}
		if m := iterDir.FindStringSubmatch(path.Base(p)); m != nil {
			if dir := above(p); dir != "" {
				e.path, e.iteration = dir, manifest.Number(decimal(m[1]))
			}
		}
		e.path = s.mapped(ctx, e.path)
		return e
	}
	return effective{path: s.mapped(ctx, refs.common())}
}

// above is the directory that an absolute path, or a URI, lies in; "" of what is neither,
// or the host of a URI.
func above(p string) string {
	if strings.HasPrefix(p, "/") {
		return path.Dir(path.Clean(p))
	}
	if scheme, rest, ok := strings.Cut(p, "://"); ok && manifest.IsURI(p) {
		rest = strings.TrimRight(rest, "/")
		if i := strings.LastIndexByte(rest, '/'); i >= 0 {
			return scheme + "://" + rest[:i]
		}
	}
	return ""
}

// decimal removes leading zeros: JSON's numbers have none.
func decimal(digits string) string {
	if s := strings.TrimLeft(digits, "0"); s != "" {
		return s
	}
	return "0"
}

// nemoRun is the directory of a job inside its container.
const nemoRun = "/nemo_run"

// mapped returns p as a path on this machine: /nemo_run is a job's directory in its
// container, and NEMO_RUN_DIR the same outside.
func (s *Source) mapped(ctx context.Context, p string) string {
	rest, ok := strings.CutPrefix(p, nemoRun)
	dir := strings.TrimRight(s.c.config.NemoRunDir, "/")
	if !ok || rest != "" && rest[0] != '/' || dir == "" || dir == nemoRun || s.exists(ctx, p) {
		return p
	}
	return dir + rest
}

// pathExists reports whether there is something at a path, and that there is while
// its file system does not say.
func pathExists(ctx context.Context, p string) bool {
	if _, err := os.Lstat(nemoRun); err != nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	there := make(chan bool, 1)
	go func() {
		_, err := os.Lstat(p)
		there <- err == nil
	}()
	select {
	case ok := <-there:
		return ok
	case <-ctx.Done():
		return true
	}
}

// bases finds the directory that the file:// references of a version lie below.
//
// A reference to a directory has an entry for each of its files, below the name it was
// given. So an entry's path ends as its reference does, and what comes before is
// the directory. Upstream names its directories "output", which is then no part of
// the path even if the directory is called that too.
type bases struct {
	n             int
	whole, output base
}

// base is the one directory that all references have had so far.
type base struct {
	dir string
	not bool // they have more than one
}

func (b *base) add(dir string, ok bool) {
	if !ok || b.dir != "" && b.dir != dir {
		b.not = true
	}
	b.dir = dir
}

// add takes an entry and its reference.
func (b *bases) add(entry, ref string) {
	p, ok := strings.CutPrefix(ref, "file://")
	if !ok {
		return
	}
	b.n++
	p = strings.TrimPrefix(p, "localhost")
	dir, rel := divide(p, entry)
	b.whole.add(dir, rel != "")
	inner, named := strings.CutPrefix(entry, "output/")
	dir, rel = divide(p, inner)
	b.output.add(dir, named && rel == inner)
}

// divide splits the path of a file's URI into the directory and what the entry that
// refers to it ends with too: "" if that is nothing. The URI of a directory may be
// percent-encoded; what the SDK adds to it for each file is not, and ours is.
func divide(p, entry string) (dir, rel string) {
	if !strings.HasPrefix(p, "/") {
		return "", ""
	}
	for entry != "" && p != "" {
		i, j := strings.LastIndexByte(p, '/'), strings.LastIndexByte(entry, '/')
		name := entry[j+1:]
		if p[i+1:] != name && plain(p[i+1:]) != name {
			break
		}
		rel = path.Join(name, rel)
		p, entry = p[:i], entry[:max(j, 0)]
	}
	if p == "" {
		p = "/"
	}
	return plain(p), rel
}

// plain decodes a path; one that is not encoded is left as it is.
func plain(p string) string {
	if d, err := url.PathUnescape(p); err == nil {
		return d
	}
	return p
}

// common returns the directory, "" if there is not one.
func (b *bases) common() string {
	switch {
	case b.n == 0:
	case !b.output.not:
		return b.output.dir
	case !b.whole.not:
		return b.whole.dir
	}
	return ""
}
