package bucket

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"artifactfs.dev/artifactfs/internal/store/bucket/buckettest"
)

// What a store says of itself, as its vendor documents it, and what is made of it.
var answers = map[string]map[string]struct {
	fault buckettest.Fault
	want  error
	words string
}{
	"s3": {
		"clock":   {buckettest.S3Error(403, "RequestTimeTooSkewed", "The difference between the request time and the current time is too large.").Dated(), ErrClock, "this machine's clock is not the store's, which refuses what is signed with it (RequestTimeTooSkewed): it is "},
		"nobody":  {buckettest.S3Error(404, "XAdminUserNotFound", "No user exists with the provided access key ID."), fs.ErrPermission, "refuses these credentials (XAdminUserNotFound)"}, // versitygw
		"other":   {buckettest.S3Error(404, "NoSuchUpload", "What is not about an object does not say that there is none."), syscall.EIO, "s3://test"},
		"key":     {buckettest.S3Error(403, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records."), fs.ErrPermission, "refuses these credentials (InvalidAccessKeyId)"},
		"secret":  {buckettest.S3Error(403, "SignatureDoesNotMatch", "The request signature we calculated does not match."), fs.ErrPermission, "refuses these credentials (SignatureDoesNotMatch)"},
		"expired": {buckettest.S3Error(400, "ExpiredToken", "The provided token has expired."), fs.ErrPermission, "refuses these credentials (ExpiredToken)"},
		"bucket":  {buckettest.S3Error(404, "NoSuchBucket", "The specified bucket does not exist"), syscall.EIO, "no bucket test"},
		"region":  {buckettest.S3Error(301, "PermanentRedirect", "The bucket must be addressed using the specified endpoint."), syscall.EIO, "in another region"},
		"slow":    {buckettest.S3Error(503, "SlowDown", "Please reduce your request rate."), syscall.EIO, "asks for fewer requests"},
		"away":    {buckettest.Fault{Reset: true}, syscall.EIO, "does not answer"},
	},
	"gs": {
		"key":    {buckettest.GCSError(401, "authError", "Invalid Credentials"), fs.ErrPermission, "refuses these credentials"},
		"right":  {buckettest.GCSError(403, "forbidden", "me@p.iam.gserviceaccount.com does not have storage.objects.list access"), fs.ErrPermission, "refuses these credentials"},
		"bucket": {buckettest.GCSError(404, "notFound", "The specified bucket does not exist."), syscall.EIO, "no bucket test"},
		"slow":   {buckettest.GCSError(429, "rateLimitExceeded", "The object exceeded the rate limit for object mutation operations"), syscall.EIO, "asks for fewer requests"},
		"busy":   {buckettest.GCSError(503, "backendError", "We encountered an internal error. Please try again."), syscall.EIO, "asks for fewer requests"},
		"away":   {buckettest.Fault{Reset: true}, syscall.EIO, "does not answer"},
	},
	"azblob": {
		"clock":  {buckettest.AzureError(403, "AuthenticationFailed", "Server failed to authenticate the request.", "The Date header in the request is incorrect.").Dated(), ErrClock, "this machine's clock"},
		"key":    {buckettest.AzureError(403, "AuthenticationFailed", "Server failed to authenticate the request.", "The MAC signature found in the HTTP request is not the same."), fs.ErrPermission, "refuses these credentials (AuthenticationFailed)"},
		"bucket": {buckettest.AzureError(404, "ContainerNotFound", "The specified container does not exist.", ""), syscall.EIO, "no bucket test"},
		"slow":   {buckettest.AzureError(503, "ServerBusy", "The server is busy.", ""), syscall.EIO, "asks for fewer requests (ServerBusy)"},
		"away":   {buckettest.Fault{Reset: true}, syscall.EIO, "does not answer"},
	},
}

// Each way in which a store fails has its words, whatever is asked of it, and none is absence.
func TestWords(t *testing.T) {
	if testing.Short() {
		t.Skip("starts servers")
	}
	var all sync.WaitGroup
	defer all.Wait()
	for _, s := range []buckettest.Store{buckettest.S3(t), buckettest.GCS(t), buckettest.Azure(t)} {
		for name, c := range answers[s.Name] {
			at, proxy := s.Through(t)
			proxy.Break(func(*http.Request) buckettest.Fault { return c.fault })
			b, ctx := open(t, at.URI), t.Context()
			b.SetDeadline(8 * time.Second) // which the clients' own retries use up, Azure's two thirds of it
			for op, do := range map[string]func() error{
				"list":  func() error { return b.List(ctx, "", "/", func(Entry) error { return nil }) },
				"read":  func() error { _, _, err := b.Read(ctx, "x", 100); return err },
				"write": func() error { return b.Create(ctx, "x", []byte("x")) },
			} {
				all.Go(func() {
					err := do()
					if !errors.Is(err, c.want) || errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), c.words) {
						t.Errorf("%s, %s, %s: %v; want %v and the words %q", s.Name, name, op, err, c.want, c.words)
					}
				})
			}
		}
	}
}

// Google's credentials are refused where a token is asked for, before the store is.
func TestGoogleToken(t *testing.T) {
	for name, c := range map[string]struct {
		skew  time.Duration
		words string
	}{
		"clock": {-time.Hour, "this machine's clock"},
		"key":   {0, "refuses these credentials (Invalid JWT Signature.)"},
	} {
		token := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Date", time.Now().Add(c.skew).UTC().Format(http.TimeFormat))
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"error": "invalid_grant", "error_description": "Invalid JWT Signature."}`)
		}))
		defer token.Close()
		t.Setenv("STORAGE_EMULATOR_HOST", "")
		t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", serviceAccount(t, token.URL))
		b := open(t, "gs://test")
		b.SetDeadline(10 * time.Second)
		err := b.List(context.Background(), "", "/", func(Entry) error { return nil })
		if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), c.words) {
			t.Errorf("%s: %v; want the words %q", name, err, c.words)
		}
	}
}

// serviceAccount writes a key file whose tokens are given out at a URL.
func serviceAccount(t *testing.T, at string) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(map[string]string{"type": "service_account", "client_email": "me@p.iam.gserviceaccount.com", "token_uri": at,
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))})
	if err != nil {
		t.Fatal(err)
	}
	path := t.TempDir() + "/key.json"
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
