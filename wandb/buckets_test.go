package wandb

import (
	"context"
	"errors"
	"testing"

	"artifactfs.dev/artifactfs/internal/store/bucket"
)

// A reference is somebody else's: it names an object, and not where the requests for it,
// which carry credentials, are to go.
func TestReferenceNamesNoEndpoint(t *testing.T) {
	opened := errors.New("opened")
	b := &buckets{open: func(context.Context, bucket.URI) (*bucket.Bucket, error) { return nil, opened }}
	for ref, want := range map[string]bool{"s3://b/k": true, "s3://b?endpoint=evil.example/k": false, "s3://b@evil.example/k": false} {
		if _, err := b.look(t.Context(), &entry{ref: ref}); errors.Is(err, opened) != want {
			t.Errorf("%s: %v; a bucket is opened: want %t", ref, err, want)
		}
	}
}
