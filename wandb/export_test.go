package wandb

import (
	"context"

	"artifactfs.dev/artifactfs/internal/store/bucket"
	"artifactfs.dev/artifactfs/wandb/internal/gql"
)

// Used by the tests of package wandb_test.
var UseArtifact = gql.UseArtifact

type UseArtifactInput = gql.UseArtifactInput

// SetExists changes how a Source finds out whether there is something at a path.
func (s *Source) SetExists(exists func(string) bool) {
	s.exists = func(_ context.Context, p string) bool { return exists(p) }
}

// SetBuckets changes how a Source opens buckets.
func (s *Source) SetBuckets(open func(bucket.URI) (*bucket.Bucket, error)) {
	s.opt.Outside = &anywhere{open: func(_ context.Context, u bucket.URI) (*bucket.Bucket, error) { return open(u) }}
}

// SetEntity spares a Client the question for its entity.
func (c *Client) SetEntity(entity string) { c.entity = entity }
