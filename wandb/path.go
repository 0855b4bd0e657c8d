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
		if m := iterDir.FindStringSubmatch(path.Base(p)); m != nil && strings.HasPrefix(p, "/") {
			e.path, e.iteration = path.Dir(path.Clean(p)), manifest.Number(decimal(m[1]))
		}
		e.path = s.mapped(ctx, e.path)
		return e
	}
	return effective{path: s.mapped(ctx, refs.common())}
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
	raw := strings.TrimPrefix(p, "localhost")
	plain, err := url.PathUnescape(raw)
	if err != nil {
		plain = raw
	}
	dir, found := strip(plain, entry)
	if !found {
		// The SDK does not encode what it walks below a directory.
		if d, ok := strip(raw, entry); ok {
			dir, found = d, true
		}
	}
	b.whole.add(dir, found)
	inner, named := strings.CutPrefix(entry, "output/")
	below := strings.HasSuffix(plain, "/"+inner)
	b.output.add(strings.TrimSuffix(plain, "/"+inner), named && below)
}

// strip removes from the end of a path the components that an entry ends with too.
func strip(p, entry string) (dir string, ok bool) {
	if !strings.HasPrefix(p, "/") {
		return "", false
	}
	e := "/" + entry
	for {
		i, j := strings.LastIndexByte(p, '/'), strings.LastIndexByte(e, '/')
		if i < 0 || j < 0 || p[i:] != e[j:] {
			break
		}
		p, e, ok = p[:i], e[:j], true
	}
	if p == "" {
		p = "/"
	}
	return p, ok
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
