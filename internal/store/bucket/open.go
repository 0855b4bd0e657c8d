package bucket

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/logging"
	"gocloud.dev/blob"
	"gocloud.dev/blob/gcsblob"
	"gocloud.dev/blob/memblob"
	"gocloud.dev/blob/s3blob"
	"gocloud.dev/gcp"
	"google.golang.org/api/option"

	"artifactfs.dev/artifactfs/internal/store/hfblob"
)

// openS3 opens with what the AWS SDK finds in the environment and its files. Where
// that lacks a region it takes us-east-1, and where the endpoint is an address or
// localhost it puts the bucket into the path, both as botocore does.
func openS3(ctx context.Context, u *url.URL) (*blob.Bucket, conditions, error) {
	opener := &s3blob.URLOpener{}
	b, err := opener.OpenBucketURL(ctx, u)
	if err != nil {
		return nil, conditions{}, err
	}
	var client *s3.Client
	if !b.As(&client) {
		return b, s3Conditions, nil
	}
	o := client.Options()
	if o.Region == "" {
		o.Region = "us-east-1"
	}
	q := u.Query()
	endpoint := q.Get("endpoint")
	if endpoint == "" && o.BaseEndpoint != nil { // of the environment, or a profile
		endpoint = *o.BaseEndpoint
	}
	if isAddress(endpoint) && !q.Has("use_path_style") && !q.Has("s3ForcePathStyle") {
		o.UsePathStyle = true
	}
	if q.Get("anonymous") != "true" && !q.Has("role") {
		if o.Credentials, err = awsCredentials(ctx, q.Get("profile")); err != nil {
			return nil, conditions{}, err
		}
	}
	o.Logger = logging.Nop{} // which would say of every answer without a checksum that it has none
	if own, ok := o.HTTPClient.(*awshttp.BuildableClient); ok {
		o.HTTPClient = own.WithTransportOptions(keepIdle)
	}
	o.HTTPClient = watched{o.HTTPClient.Do}
	b.Close()
	b, err = s3blob.OpenBucket(ctx, s3.New(o), u.Host, &opener.Options) // which the parameters have set
	return b, s3Conditions, err
}

// isAddress reports whether an endpoint's host is an IP address or localhost.
func isAddress(endpoint string) bool {
	u, err := url.Parse(endpoint)
	return err == nil && (u.Hostname() == "localhost" || net.ParseIP(u.Hostname()) != nil)
}

// openGCS opens with Google's application default credentials. gocloud's own opener
// prints to standard output where there are none.
func openGCS(ctx context.Context, u *url.URL) (*blob.Bucket, conditions, error) {
	q := u.Query()
	anonymous := q.Get("anonymous") == "true" || q.Get("access_id") == "-"
	if anonymous || os.Getenv("STORAGE_EMULATOR_HOST") != "" {
		client := gcp.NewAnonymousHTTPClient(googleTransport())
		opener := &gcsblob.URLOpener{Client: client}
		if !anonymous { // then gocloud makes a client of its own, unless it is told
			opener.Options.ClientOptions = []option.ClientOption{option.WithHTTPClient(&client.Client)}
		}
		b, err := opener.OpenBucketURL(ctx, u)
		return b, gcsConditions, err
	}
	creds, err := gcp.DefaultCredentials(ctx)
	if err != nil {
		return nil, conditions{}, fmt.Errorf("no Google credentials here (gcloud auth application-default login, GOOGLE_APPLICATION_CREDENTIALS, or ?anonymous=true for a public bucket): %w", err)
	}
	client, err := gcp.NewHTTPClient(googleTransport(), gcp.CredentialsTokenSource(creds))
	if err != nil {
		return nil, conditions{}, err
	}
	b, err := (&gcsblob.URLOpener{Client: client}).OpenBucketURL(ctx, u)
	return b, gcsConditions, err
}

func googleTransport() http.RoundTripper {
	t := gcp.DefaultTransport()
	if own, ok := t.(*http.Transport); ok {
		own = own.Clone()
		keepIdle(own)
		t = own
	}
	return watched{t.RoundTrip}
}

// keepIdle has as many connections kept as a read ahead has requests: the clients' own
// numbers, 10 and 2, would have most of them made anew each time.
func keepIdle(t *http.Transport) { t.MaxIdleConnsPerHost = 64 }

// openHF opens with what huggingface_hub finds in the environment.
func openHF(ctx context.Context, u *url.URL) (*blob.Bucket, conditions, error) {
	b, err := (&hfblob.URLOpener{}).OpenBucketURL(ctx, u)
	return b, hfConditions, err
}

// openMem is for tests: a bucket in memory, which ends with it.
func openMem(context.Context, *url.URL) (*blob.Bucket, conditions, error) {
	return memblob.OpenBucket(nil), memConditions, nil
}
