package wandb

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"syscall"

	"artifactfs.dev/artifactfs/internal/store/bucket"
)

// buckets are those that references lead into. Credentials are the vendor's defaults:
// W&B has none to give.
type buckets struct {
	open func(context.Context, bucket.URI) (*bucket.Bucket, error)

	mu    sync.Mutex // guards what follows
	known map[string]*bucket.Bucket
}

// look returns the object that a reference leads to, if it is still the one that was
// logged.
func (b *buckets) look(ctx context.Context, e *entry) (*bucket.Object, error) {
	scheme, rest, _ := strings.Cut(e.ref, "://")
	name, key, _ := strings.Cut(rest, "/")
	key, _, _ = strings.Cut(key, "?versionId=")
	if name == "" || key == "" || strings.ContainsAny(name, "?@") { // nor does a reference say how a bucket is reached
		return nil, fmt.Errorf("the reference %s names no object: %w", clean(e.ref), syscall.EIO)
	}
	in, err := b.get(ctx, scheme+"://"+name)
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

func (b *buckets) get(ctx context.Context, uri string) (*bucket.Bucket, error) {
	b.mu.Lock()
	in, ok := b.known[uri]
	b.mu.Unlock()
	if ok {
		return in, nil
	}
	u, err := bucket.Parse(uri)
	if err != nil {
		return nil, err
	}
	if in, err = b.open(context.WithoutCancel(ctx), u); err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.known == nil {
		b.known = make(map[string]*bucket.Bucket)
	}
	b.known[uri] = in
	return in, nil
}
