package bucket

import (
	"context"
	"net/url"
	"os"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go/logging"
	"gocloud.dev/blob/azureblob"
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

// azureFromEnvironment reports whether what gocloud's opener looks for is set.
func azureFromEnvironment() bool {
	for _, key := range []string{"AZURE_STORAGE_KEY", "AZURE_STORAGE_SAS_TOKEN", "AZURE_STORAGE_CONNECTION_STRING", "AZURE_STORAGEBLOB_CONNECTIONSTRING"} {
		if os.Getenv(key) != "" {
			return true
		}
	}
	return false
}

// azureClient is one with the chain of Azure's default credentials.
func azureClient(service azureblob.ServiceURL, name azureblob.ContainerName) (*container.Client, error) {
	at, err := url.JoinPath(string(service), string(name))
	if err != nil {
		return nil, err
	}
	cred, err := azidentity.NewDefaultAzureCredential(nil)
	if err != nil {
		return nil, err
	}
	return container.NewClient(at, azurePatience{cred}, nil)
}

type azurePatience struct{ azcore.TokenCredential }

func (p azurePatience) GetToken(ctx context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	ctx, cancel := context.WithTimeout(ctx, credentialsWait)
	defer cancel()
	t, err := p.TokenCredential.GetToken(ctx, o)
	if err != nil {
		err = &noCredentials{"AZURE_STORAGE_ACCOUNT with AZURE_STORAGE_KEY or AZURE_STORAGE_SAS_TOKEN, AZURE_STORAGE_CONNECTION_STRING, az login, or a managed identity", err}
	}
	return t, err
}
