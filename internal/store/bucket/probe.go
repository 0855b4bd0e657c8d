package bucket

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"

	"artifactfs.dev/artifactfs/internal/store/hfblob"
)

// ErrNoClaims says that a store overwrites what a conditional write must leave alone,
// so that two writers would have one number.
var ErrNoClaims = errors.New("the store does not honour If-None-Match")

// Probe creates an object twice under a new key, removes it, and returns why versions
// cannot be logged there, if they cannot. Where each write is a commit nothing is
// written, and what only a write would tell is not known: whether the token may.
func (b *Bucket) Probe(ctx context.Context, prefix string) error {
	var repo *hfblob.Repo
	if b.Commits() && b.blob.As(&repo) {
		ctx, cancel := b.bounded(ctx)
		defer cancel()
		if err := repo.Branch(ctx); err != nil {
			return b.failed(ctx, "write", "", err, true)
		}
		return nil
	}
	key := prefix + "probe-" + rand.Text()
	if err := b.Create(ctx, key, []byte("1\n")); err != nil {
		return err
	}
	again := b.Create(ctx, key, []byte("2\n"))
	if err := b.Remove(ctx, key); err != nil {
		return err
	}
	if again == nil {
		return fmt.Errorf("%s: %w", b, ErrNoClaims)
	}
	if !errors.Is(again, fs.ErrExist) {
		return again
	}
	return nil
}
