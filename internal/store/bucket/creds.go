package bucket

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go/logging"
)

// noCredentials is that none were found here. What the vendor's client says of each place
// where it looked is a page; whoever reads this wants to know which places there are.
type noCredentials struct {
	places string
	err    error
}

func (e *noCredentials) Error() string {
	return "no credentials were found that can be used (" + e.places + ")"
}
func (e *noCredentials) Unwrap() error { return e.err }

// credentialsWait bounds how long they are looked for. The last place is the metadata
// service of a cloud's machines, which elsewhere may not answer at all.
const credentialsWait = 8 * time.Second

// awsCredentials are those of the SDK's usual places, which do not write to standard
// error on their way.
func awsCredentials(ctx context.Context, profile string) (aws.CredentialsProvider, error) {
	c, err := config.LoadDefaultConfig(ctx, config.WithSharedConfigProfile(profile), config.WithLogger(logging.Nop{}))
	if err != nil {
		return nil, err
	}
	return awsPatience{c.Credentials}, nil
}

type awsPatience struct{ aws.CredentialsProvider }

func (p awsPatience) Retrieve(ctx context.Context) (aws.Credentials, error) {
	ctx, cancel := context.WithTimeout(ctx, credentialsWait)
	defer cancel()
	c, err := p.CredentialsProvider.Retrieve(ctx)
	if err != nil {
		err = &noCredentials{"AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE and ~/.aws, an instance's role, or ?anonymous=true for a public bucket", err}
	}
	return c, err
}
