package wandb

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"strings"
	"syscall"

	"artifactfs.dev/artifactfs/internal/store/bucket"
)

// inBucket is where a reference of s3:// or gs:// leads: the object, which is the URI's
// prefix without its last slash. A reference does not say how a bucket is reached.
type inBucket struct {
	uri bucket.URI
	key string

	// version is the store's own name of what was logged, "" if that is not known.
	version string
}

func (e *entry) inBucket() (inBucket, error) {
	in := inBucket{version: e.version}
	plain, query, _ := strings.Cut(e.ref, "?versionId=")
	if in.version == "" && query != "" {
		in.version, _ = url.QueryUnescape(query)
	}
	if strings.HasPrefix(e.ref, "gs://") {
		in.version = e.etag
	}
	_, rest, _ := strings.Cut(plain, "://")
	_, in.key, _ = strings.Cut(rest, "/")
	var err error
	in.uri, err = bucket.Parse(plain)
	if err != nil || in.key == "" || in.uri.Prefix != strings.TrimSuffix(in.key, "/")+"/" || len(in.uri.Params) > 0 || strings.Contains(in.uri.Bucket, "@") {
		return inBucket{uri: in.uri}, fmt.Errorf("its reference %s names no object: %w", clean(e.ref), syscall.EIO)
	}
	return in, nil
}

// look returns the object that a reference leads to, as it was when it was logged: the
// very version, where the bucket keeps old ones.
func (s *Source) look(ctx context.Context, e *entry) (*bucket.Object, error) {
	at, err := e.inBucket()
	if err != nil {
		return nil, err
	}
	in, err := s.opt.Outside.Bucket(ctx, at.uri)
	if err != nil {
		return nil, err
	}
	o, err := found(ctx, in, at, e)
	switch {
	case err != nil:
		return nil, err
	case !e.is(o):
		return nil, fmt.Errorf("%s was changed since it was logged: its tag is %s, expected %s: %w", clean(e.ref), o.Tag(), e.etag, syscall.EIO)
	case e.size >= 0 && o.Size != e.size:
		return nil, fmt.Errorf("%s has %d bytes, and had %d when it was logged: %w", clean(e.ref), o.Size, e.size, syscall.EIO)
	}
	return o, nil
}

// is reports whether an object has the content that was logged, as far as its store
// says.
func (e *entry) is(o *bucket.Object) bool {
	return e.etag == "" || o.Key() == "" || sameTag(o.Tag(), e.etag)
}

// found asks for the version that was logged, if that is known, else for what is there
// now; if that is another, for the version that has the tag, as W&B's SDK does.
func found(ctx context.Context, in *bucket.Bucket, at inBucket, e *entry) (*bucket.Object, error) {
	if at.version != "" {
		o, err := in.StatVersion(ctx, at.key, at.version)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%s: version %s, which was logged, is not kept by the bucket: %w", clean(e.ref), at.version, syscall.EIO)
		}
		if !errors.Is(err, errors.ErrUnsupported) {
			return o, err
		}
	}
	now, err := in.Stat(ctx, at.key)
	if err == nil && e.is(now) || err != nil && !errors.Is(err, fs.ErrNotExist) || e.etag == "" {
		return now, err
	}
	old, none := in.StatTag(ctx, at.key, func(tag string) bool { return sameTag(tag, e.etag) })
	if none == nil {
		return old, nil
	}
	return now, err // which says more
}
