package hfblob

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"path"
	"strconv"

	"gocloud.dev/blob"
	"gocloud.dev/blob/driver"
	"gocloud.dev/gcerrors"
)

// bucket is a repository as gocloud sees it.
type bucket struct{ repo *Repo }

var _ driver.Bucket = (*bucket)(nil)

// OpenBucket returns the repository of a URI, from its path on. Nothing is asked of the
// Hub.
func OpenBucket(uri URI, o *Options) (*blob.Bucket, error) {
	r, err := Open(uri, o)
	if err != nil {
		return nil, err
	}
	b := r.Bucket()
	if uri.Path != "" {
		b = blob.PrefixedBucket(b, toKey(path.Clean(uri.Path))+"/")
	}
	return b, nil
}

// Bucket returns the whole repository as a bucket.
func (r *Repo) Bucket() *blob.Bucket { return blob.NewBucket(&bucket{r}) }

// As gives a **Repo.
func (b *bucket) As(i any) bool {
	p, ok := i.(**Repo)
	if ok {
		*p = b.repo
	}
	return ok
}

// ErrorAs gives a **Error, of what the Hub has answered.
func (b *bucket) ErrorAs(err error, i any) bool {
	p, ok := i.(**Error)
	return ok && errors.As(err, p)
}

func (b *bucket) ErrorCode(err error) gcerrors.ErrorCode { return Code(err) }

// as gives an *Entry.
func (e *Entry) as(i any) bool {
	p, ok := i.(*Entry)
	if ok {
		*p = *e
	}
	return ok
}

// contentType is made from the name: a repository keeps none.
func contentType(key string) string {
	if t := mime.TypeByExtension(path.Ext(key)); t != "" {
		return t
	}
	return "application/octet-stream"
}

func (b *bucket) Attributes(ctx context.Context, key string) (*driver.Attributes, error) {
	e, err := b.repo.stat(ctx, key)
	if err != nil {
		return nil, err
	}
	return &driver.Attributes{ContentType: contentType(key), ModTime: e.Modified, Size: e.Size, ETag: strconv.Quote(e.Tag), AsFunc: e.as}, nil
}

func (b *bucket) NewRangeReader(ctx context.Context, key string, off, n int64, o *driver.ReaderOptions) (driver.Reader, error) {
	options := &ReadOptions{}
	if o.BeforeRead != nil {
		err := o.BeforeRead(func(i any) bool {
			p, ok := i.(**ReadOptions)
			if ok {
				*p = options
			}
			return ok
		})
		if err != nil {
			return nil, err
		}
	}
	c, err := b.repo.open(ctx, key, off, n, options.Tag)
	if err != nil {
		return nil, err
	}
	if n != 0 {
		c.ReadCloser = &resumed{c.ReadCloser, ctx, b.repo, key, off, n, c.entry.Tag, 0}
	}
	return &reader{c, key}, nil
}

type reader struct {
	*content
	key string
}

func (r *reader) Attributes() *driver.ReaderAttributes {
	return &driver.ReaderAttributes{ContentType: contentType(r.key), ModTime: r.entry.Modified, Size: r.entry.Size}
}

func (r *reader) As(i any) bool { return r.entry.as(i) }

// asWriteOptions is for BeforeWrite and BeforeDelete.
func asWriteOptions(options *WriteOptions) func(any) bool {
	return func(i any) bool {
		p, ok := i.(**WriteOptions)
		if ok {
			*p = options
		}
		return ok
	}
}

func (b *bucket) Delete(ctx context.Context, key string, o *driver.DeleteOptions) error {
	options := &WriteOptions{Message: "Delete " + key + " with artifactfs"}
	if o.BeforeDelete != nil {
		if err := o.BeforeDelete(asWriteOptions(options)); err != nil {
			return err
		}
	}
	return b.repo.change(ctx, File{Key: key}, options.Message, condition{there: true, tag: options.Tag})
}

func (b *bucket) Copy(context.Context, string, string, *driver.CopyOptions) error {
	return fmt.Errorf("a copy: %w", errUnsupported)
}

func (b *bucket) SignedURL(context.Context, string, *driver.SignedURLOptions) (string, error) {
	return "", fmt.Errorf("a signed URL: %w", errUnsupported)
}

func (b *bucket) Close() error { return nil }
