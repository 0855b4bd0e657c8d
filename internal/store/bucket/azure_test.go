package bucket

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/sas"

	"artifactfs.dev/artifactfs/internal/store/bucket/buckettest"
)

// Whatever of AZURE_STORAGE_* is set, with the account and the endpoint in the URI or
// not, lets in; and a SAS token that does not is the reason that is given.
func TestAzureCredentials(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a server")
	}
	s := buckettest.Azure(t)
	account, key := os.Getenv("AZURE_STORAGE_ACCOUNT"), os.Getenv("AZURE_STORAGE_KEY")
	token := func(begin, end time.Duration, may sas.ContainerPermissions) string {
		cred, err := azblob.NewSharedKeyCredential(account, key)
		if err != nil {
			t.Fatal(err)
		}
		now := time.Now().UTC()
		q, err := sas.BlobSignatureValues{Protocol: sas.ProtocolHTTPSandHTTP, StartTime: now.Add(begin), ExpiryTime: now.Add(end), ContainerName: "test", Permissions: may.String()}.SignWithSharedKey(cred)
		if err != nil {
			t.Fatal(err)
		}
		return q.Encode()
	}
	all, hour := sas.ContainerPermissions{Read: true, Add: true, Create: true, Write: true, Delete: true, List: true}, time.Hour
	good := token(-hour, hour, all)
	words := fmt.Sprintf("DefaultEndpointsProtocol=http;AccountName=%s;AccountKey=%s;BlobEndpoint=http://%s/%[1]s;", account, key, s.Addr)
	plain, whole := "azblob://test/p", strings.Replace(s.URI, "test?", "test/p?storage_account="+account+"&", 1)
	for name, c := range map[string]struct {
		uri   string
		env   map[string]string
		words string // of a write that is refused; "": it is not
	}{
		"key":            {whole, map[string]string{"AZURE_STORAGE_KEY": key}, ""},
		"token":          {whole, map[string]string{"AZURE_STORAGE_SAS_TOKEN": good}, ""},
		"portal's token": {whole, map[string]string{"AZURE_STORAGE_SAS_TOKEN": "?" + good}, ""},
		"words":          {plain, map[string]string{"AZURE_STORAGE_CONNECTION_STRING": words}, ""},
		"words, token":   {plain, map[string]string{"AZURE_STORAGE_CONNECTION_STRING": "BlobEndpoint=http://" + s.Addr + "/" + account + ";SharedAccessSignature=" + good}, ""},
		"expired":        {whole, map[string]string{"AZURE_STORAGE_SAS_TOKEN": token(-2*hour, -hour, all)}, "the SAS token has expired at 20"},
		"early":          {whole, map[string]string{"AZURE_STORAGE_SAS_TOKEN": token(hour, 2*hour, all)}, "the SAS token is good from 20"},
		"reads":          {whole, map[string]string{"AZURE_STORAGE_SAS_TOKEN": token(-hour, hour, sas.ContainerPermissions{Read: true, List: true})}, "the SAS token permits sp=rl"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, name := range []string{"ACCOUNT", "KEY", "SAS_TOKEN", "CONNECTION_STRING"} {
				t.Setenv("AZURE_STORAGE_"+name, c.env["AZURE_STORAGE_"+name])
			}
			u, err := Parse(c.uri)
			if err != nil {
				t.Fatal(err)
			}
			b, err := Open(t.Context(), u)
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			err = b.Write(t.Context(), "x", []byte("x"))
			if c.words == "" && err != nil || c.words != "" && (!errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), c.words)) {
				t.Errorf("write: %v; want the words %q", err, c.words)
			}
			if sig := mustQuery(t, c.env["AZURE_STORAGE_SAS_TOKEN"]).Get("sig"); err != nil && (strings.Contains(err.Error(), sig) || strings.Contains(err.Error(), url.QueryEscape(sig))) {
				t.Errorf("the error has the token's signature: %v", err)
			}
		})
	}
	t.Setenv("AZURE_STORAGE_ACCOUNT", "")
	if _, err := Open(t.Context(), URI{Scheme: "azblob", Bucket: "test"}); err == nil || !strings.Contains(err.Error(), "AZURE_STORAGE_ACCOUNT") {
		t.Errorf("without an account: %v", err)
	}
}

func mustQuery(t *testing.T, s string) url.Values {
	q, err := url.ParseQuery(strings.TrimPrefix(s, "?"))
	if err != nil {
		t.Fatal(err)
	}
	return q
}
