package store

import (
	"context"
	"io"
	"time"
)

// Object is the content of one file that is read by ranges, over a network as a
// rule. It is safe for concurrent use.
type Object interface {
	// Key names the content: two objects of one key have the same bytes. It may be
	// written to disk, so there is no credential in it. "" says that nothing about the
	// content is known for certain, and that it must not be kept.
	Key() string

	// ReadRange returns the n bytes at off, fewer only at the end of the object, and
	// none beyond it. The caller closes what it gets. An object that is no longer the
	// one that was looked up is an error, never other bytes; fs.ErrNotExist says that
	// it is gone for certain.
	ReadRange(ctx context.Context, off, n int64) (io.ReadCloser, error)
}

// File is one name among Files: a directory, a file on this machine, or an object.
type File struct {
	Name    string // its last component; "" for the root
	Dir     bool
	Size    int64     // in bytes; -1 where a listing does not say
	ModTime time.Time // zero if unknown
	Local   string    // set: the real file, which is opened through Local as the caller
	Object  Object    // set: the content; nil for directories and local files
}

// Files is a tree of files that does not lie in one local directory: what a store
// keeps of a version, or a prefix of a bucket. It is safe for concurrent use, and
// never changes, unless it is Changing.
type Files interface {
	// Stat returns one file; path is slash-separated, "" is the root. Its size is
	// known. The error is fs.ErrNotExist only where there is certainly no such file.
	Stat(ctx context.Context, path string) (File, error)

	// ReadDir returns what lies directly below path, sorted by name.
	ReadDir(ctx context.Context, path string) ([]File, error)
}

// Walker is Files that can be looked at as a whole.
type Walker interface {
	// Walk calls fn with every file below a directory, as the store has them now and
	// whatever was remembered of them. Name is the path below the directory. That there
	// are none is no error where the store cannot tell that from no directory.
	Walk(ctx context.Context, path string, fn func(File) error) error
}

// Changing is Files that somebody may change: what was asked is good for so long, and
// after that a name may lead to another Object.
type Changing interface {
	Lasts() time.Duration

	// Listing names the listing of a directory that is good at this moment; 0 if there is
	// none. It asks nobody.
	Listing(path string) uint64

	// ReadListing is ReadDir that names the listing too; 0 if it is not good for any longer.
	ReadListing(ctx context.Context, path string) ([]File, uint64, error)
}
