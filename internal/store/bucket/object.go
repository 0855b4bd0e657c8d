package bucket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"syscall"
	"time"

	"gocloud.dev/blob"

	"artifactfs.dev/artifactfs/internal/store"
)

// Object is the content that an object has now, or that a version of it has. It is safe
// for concurrent use.
type Object struct {
	b       *Bucket
	key     string
	version string // of S3; "": the newest, which the tag tells from others
	tag     string
	digest  digest
	Size    int64
	ModTime time.Time
}

var (
	_ store.Object = (*Object)(nil)
	_ store.Paced  = (*Object)(nil)
)

// Stat returns the content that key has now; fs.ErrNotExist if there is none, or no
// such bucket: only a listing tells those apart.
func (b *Bucket) Stat(ctx context.Context, key string) (*Object, error) {
	ctx, cancel := b.bounded(ctx)
	defer cancel()
	asked := time.Now()
	a, err := b.blob.Attributes(ctx, key)
	b.answered(asked, err)
	if err != nil {
		return nil, b.failed(ctx, "look at", key, err, false)
	}
	o := &Object{b: b, key: key, tag: a.ETag, Size: a.Size, ModTime: a.ModTime}
	if b.rule.attr != nil {
		o.tag = b.rule.attr(a)
	}
	o.digest = b.digestOf(a, o.tag)
	return o, nil
}

// Key is the URI and the content's tag; "" where the store gave none.
func (o *Object) Key() string {
	if o.tag == "" {
		return ""
	}
	return o.b.String() + "/" + o.key + "#" + o.tag
}

// Pace is how long the store takes to list, or to look at an object.
func (o *Object) Pace() time.Duration { return o.b.pace.Least() }

// Tag names the content as the store does: the ETag, or on GCS the generation; "" if it
// gave none.
func (o *Object) Tag() string { return o.tag }

// Version is the store's name of the version that was asked for, "" where it is the
// newest that was.
func (o *Object) Version() string { return o.version }

// ReadRange reads from the content that was looked at: EIO once the object has
// another, where the store does not have the one as well.
func (o *Object) ReadRange(ctx context.Context, off, n int64) (io.ReadCloser, error) {
	n = min(n, max(o.Size-off, 0))
	r, err := o.b.blob.NewRangeReader(ctx, o.key, off, n, o.readOptions())
	if err != nil {
		err = o.b.failed(ctx, "read", o.key, err, false)
		if errors.Is(err, errCondition) || errors.Is(err, fs.ErrNotExist) && o.b.uri.Scheme == "gs" {
			err = fmt.Errorf("%s/%s was changed since it was opened: %w", o.b, o.key, syscall.EIO)
		}
		return nil, err
	}
	if err := o.checkRange(r, off, n); err != nil {
		r.Close()
		return nil, err
	}
	return &body{r, o, ctx}, nil
}

// checkRange is an error where an answer has other bytes than it was asked for: of a
// server, or something before it, that heeds no condition or does not know ranges.
func (o *Object) checkRange(r *blob.Reader, off, n int64) error {
	if !o.isOf(r, n) {
		return fmt.Errorf("%s/%s was changed since it was opened: %w", o.b, o.key, syscall.EIO)
	}
	if o.b.rule.from == nil || n == 0 || n == o.Size {
		return nil
	}
	if from := o.b.rule.from(r); from != off {
		return fmt.Errorf("%s/%s: the store was asked for the bytes from %d and sent those from %d: %w", o.b, o.key, off, max(from, 0), syscall.EIO)
	}
	return nil
}

// isOf reports whether an answer is of the content that was looked at. Where one of
// them has no tag, size and time say so: to the second, as Last-Modified has it.
func (o *Object) isOf(r *blob.Reader, n int64) bool {
	if tag := o.b.rule.tag(r); tag != "" && o.tag != "" {
		return tag == o.tag
	}
	return n == 0 || r.Size() == o.Size && r.ModTime().Truncate(time.Second).Equal(o.ModTime.Truncate(time.Second))
}

// body says of its errors what failed, as every other access does. An answer that
// breaks off is io.ErrUnexpectedEOF as well: the rest may be asked for.
type body struct {
	*blob.Reader
	o   *Object
	ctx context.Context
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err != nil && err != io.EOF {
		broke := store.Retryable(err)
		err = b.o.b.failed(b.ctx, "read", b.o.key, err, false)
		if broke && b.ctx.Err() == nil {
			err = fmt.Errorf("%w (%w)", err, io.ErrUnexpectedEOF)
		}
	}
	return n, err
}
