package buckettest

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// S3Versions is S3 whose bucket keeps what was overwritten or deleted.
func S3Versions(t testing.TB) Store {
	s := startS3(t, "--versioning-dir", t.TempDir())
	cfg, err := config.LoadDefaultConfig(t.Context(), config.WithRegion("us-east-1"), config.WithBaseEndpoint("http://"+s.Addr))
	if err != nil {
		t.Fatal(err)
	}
	c := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
	_, err = c.PutBucketVersioning(t.Context(), &s3.PutBucketVersioningInput{
		Bucket: aws.String(name), VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled},
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// GCSVersions is GCS whose bucket does.
func GCSVersions(t testing.TB) Store {
	return startGCS(t, `{"name": "`+name+`", "versioning": {"enabled": true}}`, "-backend", "memory")
}
