package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"syscall"

	"artifactfs.dev/artifactfs/internal/store/bucket"
	"artifactfs.dev/artifactfs/internal/store/web"
	"artifactfs.dev/artifactfs/wandb"
)

// references are where W&B's references lead. data_roots confine them as they confine
// records: a manifest is anybody's who may log to the project, and what it names is
// read by the daemon, with its credentials and from its place in the network.
type references struct{ *remoteData }

var _ wandb.Outside = references{}

func (r references) Object(u bucket.URI) error {
	_, err := r.reach(u)
	return err
}

func (r references) Bucket(_ context.Context, u bucket.URI) (*bucket.Bucket, error) {
	u, err := r.reach(u)
	if err != nil {
		return nil, err
	}
	b, _, err := r.bucket(u)
	return b, err
}

// Web is for addresses of the web, which no credential is sent to. Once there are
// data_roots, only what lies below one of them is asked: other users read through the
// mount what its machine is answered.
func (r references) Web(u *url.URL) error {
	if len(r.cfg.Load().Roots()) == 0 {
		return nil
	}
	u, err := web.Parse(u.String())
	if err == nil {
		_, err = r.allowedWeb(u)
	}
	if errors.Is(err, fs.ErrInvalid) {
		err = fmt.Errorf("%w: %w", err, syscall.EPERM)
	}
	return err
}

// outsideRoots says that data is not to be read, and what would let it be.
func outsideRoots(where, root string) error {
	return fmt.Errorf("%s lies outside of artifactfs.data_roots; if data may lie there, add %q: %w", where, root, syscall.EPERM)
}
