package bucket

import (
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
)

// Where nothing has credentials, the error says which places there are, and nothing of
// what each of them said.
func TestNoCredentials(t *testing.T) {
	for _, env := range os.Environ() {
		if key, was, _ := strings.Cut(env, "="); strings.HasPrefix(key, "AWS_") {
			t.Setenv(key, was) // put back in the end
			os.Unsetenv(key)
		}
	}
	metadata := httptest.NewServer(http.NotFoundHandler())
	defer metadata.Close()
	for key, value := range map[string]string{
		"AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
		"AWS_EC2_METADATA_SERVICE_ENDPOINT": metadata.URL, "AWS_ENDPOINT_URL": metadata.URL,
	} {
		t.Setenv(key, value)
	}
	_, _, err := open(t, "s3://bucket").Read(t.Context(), "x", 1)
	if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "AWS_PROFILE") || strings.Contains(err.Error(), "imds") {
		t.Errorf("%v; want words on where credentials are looked for", err)
	}
}
