package wandb

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"syscall"

	"artifactfs.dev/artifactfs/internal/store"
	"artifactfs.dev/artifactfs/internal/store/bucket"
	"artifactfs.dev/artifactfs/manifest"
)

// Files returns the files of a version as W&B has them: those it stores, and those it
// refers to. Nothing is fetched but the manifest.
func (s *Source) Files(ctx context.Context, name string, version int) (store.Files, error) {
	l, err := s.listing(ctx, name)
	if err != nil {
		return nil, err
	}
	id, ok := l.ids[version]
	if !ok {
		return nil, s.noVersion(name, version)
	}
	return s.filesOf(ctx, name, version, l.at, id)
}

// noVersion says that a listing does not have a version. One that the server has not
// been able to confirm says nothing of versions that are not in it.
func (s *Source) noVersion(name string, version int) error {
	if s.health.unwell() {
		return fmt.Errorf("whether %s has %s is not known: %w", name, manifest.Version(version), s.health.cause())
	}
	return fmt.Errorf("%s has no %s in W&B at %s: %w", name, manifest.Version(version), s.c, fs.ErrNotExist)
}

// files are those of one version.
type files struct {
	s      *Source
	of     string // NAME:vN, for messages
	id     string // of the artifact
	at     collection
	alias  string // the version, within the collection
	index  *index
	signed *signed

	from  *files // whose reference led here; nil if none did
	path  string // that it led to
	depth int
}

var _ store.Files = (*files)(nil)

func (s *Source) filesOf(ctx context.Context, name string, version int, at collection, id string) (*files, error) {
	v := manifest.Version(version).String()
	x, err := s.indexes.get(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("files of %s:%s: %w", name, v, err)
	}
	f := &files{s: s, of: name + ":" + v, id: id, at: at, alias: v, index: x}
	key := id + " " + at.String() + ":" + v
	g, ok := s.addresses.Get(key)
	if !ok {
		g = &signed{f: f}
		s.addresses.Add(key, g)
	}
	f.signed = g
	return f, nil
}

// Stat returns one file.
func (f *files) Stat(ctx context.Context, path string) (store.File, error) {
	if f.index.isDir(path) {
		return store.File{Name: path[strings.LastIndexByte(path, '/')+1:], Dir: true}, nil
	}
	i, ok := f.index.find(path)
	if !ok {
		return store.File{}, fmt.Errorf("%s has no file %s in W&B: %w", f.of, path, fs.ErrNotExist)
	}
	e := f.index.at(i)
	file, err := f.file(ctx, i, &e)
	if err == nil && file.Object != nil && file.Size < 0 {
		file.Size, err = f.size(ctx, file.Object)
	}
	if err != nil {
		return file, fmt.Errorf("file %s of %s: %w", path, f.of, err)
	}
	return file, nil
}

// size asks for what the manifest does not say.
func (f *files) size(ctx context.Context, o store.Object) (int64, error) {
	switch o := o.(type) {
	case *object:
		return o.size(ctx)
	case *bucket.Object:
		return o.Size, nil
	}
	return 0, fmt.Errorf("its size is not known: %w", syscall.EIO)
}

// ReadDir lists a directory. References to other artifacts are not followed for it.
func (f *files) ReadDir(_ context.Context, path string) ([]store.File, error) {
	if !f.index.isDir(path) {
		err := error(fs.ErrNotExist)
		if _, ok := f.index.find(path); ok {
			err = syscall.ENOTDIR
		}
		return nil, fmt.Errorf("%s has no directory %s in W&B: %w", f.of, path, err)
	}
	var list []store.File
	f.index.list(path, func(name string, i int, isDir bool) {
		if isDir {
			list = append(list, store.File{Name: name, Dir: true})
			return
		}
		e := f.index.at(i)
		list = append(list, f.listed(name, i, &e))
	})
	slices.SortFunc(list, func(a, b store.File) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

// maxMetadata is the largest metadata.json that is part of a record.
const maxMetadata = 4 << 20

// metadataJSON returns the metadata.json that is stored with a version, nil if there is
// none, or none that is what the manifest says.
func (f *files) metadataJSON(ctx context.Context) ([]byte, error) {
	i, ok := f.index.find("metadata.json")
	if !ok {
		return nil, nil
	}
	e := f.index.at(i)
	if e.ref != "" || e.size < 0 || e.size > maxMetadata {
		return nil, nil
	}
	r, err := (&object{f: f, i: i}).ReadRange(ctx, 0, max(e.size, 1))
	if err == nil {
		defer r.Close()
		var text []byte
		if text, err = io.ReadAll(r); err == nil {
			return text, nil
		}
	}
	if !isCorrupt(err) {
		return nil, err
	}
	f.s.opt.Log.Warn("metadata.json is left out of the record", "of", f.of, "err", err)
	return nil, nil
}
