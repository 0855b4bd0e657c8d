// Package storetest has a store.Files for tests: a directory whose bytes travel
// over HTTP, as a store's do.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"

	"artifactfs.dev/artifactfs/internal/store"
)

// Served is what lies in a directory, read from a server of it, such as
// httptest.NewServer(http.FileServer(http.Dir(dir))). Names and sizes come from the
// directory itself; a symbolic link in it is a file on this machine.
type Served struct {
	Dir string
	URL string
}

var _ store.Files = (*Served)(nil)

func (s *Served) Stat(_ context.Context, path string) (store.File, error) {
	fi, err := os.Lstat(filepath.Join(s.Dir, path))
	if err != nil {
		return store.File{}, err
	}
	f := store.File{Name: fi.Name(), Dir: fi.IsDir(), Size: fi.Size(), ModTime: fi.ModTime()}
	switch {
	case path == "":
		f.Name = ""
	case fi.Mode()&fs.ModeSymlink != 0:
		f.Local, err = os.Readlink(filepath.Join(s.Dir, path))
	case !f.Dir:
		f.Object = &object{s.URL + "/" + path, fi.Size()}
	}
	return f, err
}

func (s *Served) ReadDir(ctx context.Context, path string) ([]store.File, error) {
	names, err := os.ReadDir(filepath.Join(s.Dir, path))
	if err != nil {
		return nil, err
	}
	var list []store.File
	for _, n := range names {
		f, err := s.Stat(ctx, filepath.Join(path, n.Name()))
		if err != nil {
			return nil, err
		}
		list = append(list, f)
	}
	return slices.Clip(list), nil
}

type object struct {
	url  string
	size int64
}

func (o *object) Key() string { return o.url }

func (o *object) ReadRange(ctx context.Context, off, n int64) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, o.url, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", off, min(off+n, o.size)-1))
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	switch res.StatusCode {
	case http.StatusPartialContent:
		return res.Body, nil
	case http.StatusNotFound:
		err = fs.ErrNotExist
	default:
		err = errors.New(res.Status)
	}
	res.Body.Close()
	return nil, fmt.Errorf("%s: %w", o.url, err)
}
