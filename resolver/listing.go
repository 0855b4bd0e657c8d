package resolver

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"time"

	"artifactfs.dev/artifactfs/internal/store"
	"artifactfs.dev/artifactfs/manifest"
)

// listing is what a version's data behind a URI was when somebody looked: what content
// is for data in a directory. Of each file it has what the store names its content by.
type listing struct {
	uri    string
	files  int
	bytes  int64
	newest time.Time // of all times of change; zero if the store has none
	digest string    // of every path, size and tag
}

// What a log looks at of data behind a URI: one answer of a store's, which a log waits
// for as it waits for those that find out whether there is anything.
const (
	listBudget  = 5 * time.Second
	listEntries = 1000
)

// list lists all of a version's data: EFBIG if that is more than so many files.
func (t *Tree) list(ctx context.Context, v *Version, limit int) (*listing, error) {
	files, iter, err := t.remoteFiles(ctx, v)
	if err != nil {
		return nil, err
	}
	l := &listing{uri: v.Record.Manifest.Path}
	w, ok := files.(store.Walker)
	if !ok {
		return nil, fmt.Errorf("%s is read by its name, and not listed: %w", l.uri, syscall.EOPNOTSUPP)
	}
	sum := sha256.New()
	err = w.Walk(ctx, iter, func(f store.File) error {
		if l.files++; l.files > limit {
			return fmt.Errorf("%s has more than %d files: %w", l.uri, limit, syscall.EFBIG)
		}
		l.bytes += f.Size
		if f.ModTime.After(l.newest) {
			l.newest = f.ModTime
		}
		fmt.Fprintf(sum, "%q %d %s\n", f.Name, f.Size, tagOf(f))
		return nil
	})
	if err != nil {
		return nil, err
	}
	if l.files == 0 {
		return nil, fmt.Errorf("there is nothing at %s: %w", l.uri, fs.ErrNotExist)
	}
	l.digest = hex.EncodeToString(sum.Sum(nil)[:8])
	return l, nil
}

// tagOf is what a store names a file's content by; the time of its change where it
// gives it no name.
func tagOf(f store.File) string {
	if t, ok := f.Object.(interface{ Tag() string }); ok && t.Tag() != "" {
		return t.Tag()
	}
	return when(f.ModTime)
}

func when(at time.Time) string { return at.UTC().Format(time.RFC3339) }

// loggedRemote is what a log's sidecar says of data behind a URI, nil where it cannot be
// told in one answer, or is not there yet.
func (t *Tree) loggedRemote(ctx context.Context, v *Version, o LogOptions) manifest.Object {
	if o.NoCheck {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, listBudget)
	defer cancel()
	l, err := t.list(ctx, v, listEntries)
	if err != nil {
		return nil
	}
	return l.object()
}

// object is the listing as a sidecar keeps it.
func (l *listing) object() manifest.Object {
	uri, _, _ := strings.Cut(l.uri, "?") // what follows may be a signature
	o := manifest.Object{{Key: "uri", Value: uri}}
	o.Set("files", l.files)
	o.Set("bytes", manifest.Number(fmt.Sprint(l.bytes)))
	if !l.newest.IsZero() {
		o.Set("newest", when(l.newest))
	}
	o.Set("digest", l.digest)
	return o
}

// listingOf reads what object wrote; nil if that is not there, or not of ours.
func listingOf(side manifest.Object) *listing {
	o, ok := field[manifest.Object](side, "data")
	if !ok {
		return nil
	}
	l := &listing{}
	l.uri, _ = field[string](o, "uri")
	l.digest, _ = field[string](o, "digest")
	var counted, sized bool
	l.files, counted = number[int](o, "files")
	l.bytes, sized = number[int64](o, "bytes")
	if !counted || !sized || l.uri == "" || l.digest == "" {
		return nil
	}
	return l
}
