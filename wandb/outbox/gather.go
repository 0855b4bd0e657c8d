package outbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"artifactfs.dev/artifactfs/internal/store"
	"artifactfs.dev/artifactfs/manifest"
	"artifactfs.dev/artifactfs/wandb"
)

// maxStored is the longest file that is uploaded. What is longer is referred to.
const maxStored = 4 << 20

// contents is what an artifact holds, once and for all: every try to log it sends
// the same, and W&B can tell that it is the same. Its entries lie in a file.
type contents struct {
	Digest   string   `json:"digest"`
	Count    int      `json:"count"`
	Metadata string   `json:"metadata"`
	Notes    []string `json:"notes,omitempty"` // what was left out, in words
}

// gatherer looks at the data of a spec, as the caller.
type gatherer struct {
	data *store.Local
	max  int
}

// gather writes the entries of s to out, which it may truncate.
func (g gatherer) gather(ctx context.Context, s *spec, out *os.File) (*contents, error) {
	c := &contents{}
	fixed := []entry{stored("metadata.json", s.Metadata)}
	if manifest.IsURI(s.Path) {
		fixed = append(fixed, entry{Path: "output", Ref: s.Path, Digest: s.Path})
		return c, c.write(out, s, fixed, s.Path, nil)
	}
	d, err := g.find(ctx, s)
	if err != nil {
		if !refused(err) {
			return nil, err
		}
		c.note("no references to the data: %v", err)
		return c, c.write(out, s, fixed, s.Path, nil)
	}
	more, err := g.files(ctx, s, d, c)
	if err != nil {
		return nil, err
	}
	fixed = append(fixed, more...)
	if d.name == "" {
		// A checkpoint's own metadata.json is what a loader looks for.
		if _, err := g.data.Lstat(ctx, join(d.real, "metadata.json")); err == nil {
			fixed[0].Path = ".artifactfs/metadata.json"
		}
	}
	w := &walker{data: g.data, max: g.max}
	walk := func(emit func(entry) error) error {
		w.emit = emit
		return w.dir(ctx, d.real, wandb.FileURI(d.path), d.name)
	}
	err = c.write(out, s, fixed, d.path, walk)
	if errors.Is(err, errTooMany) || refused(err) {
		c.note("no references to the data: %v", err)
		if err := out.Truncate(0); err != nil {
			return nil, err
		}
		if _, err := out.Seek(0, io.SeekStart); err != nil {
			return nil, err
		}
		err = c.write(out, s, fixed, d.path, nil)
	}
	if w.left > 0 {
		c.note("%d files have no reference; the first is %s", w.left, w.why)
	}
	return c, err
}

func (c *contents) note(format string, args ...any) {
	c.Notes = append(c.Notes, fmt.Sprintf(format, args...))
}

// write writes fixed entries and those that walk finds. dir is where the data lies.
func (c *contents) write(out io.Writer, s *spec, fixed []entry, dir string, walk func(func(entry) error) error) error {
	fixed = slices.Clone(fixed)
	slices.SortFunc(fixed, func(a, b entry) int { return strings.Compare(a.Path, b.Path) })
	w := newEntryWriter(out, fixed)
	if walk != nil {
		if err := walk(w.add); err != nil {
			return err
		}
	}
	digest, err := w.close()
	if err != nil {
		return err
	}
	// Upstream takes the first reference's parent for the data's path. It is said in
	// so many words where that is another one.
	absolute := dir
	if s.Iteration != nil || w.first != "" && path.Dir(w.first[len("file://"):]) == dir {
		absolute = ""
	}
	var dropped []string
	c.Digest, c.Count = digest, w.n
	c.Metadata, dropped, err = s.metadata(absolute)
	if len(dropped) > 0 {
		c.note("W&B has no room for more than %d metadata keys; %d are in metadata.json alone: %s", maxMetadataKeys, len(dropped), strings.Join(dropped, ", "))
	}
	return err
}

// place is a directory that is referred to.
type place struct {
	path string // as it is recorded
	real string
	name string // what its entries lie below; "" for a checkpoint
	file string // the real path of the file that the data's path is, "" if it is no file
}

// find says where the data lies.
func (g gatherer) find(ctx context.Context, s *spec) (place, error) {
	if s.Iteration != nil {
		var err error
		for _, dir := range s.iterationDirs() {
			var at store.Place
			if at, err = g.data.Resolve(ctx, dir); err == nil && isDir(at) {
				return place{path: path.Clean(dir), real: at.Path}, nil
			}
			if err == nil {
				err = fmt.Errorf("%s: %w", dir, syscall.ENOTDIR)
			}
			if !refused(err) {
				break
			}
		}
		return place{}, err
	}
	at, err := g.data.Resolve(ctx, s.Path)
	if err != nil {
		return place{}, err
	}
	if isDir(at) {
		return place{path: at.Path, real: at.Path, name: "output"}, nil
	}
	dir := path.Dir(at.Path)
	return place{path: dir, real: dir, name: "output", file: at.Path}, nil
}

func isDir(at store.Place) bool { return at.Attr.Mode&unix.S_IFMT == unix.S_IFDIR }

// files reads the small files that are stored.
func (g gatherer) files(ctx context.Context, s *spec, d place, c *contents) ([]entry, error) {
	var out []entry
	for _, f := range s.Files {
		if f.IfFile && d.file == "" || f.Name == "metadata.json" || slices.ContainsFunc(out, func(e entry) bool { return e.Path == f.Name }) {
			continue
		}
		b, err := g.read(ctx, f.Path)
		switch {
		case err == nil:
			out = append(out, stored(f.Name, b))
		case errors.Is(err, syscall.EFBIG):
			c.note("%s is not stored: it is longer than %d bytes", f.Path, maxStored)
		case !refused(err) && !errors.Is(err, syscall.EINVAL):
			return nil, err
		}
	}
	return out, nil
}

// read reads a small file as the caller.
func (g gatherer) read(ctx context.Context, p string) ([]byte, error) {
	at, err := g.data.Resolve(ctx, p)
	if err != nil {
		return nil, err
	}
	if at.Attr.Size > maxStored {
		return nil, syscall.EFBIG
	}
	f, _, err := g.data.OpenWith(ctx, at.Path, nil)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	read := make(chan []byte, 1) // past the deadline nobody waits for it
	err = g.data.Do(ctx, at.Path, func() error {
		b, err := io.ReadAll(io.LimitReader(f, maxStored+1))
		read <- b
		return err
	})
	if err != nil {
		return nil, err
	}
	b := <-read
	if len(b) > maxStored {
		return nil, syscall.EFBIG
	}
	return b, nil
}
