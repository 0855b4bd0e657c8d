package wandb

import (
	"context"
	"encoding/base64"

	"artifactfs.dev/artifactfs/internal/store"
)

// Sums calls fn with every entry of the manifest.
func (f *files) Sums(ctx context.Context, fn func(store.Sum) error) error {
	for i := range f.index.len() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := fn(f.sum(i)); err != nil {
			return err
		}
	}
	return nil
}

var _ store.Summed = (*files)(nil)

func (f *files) sum(i int) store.Sum {
	e := f.index.at(i)
	file := f.listed("", i, &e)
	s := store.Sum{Path: e.path, Size: e.size, Local: file.Local, Object: file.Object}
	s.Digest = func(real string) (string, []byte) {
		o, _ := file.Object.(*object)
		switch {
		case file.Local != "":
			return e.localDigest(real)
		case o != nil && e.ref == "":
			return o.Digest()
		}
		return "", nil // a reference into a bucket, say: its own store's digest is of another kind
	}
	return s
}

// localDigest returns the digest of the file at real that the entry, a file://
// reference, was made from: an MD5 whatever the artifact's other digests are (SDK
// 0.31). One that was logged unchecked has none.
func (e *entry) localDigest(real string) (string, []byte) {
	logged, _ := e.loggedPath() // which was mapped to another place, perhaps
	if _, ok := e.hexDigest(); !ok || e.digest == URIDigest(real) || e.digest == URIDigest(logged) {
		return "", nil
	}
	sum, err := base64.StdEncoding.DecodeString(e.digest)
	if err != nil {
		return "", nil
	}
	return "md5", sum
}
