package hfblob

import (
	"context"
	"net/url"
	"os"

	"gocloud.dev/blob"
)

func init() { blob.DefaultURLMux().RegisterBucket(Scheme, &URLOpener{}) }

// URLOpener opens hf:// URLs with what huggingface_hub takes from the environment. The
// parameter endpoint goes before HF_ENDPOINT.
type URLOpener struct {
	Getenv func(string) string // nil: os.Getenv
}

// OpenBucketURL opens the repository of u, from its path on.
func (o *URLOpener) OpenBucketURL(_ context.Context, u *url.URL) (*blob.Bucket, error) {
	getenv := o.Getenv
	if getenv == nil {
		getenv = os.Getenv
	}
	options, err := FromEnv(getenv)
	if err != nil {
		return nil, err
	}
	if err := options.set(u.Query()); err != nil {
		return nil, err
	}
	// net/url takes the first part for a host; what is escaped stays so.
	uri, err := ParseURI(Scheme + "://" + u.Host + u.EscapedPath())
	if err != nil {
		return nil, err
	}
	if uri.Path, err = url.PathUnescape(uri.Path); err != nil {
		return nil, err
	}
	return OpenBucket(uri, options)
}
