package bucket

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"cloud.google.com/go/storage"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	azure "github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"gocloud.dev/blob"

	"artifactfs.dev/artifactfs/internal/store/hfblob"
)

// conditions is how one kind of store names the content of an object, and takes a
// write or a read only if it is that: gocloud has no common word for either.
type conditions struct {
	tag   func(r *blob.Reader) string                        // of what is read
	attr  func(a *blob.Attributes) string                    // the same of what is looked at; nil: the ETag
	entry func(o *blob.ListObject) string                    // the same of what is listed; "" if a listing does not say
	read  func(tag string) func(asFunc func(any) bool) error // for BeforeRead
	write func(tag string) func(asFunc func(any) bool) error // for BeforeWrite; nil: Replace compares
	list  func(asFunc func(any) bool) error                  // for BeforeList; nil: nothing is to be said
	from  func(r *blob.Reader) int64                         // which byte an answer to a range begins at, -1 if it does not say; nil: the right one
}

var errNoCondition = errors.New("the client has no place for the condition")

func must(ok bool) error {
	if !ok {
		return errNoCondition
	}
	return nil
}

var s3Conditions = conditions{
	entry: func(o *blob.ListObject) string {
		var out types.Object
		if !o.As(&out) || out.ETag == nil {
			return ""
		}
		return *out.ETag
	},
	tag: func(r *blob.Reader) string {
		var out s3.GetObjectOutput
		if !r.As(&out) || out.ETag == nil {
			return ""
		}
		return *out.ETag
	},
	from: func(r *blob.Reader) int64 {
		var out s3.GetObjectOutput
		if !r.As(&out) || out.ContentRange == nil {
			return -1
		}
		return rangeStart(*out.ContentRange)
	},
	read: func(tag string) func(func(any) bool) error {
		return func(as func(any) bool) error {
			var in *s3.GetObjectInput
			if err := must(as(&in)); err != nil {
				return err
			}
			in.IfMatch = &tag
			return nil
		}
	},
	write: func(tag string) func(func(any) bool) error {
		return func(as func(any) bool) error {
			var in *transfermanager.UploadObjectInput
			if err := must(as(&in)); err != nil {
				return err
			}
			in.IfMatch = &tag
			return nil
		}
	},
}

// memConditions go by the time of the write: in memory nobody else writes.
var memConditions = conditions{
	entry: func(o *blob.ListObject) string { return strconv.FormatInt(o.ModTime.UnixNano(), 10) },
	tag:   func(r *blob.Reader) string { return strconv.FormatInt(r.ModTime().UnixNano(), 10) },
	attr:  func(a *blob.Attributes) string { return strconv.FormatInt(a.ModTime.UnixNano(), 10) },
}

var gcsConditions = conditions{
	entry: func(o *blob.ListObject) string {
		var a storage.ObjectAttrs
		if !o.As(&a) {
			return ""
		}
		return strconv.FormatInt(a.Generation, 10)
	},
	tag: func(r *blob.Reader) string {
		var in *storage.Reader
		if !r.As(&in) {
			return ""
		}
		return strconv.FormatInt(in.Attrs.Generation, 10)
	},
	from: func(r *blob.Reader) int64 {
		var in *storage.Reader
		if !r.As(&in) {
			return -1
		}
		return in.Attrs.StartOffset
	},
	attr: func(a *blob.Attributes) string {
		var o storage.ObjectAttrs
		if !a.As(&o) {
			return ""
		}
		return strconv.FormatInt(o.Generation, 10)
	},
	// Of a bucket that keeps old generations, this reads on from the one that was seen.
	read: func(tag string) func(func(any) bool) error {
		return gcsObject(tag, func(o *storage.ObjectHandle, n int64) *storage.ObjectHandle { return o.Generation(n) })
	},
	write: func(tag string) func(func(any) bool) error {
		return gcsObject(tag, func(o *storage.ObjectHandle, n int64) *storage.ObjectHandle {
			return o.If(storage.Conditions{GenerationMatch: n})
		})
	},
}

func gcsObject(tag string, of func(*storage.ObjectHandle, int64) *storage.ObjectHandle) func(func(any) bool) error {
	return func(as func(any) bool) error {
		n, err := strconv.ParseInt(tag, 10, 64)
		if err != nil {
			return err
		}
		var obj **storage.ObjectHandle
		if err := must(as(&obj)); err != nil {
			return err
		}
		*obj = of(*obj, n)
		return nil
	}
}

// rangeStart is the first byte that a Content-Range names; -1 if it names none.
func rangeStart(header string) int64 {
	var from, to int64
	if n, err := fmt.Sscanf(header, "bytes %d-%d/", &from, &to); n < 2 || err != nil {
		return -1
	}
	return from
}

var azureConditions = conditions{
	entry: func(o *blob.ListObject) string {
		var item container.BlobItem
		if !o.As(&item) || item.Properties == nil || item.Properties.ETag == nil {
			return ""
		}
		return quoted(string(*item.Properties.ETag))
	},
	tag: func(r *blob.Reader) string {
		var out azure.DownloadStreamResponse
		if !r.As(&out) || out.ETag == nil {
			return ""
		}
		return string(*out.ETag)
	},
	from: func(r *blob.Reader) int64 {
		var out azure.DownloadStreamResponse
		if !r.As(&out) || out.ContentRange == nil {
			return -1
		}
		return rangeStart(*out.ContentRange)
	},
	read: func(tag string) func(func(any) bool) error {
		return func(as func(any) bool) error {
			var o *azblob.DownloadStreamOptions
			if err := must(as(&o)); err != nil {
				return err
			}
			o.AccessConditions = azureMatch(tag)
			return nil
		}
	},
	write: func(tag string) func(func(any) bool) error {
		return func(as func(any) bool) error {
			var o *azblob.UploadStreamOptions
			if err := must(as(&o)); err != nil {
				return err
			}
			o.AccessConditions = azureMatch(tag)
			return nil
		}
	},
}

// quoted is an ETag as headers have it: Azure's listings leave its quotes out.
func quoted(tag string) string {
	if tag == "" || strings.HasSuffix(tag, `"`) {
		return tag
	}
	return `"` + tag + `"`
}

func azureMatch(tag string) *azure.AccessConditions {
	etag := azcore.ETag(tag)
	return &azure.AccessConditions{ModifiedAccessConditions: &azure.ModifiedAccessConditions{IfMatch: &etag}}
}

// pages is for BeforeList: how many of the Hub's pages are fetched at a time.
func pages(n int) func(func(any) bool) error {
	return func(as func(any) bool) error {
		var o *hfblob.ListOptions
		if err := must(as(&o)); err != nil {
			return err
		}
		o.Pages = n
		return nil
	}
}

var hfConditions = conditions{
	entry: func(o *blob.ListObject) string {
		var e hfblob.Entry
		o.As(&e)
		return e.Tag
	},
	list: pages(16), // for each deadline
	tag: func(r *blob.Reader) string {
		var e hfblob.Entry
		r.As(&e)
		return e.Tag
	},
	attr: func(a *blob.Attributes) string {
		var e hfblob.Entry
		a.As(&e)
		return e.Tag
	},
	read: func(tag string) func(func(any) bool) error {
		return func(as func(any) bool) error {
			var o *hfblob.ReadOptions
			if err := must(as(&o)); err != nil {
				return err
			}
			o.Tag = tag
			return nil
		}
	},
	write: func(tag string) func(func(any) bool) error {
		return func(as func(any) bool) error {
			var o *hfblob.WriteOptions
			if err := must(as(&o)); err != nil {
				return err
			}
			o.Tag = tag
			return nil
		}
	},
}
