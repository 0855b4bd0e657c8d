package resolver

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"
)

// FS returns the tree as an io/fs file system, as this process sees it. Views are
// not listed there either, and can be opened.
func (t *Tree) FS() fs.FS { return &treeFS{t} }

type treeFS struct{ t *Tree }

var (
	_ fs.ReadDirFS  = (*treeFS)(nil)
	_ fs.StatFS     = (*treeFS)(nil)
	_ fs.ReadLinkFS = (*treeFS)(nil)
)

func (f *treeFS) walk(op, name string, follow bool) (Entry, error) {
	if !fs.ValidPath(name) {
		return Entry{}, &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	e, _, err := f.t.walk(context.Background(), name, follow)
	if err != nil {
		return e, &fs.PathError{Op: op, Path: name, Err: err}
	}
	return e, nil
}

func (f *treeFS) Stat(name string) (fs.FileInfo, error) {
	e, err := f.walk("stat", name, true)
	if err != nil {
		return nil, err
	}
	return fileInfo{path.Base(name), e}, nil
}

func (f *treeFS) Lstat(name string) (fs.FileInfo, error) {
	e, err := f.walk("lstat", name, false)
	if err != nil {
		return nil, err
	}
	return fileInfo{path.Base(name), e}, nil
}

func (f *treeFS) ReadLink(name string) (string, error) {
	e, err := f.walk("readlink", name, false)
	if err != nil {
		return "", err
	}
	l, ok := e.Node.(Link)
	if !ok {
		return "", &fs.PathError{Op: "readlink", Path: name, Err: fs.ErrInvalid}
	}
	return l.Readlink(context.Background())
}

func (f *treeFS) ReadDir(name string) ([]fs.DirEntry, error) {
	e, err := f.walk("readdir", name, true)
	if err != nil {
		return nil, err
	}
	d, ok := e.Node.(Dir)
	if !ok {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: syscall.ENOTDIR}
	}
	list, err := d.ReadDir(context.Background())
	if err != nil {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: err}
	}
	out := make([]fs.DirEntry, 0, len(list))
	for _, e := range list {
		out = append(out, dirEntry{f, path.Join(name, e.Name), e})
	}
	slices.SortFunc(out, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return out, nil
}

func (f *treeFS) Open(name string) (fs.File, error) {
	e, err := f.walk("open", name, true)
	if err != nil {
		return nil, err
	}
	file := &openFile{info: fileInfo{path.Base(name), e}}
	switch n := e.Node.(type) {
	case Dir:
		list, err := f.ReadDir(name)
		return &openDir{openFile: file, list: list}, err
	case Data:
		real, _, err := f.t.data.OpenWith(context.Background(), n.Real(), nil)
		if err != nil {
			return nil, &fs.PathError{Op: "open", Path: name, Err: err}
		}
		file.ReadCloser = real
	case Stored:
		r := f.t.OpenStored(n, e.Attr.Size)
		file.ReadCloser = storedReader{io.NewSectionReader(r, 0, e.Attr.Size), r}
	case Text:
		b, err := n.Read(context.Background())
		if err != nil {
			return nil, &fs.PathError{Op: "open", Path: name, Err: err}
		}
		file.ReadCloser = io.NopCloser(bytes.NewReader(b))
	case Control:
		h, err := n.Open(context.Background(), syscall.O_RDONLY)
		if err != nil {
			return nil, &fs.PathError{Op: "open", Path: name, Err: err}
		}
		file.ReadCloser = &handleReader{h: h}
	default:
		return nil, &fs.PathError{Op: "open", Path: name, Err: syscall.ENXIO}
	}
	return file, nil
}

type openFile struct {
	io.ReadCloser
	info fileInfo
}

func (f *openFile) Stat() (fs.FileInfo, error) { return f.info, nil }

type openDir struct {
	*openFile
	list []fs.DirEntry
	next int
}

func (d *openDir) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: d.info.name, Err: syscall.EISDIR}
}
func (d *openDir) Close() error { return nil }

func (d *openDir) ReadDir(n int) ([]fs.DirEntry, error) {
	rest := d.list[d.next:]
	if n > 0 {
		if len(rest) == 0 {
			return nil, io.EOF
		}
		rest = rest[:min(n, len(rest))]
	}
	d.next += len(rest)
	return slices.Clone(rest), nil
}

// storedReader reads what a store keeps, from its start.
type storedReader struct {
	*io.SectionReader
	r Content
}

func (s storedReader) Close() error { return s.r.Close() }

// handleReader reads a control file from its start.
type handleReader struct {
	h   Handle
	off int64
}

func (r *handleReader) Read(p []byte) (int, error) {
	n, err := r.h.Read(context.Background(), p, r.off)
	r.off += int64(n)
	if n == 0 && err == nil && len(p) > 0 {
		err = io.EOF
	}
	return n, err
}

func (r *handleReader) Close() error { return r.h.Close() }

type dirEntry struct {
	f    *treeFS
	path string
	e    DirEntry
}

func (d dirEntry) Name() string               { return d.e.Name }
func (d dirEntry) IsDir() bool                { return d.Type().IsDir() }
func (d dirEntry) Type() fs.FileMode          { return fileMode(d.e.Mode).Type() }
func (d dirEntry) Info() (fs.FileInfo, error) { return d.f.Lstat(d.path) }
func (d dirEntry) String() string             { return fs.FormatDirEntry(d) }

type fileInfo struct {
	name string
	e    Entry
}

func (i fileInfo) Name() string       { return i.name }
func (i fileInfo) Size() int64        { return i.e.Attr.Size }
func (i fileInfo) Mode() fs.FileMode  { return fileMode(i.e.Attr.Mode) }
func (i fileInfo) ModTime() time.Time { return i.e.Attr.Mtime }
func (i fileInfo) IsDir() bool        { return i.Mode().IsDir() }
func (i fileInfo) Sys() any           { return i.e }
func (i fileInfo) String() string     { return fs.FormatFileInfo(i) }

// fileMode converts st_mode.
func fileMode(mode uint32) fs.FileMode {
	m := fs.FileMode(mode & 0o777)
	switch mode & syscall.S_IFMT {
	case syscall.S_IFDIR:
		m |= fs.ModeDir
	case syscall.S_IFLNK:
		m |= fs.ModeSymlink
	case syscall.S_IFIFO:
		m |= fs.ModeNamedPipe
	case syscall.S_IFSOCK:
		m |= fs.ModeSocket
	case syscall.S_IFCHR:
		m |= fs.ModeDevice | fs.ModeCharDevice
	case syscall.S_IFBLK:
		m |= fs.ModeDevice
	}
	if mode&syscall.S_ISVTX != 0 {
		m |= fs.ModeSticky
	}
	if mode&syscall.S_ISUID != 0 {
		m |= fs.ModeSetuid
	}
	if mode&syscall.S_ISGID != 0 {
		m |= fs.ModeSetgid
	}
	return m
}
