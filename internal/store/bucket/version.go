package bucket

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"

	"cloud.google.com/go/storage"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"gocloud.dev/blob"
)

// StatVersion returns the content that one version of key has, by the store's own name
// for it: a version id of S3, a generation of Google's. It is fs.ErrNotExist if the
// bucket does not keep that version, errors.ErrUnsupported where the store has none.
func (b *Bucket) StatVersion(ctx context.Context, key, version string) (*Object, error) {
	ctx, cancel := b.bounded(ctx)
	defer cancel()
	o := &Object{b: b, key: key}
	var err error
	switch b.uri.Scheme {
	case "s3":
		err = o.headS3(ctx, version)
	case "gs":
		err = o.headGCS(ctx, version)
	default:
		return nil, fmt.Errorf("version %s of %s/%s: %w", version, b, key, errors.ErrUnsupported)
	}
	if err != nil {
		return nil, b.failed(ctx, "look at version "+version+" of", key, err, false)
	}
	return o, nil
}

func (o *Object) headS3(ctx context.Context, version string) error {
	var c *s3.Client
	if err := must(o.b.blob.As(&c)); err != nil {
		return err
	}
	out, err := c.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &o.b.uri.Bucket, Key: aws.String(o.b.uri.Prefix + o.key), VersionId: &version})
	if err != nil {
		return err
	}
	o.version, o.tag = version, aws.ToString(out.ETag)
	o.Size, o.ModTime = aws.ToInt64(out.ContentLength), aws.ToTime(out.LastModified)
	return nil
}

// headGCS needs no version beside the tag: that is the generation.
func (o *Object) headGCS(ctx context.Context, version string) error {
	n, err := strconv.ParseInt(version, 10, 64)
	if err != nil {
		return fmt.Errorf("%q is no generation: %w", version, storage.ErrObjectNotExist)
	}
	var c *storage.Client
	if err := must(o.b.blob.As(&c)); err != nil {
		return err
	}
	a, err := c.Bucket(o.b.uri.Bucket).Object(o.b.uri.Prefix + o.key).Generation(n).Attrs(ctx)
	if err != nil {
		return err
	}
	o.tag, o.Size, o.ModTime = strconv.FormatInt(a.Generation, 10), a.Size, a.Updated
	if len(a.MD5) == 16 {
		o.digest = digest{"md5", a.MD5}
	}
	return nil
}

// maxVersions bounds how many versions of one object are looked through.
const maxVersions = 10_000

// StatTag returns the newest version of key whose tag is same, of those that an S3
// bucket keeps: fs.ErrNotExist if it keeps none, errors.ErrUnsupported in other stores.
func (b *Bucket) StatTag(ctx context.Context, key string, same func(tag string) bool) (*Object, error) {
	ctx, cancel := b.bounded(ctx)
	defer cancel()
	var c *s3.Client
	if b.uri.Scheme != "s3" || !b.blob.As(&c) {
		return nil, fmt.Errorf("versions of %s/%s: %w", b, key, errors.ErrUnsupported)
	}
	full := b.uri.Prefix + key
	in := &s3.ListObjectVersionsInput{Bucket: &b.uri.Bucket, Prefix: &full}
	for seen := 0; seen < maxVersions; {
		page, err := c.ListObjectVersions(ctx, in)
		if err != nil {
			return nil, b.failed(ctx, "list the versions of", key, err, false)
		}
		for _, v := range page.Versions {
			if aws.ToString(v.Key) == full && same(aws.ToString(v.ETag)) {
				return &Object{b: b, key: key, version: aws.ToString(v.VersionId), tag: aws.ToString(v.ETag), Size: aws.ToInt64(v.Size), ModTime: aws.ToTime(v.LastModified)}, nil
			}
		}
		seen += len(page.Versions) + len(page.DeleteMarkers)
		// Of the names that begin with this one, its own come first.
		if !aws.ToBool(page.IsTruncated) || aws.ToString(page.NextKeyMarker) != full {
			break
		}
		in.KeyMarker, in.VersionIdMarker = page.NextKeyMarker, page.NextVersionIdMarker
	}
	return nil, fmt.Errorf("versions of %s/%s: none has this content: %w", b, key, fs.ErrNotExist)
}

// atVersion has a version read in place of the newest.
func atVersion(version string) func(func(any) bool) error {
	return func(as func(any) bool) error {
		var in *s3.GetObjectInput
		if err := must(as(&in)); err != nil {
			return err
		}
		in.VersionId = &version
		return nil
	}
}

// readOptions has the content read that was looked at, or an error given.
func (o *Object) readOptions() *blob.ReaderOptions {
	return &blob.ReaderOptions{BeforeRead: func(as func(any) bool) error {
		if o.version != "" {
			if err := atVersion(o.version)(as); err != nil {
				return err
			}
		}
		if o.tag == "" || o.b.rule.read == nil {
			return nil
		}
		return o.b.rule.read(o.tag)(as)
	}}
}
