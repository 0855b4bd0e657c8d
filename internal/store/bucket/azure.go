package bucket

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"gocloud.dev/blob"
	"gocloud.dev/blob/azureblob"
)

// openAzure opens with AZURE_STORAGE_*, or the chain of Azure's default credentials.
// gocloud's own opener takes no account or endpoint from the URI beside a SAS token, and
// no account from there beside a key.
func openAzure(ctx context.Context, u *url.URL) (*blob.Bucket, conditions, error) {
	q := u.Query()
	o := azureblob.NewDefaultServiceURLOptions()
	a := azureAccess{
		account: cmp.Or(q.Get("storage_account"), o.AccountName),
		key:     os.Getenv("AZURE_STORAGE_KEY"),
		words:   cmp.Or(os.Getenv("AZURE_STORAGE_CONNECTION_STRING"), os.Getenv("AZURE_STORAGEBLOB_CONNECTIONSTRING")),
	}
	if a.account == "" && a.words == "" {
		return nil, conditions{}, errors.New("which account is not said: AZURE_STORAGE_ACCOUNT, or ?storage_account=NAME")
	}
	o.AccountName = cmp.Or(o.AccountName, a.account, "of-the-connection-string")
	o.SASToken = strings.TrimPrefix(o.SASToken, "?") // with which Azure's portal shows it
	if a.key != "" {
		o.SASToken = ""
	}
	a.sas = o.SASToken != ""
	opener := &azureblob.URLOpener{MakeClient: a.client, ServiceURLOptions: *o}
	b, err := opener.OpenBucketURL(ctx, u)
	return b, azureConditions, err
}

// azureAccess is what there is to be let in with; the first of these counts.
type azureAccess struct {
	account, key string
	sas          bool // it is in the service's URL
	words        string
}

func (a azureAccess) client(service azureblob.ServiceURL, name azureblob.ContainerName) (*container.Client, error) {
	at, err := url.JoinPath(string(service), string(name))
	if err != nil {
		return nil, err
	}
	switch {
	case a.key != "" && a.account != "":
		cred, err := azblob.NewSharedKeyCredential(a.account, a.key)
		if err != nil {
			return nil, fmt.Errorf("AZURE_STORAGE_KEY: %w", err)
		}
		return container.NewClientWithSharedKeyCredential(at, cred, nil)
	case a.sas:
		return container.NewClientWithNoCredential(at, nil)
	case a.words != "":
		return container.NewClientFromConnectionString(a.words, string(name), nil)
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

// sasWords says what a SAS token has to do with it that a request with it was refused:
// Azure's answer does not say it to a client. It is "" where there was none.
func sasWords(err error, status int) string {
	var said *azcore.ResponseError
	if !errors.As(err, &said) || said.RawResponse == nil || said.RawResponse.Request == nil {
		return ""
	}
	q := said.RawResponse.Request.URL.Query()
	if !q.Has("sig") {
		return ""
	}
	if end, ok := sasTime(q.Get("se")); ok && time.Now().After(end) {
		return fmt.Sprintf("; the SAS token has expired at %s", end.Format(time.RFC3339))
	}
	if begin, ok := sasTime(q.Get("st")); ok && time.Now().Before(begin) {
		return fmt.Sprintf("; the SAS token is good from %s on", begin.Format(time.RFC3339))
	}
	if status == http.StatusForbidden && q.Has("sp") {
		return fmt.Sprintf("; the SAS token permits sp=%s, of r(ead), l(ist), c(reate), w(rite) and d(elete)", q.Get("sp"))
	}
	return ""
}

// sasTime reads a time as tokens have it.
func sasTime(s string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04Z", time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}
