package web

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"sync"
	"time"

	"artifactfs.dev/artifactfs/internal/store"
)

// Files is one file in a directory of its own, which is all that can be known of the
// directory that it lies in.
type Files struct {
	c    *Client
	url  *url.URL
	name string

	mu   sync.Mutex // guards what follows; not held while the server is asked
	last *Object
	at   time.Time // when it was looked at
}

var (
	_ store.Files    = (*Files)(nil)
	_ store.Changing = (*Files)(nil)
	_ store.Walker   = (*Files)(nil)
)

// Files returns the file at u; EOPNOTSUPP if that is not a file's address. It asks
// nothing.
func (c *Client) Files(u *url.URL) (*Files, error) {
	name, err := name(u)
	if err != nil {
		return nil, err
	}
	return &Files{c: c, url: u, name: name}, nil
}

// Lasts is how long what was looked at is good for.
func (f *Files) Lasts() time.Duration { return f.c.opt.Lasts }

// retry is how long a server is not asked again that did not answer.
const retry = 5 * time.Second

// look returns the content that the file has. While the server does not answer it is
// what it was: what is read of it is checked in any case.
func (f *Files) look(ctx context.Context) (*Object, error) {
	f.mu.Lock()
	last, age := f.last, time.Since(f.at)
	f.mu.Unlock()
	if last != nil && age < f.c.opt.Lasts {
		return last, nil
	}
	now, err := f.c.Look(ctx, f.url)
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case err == nil:
		f.last, f.at = now, time.Now()
	case last != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) && !errors.Is(err, errRefused):
		f.at = time.Now().Add(min(retry, f.c.opt.Lasts) - f.c.opt.Lasts)
		return last, nil
	}
	return now, err
}

// Stat returns the directory, or the file in it.
func (f *Files) Stat(ctx context.Context, path string) (store.File, error) {
	if path != "" && path != f.name {
		return store.File{}, fmt.Errorf("%s has nothing beside it that can be known: %w", Show(f.url), fs.ErrNotExist)
	}
	o, err := f.look(ctx)
	if err != nil {
		return store.File{}, err
	}
	if path == "" {
		return store.File{Dir: true, ModTime: o.ModTime}, nil
	}
	return store.File{Name: f.name, Size: o.Size, ModTime: o.ModTime, Object: o}, nil
}

// ReadDir returns the file.
func (f *Files) ReadDir(ctx context.Context, path string) ([]store.File, error) {
	if path != "" {
		return nil, fmt.Errorf("%s/%s: %w", Show(f.url), path, fs.ErrNotExist)
	}
	file, err := f.Stat(ctx, f.name)
	if err != nil {
		return nil, err
	}
	return []store.File{file}, nil
}

// Listing is 0: there is nothing to be gained.
func (f *Files) Listing(string) uint64 { return 0 }

// ReadListing is ReadDir.
func (f *Files) ReadListing(ctx context.Context, path string) ([]store.File, uint64, error) {
	list, err := f.ReadDir(ctx, path)
	return list, 0, err
}

// Walk asks for the file.
func (f *Files) Walk(ctx context.Context, path string, fn func(store.File) error) error {
	if path != "" {
		return fmt.Errorf("%s/%s: %w", Show(f.url), path, fs.ErrNotExist)
	}
	o, err := f.c.Look(ctx, f.url)
	if err != nil {
		return err
	}
	return fn(store.File{Name: f.name, Size: o.Size, ModTime: o.ModTime, Object: o})
}
