package resolver

import (
	"context"
	"time"

	"artifactfs.dev/artifactfs/internal/store"
)

// Entry is one name in the tree.
type Entry struct {
	Node Node
	Attr store.Attr
	// Key identifies the inode: entries with one key are one file. Virtual
	// entries use their path, data (version, device, inode).
	Key string
	// Valid is how long the kernel may keep this entry and its attributes
	// without asking again; 0 where another caller could get another answer.
	Valid time.Duration
}

// DirEntry is one name in a directory listing.
type DirEntry struct {
	Name string
	Mode uint32 // the S_IFMT bits
	Key  string // as Entry.Key
	Late bool   // its attributes take asking somebody far away, and are left out
}

// Node is what an entry is: exactly one of Dir, Link, Text, Data, Stored and Control.
type Node any

// Dir is a directory. Lookup fails with fs.ErrNotExist only where the name is
// known to be absent.
type Dir interface {
	Lookup(ctx context.Context, name string) (Entry, error)
	ReadDir(ctx context.Context) ([]DirEntry, error)
	Stat(ctx context.Context) (Entry, error)
}

// Keeper is a Dir whose listing is good for a while, and the same for every caller who may
// read it.
type Keeper interface {
	// Listing names the listing that is good at this moment; 0 if there is none. It does not
	// have it made.
	Listing(ctx context.Context) uint64
	// ReadListing is ReadDir that names the listing too; 0 if it is not good for any longer.
	ReadListing(ctx context.Context) ([]DirEntry, uint64, error)
}

// Lister is a Dir that knows more cheaply than by Lookup what a name is that its
// ReadDir has just returned.
type Lister interface {
	Listed(ctx context.Context, e DirEntry) (Entry, error)
}

// Accesser is a node that answers access(2) itself, as the caller.
type Accesser interface {
	Access(ctx context.Context, mask uint32) error
}

// Link is a symbolic link whose target may change between two reads.
type Link interface {
	Readlink(ctx context.Context) (string, error)
}

// Text is a small generated file, read whole at open.
type Text interface {
	Read(ctx context.Context) ([]byte, error)
}

// Using is a Text of a version: who opens it uses that version. Who asks for its size
// does not.
type Using interface {
	Opened(ctx context.Context)
}

// Versioned is a node that shows data of a version.
type Versioned interface {
	Which() (name string, version int)
}

// Data is a regular file below a version's data path.
type Data interface {
	Real() string // its path on the host, with no link in it
	Version() *Version
	Stat(ctx context.Context) (store.Attr, error)
}

// Stored is a regular file of a version that its store hands out by ranges.
type Stored interface {
	Accesser
	Object() store.Object
	Version() *Version
}

// Current is a Stored whose name may come to lead to other content: ESTALE says that it
// does, so that who opens it has to look it up again.
type Current interface {
	Current(ctx context.Context) error
}

// Control is a file whose writes do something.
type Control interface {
	Open(ctx context.Context, flags int) (Handle, error)
}

// Handle is an open control file. A write returns only when what it completed
// has been done, with that outcome.
type Handle interface {
	Write(ctx context.Context, p []byte, off int64) (int, error)
	Read(ctx context.Context, p []byte, off int64) (int, error)
	Flush(ctx context.Context) error
	Size() int64
	Close() error
}

// Mutable is a directory in which names can be made, renamed and removed: below
// .log and .manifest.
type Mutable interface {
	Mkdir(ctx context.Context, name string) (Entry, error)
	Create(ctx context.Context, name string, exclusive bool) (Entry, Handle, error)
	Rename(ctx context.Context, old string, to Mutable, new string) error
	Unlink(ctx context.Context, name string) error
	Rmdir(ctx context.Context, name string) error
	Symlink(ctx context.Context, name, target string) (Entry, error)
}
