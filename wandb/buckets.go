package wandb

import (
	"context"
	"fmt"
	"strings"
	"syscall"

	"artifactfs.dev/artifactfs/internal/store/bucket"
)

// inBucket returns where a reference of s3:// or gs:// leads: the object, which is the
// URI's prefix without its last slash. A reference does not say how a bucket is reached.
func (e *entry) inBucket() (u bucket.URI, key string, err error) {
	plain, _, _ := strings.Cut(e.ref, "?versionId=")
	_, rest, _ := strings.Cut(plain, "://")
	_, key, _ = strings.Cut(rest, "/")
	u, err = bucket.Parse(plain)
	if err != nil || key == "" || u.Prefix != strings.TrimSuffix(key, "/")+"/" || len(u.Params) > 0 || strings.Contains(u.Bucket, "@") {
		return u, "", fmt.Errorf("its reference %s names no object: %w", clean(e.ref), syscall.EIO)
	}
	return u, key, nil
}

// look returns the object that a reference leads to, if it is still the one that was
// logged.
func (s *Source) look(ctx context.Context, e *entry) (*bucket.Object, error) {
	u, key, err := e.inBucket()
	if err != nil {
		return nil, err
	}
	in, err := s.opt.Outside.Bucket(ctx, u)
	if err != nil {
		return nil, err
	}
	o, err := in.Stat(ctx, key)
	switch {
	case err != nil:
		return nil, err
	case e.etag != "" && o.Key() != "" && !sameTag(o.Tag(), e.etag):
		return nil, fmt.Errorf("%s was changed since it was logged: its tag is %s, expected %s: %w", e.ref, o.Tag(), e.etag, syscall.EIO)
	case e.size >= 0 && o.Size != e.size:
		return nil, fmt.Errorf("%s has %d bytes, and had %d when it was logged: %w", e.ref, o.Size, e.size, syscall.EIO)
	}
	return o, nil
}
