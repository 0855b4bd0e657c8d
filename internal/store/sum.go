package store

import (
	"context"
	"crypto/md5"
	"crypto/sha256"
	"errors"
	"hash"

	"github.com/zeebo/xxh3"
)

// ErrDigest is of content that was read, and does not have the digest that was recorded.
var ErrDigest = errors.New("the content does not have the recorded digest")

// NewHash returns a hash by its name: "md5", "sha256", or "xxh128", whose sum is in the
// big-endian form, as W&B's; nil for any other.
func NewHash(algorithm string) hash.Hash {
	switch algorithm {
	case "md5":
		return md5.New()
	case "sha256":
		return sha256.New()
	case "xxh128":
		return xxh3.New128()
	}
	return nil
}

// Sum is what is recorded of one file's content.
type Sum struct {
	Path   string // below the root of its Files
	Size   int64  // in bytes; -1 if it is not recorded
	Local  string // set: the file on this machine
	Object Object // set: the content, where it is in no such file

	// Digest returns the digest of the content, of an algorithm that NewHash knows; ""
	// if there is none. real is where Local leads: what some clients record in place of a
	// digest is made of that.
	Digest func(real string) (algorithm string, sum []byte)
}

// Summed is Files of which it is recorded what their content was.
type Summed interface {
	// Sums calls fn with every file in turn, until it returns an error, and returns that.
	Sums(ctx context.Context, fn func(Sum) error) error
}
