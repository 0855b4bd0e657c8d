package main

import (
	"errors"
	"io/fs"
	"syscall"
	"testing"

	"artifactfs.dev/artifactfs/cmd/artifactfs/config"
)

// A record may be anybody's, and what reads its data carries credentials.
func TestRemoteAllowed(t *testing.T) {
	confined := &config.Config{
		Root: "s3://store/x?endpoint=http%3A%2F%2F10.0.0.7%3A9000", DataRoots: []string{"/lustre"},
		DataURIs: []string{"s3://data/a", "azblob://c/d?storage_account=ours", "hf://datasets/org/repo@main", "https://files.example/a", "http://intern:8080"},
	}
	free := &config.Config{Root: "/store"}
	for _, c := range []struct {
		cfg  *config.Config
		uri  string
		want error
	}{
		{confined, "s3://data/a/set", nil},
		{confined, "s3a://data/a", nil},
		{confined, "s3://data/b", syscall.EPERM},
		{confined, "s3://data/ab", syscall.EPERM},
		{confined, "s3://store/x/y", syscall.EPERM},
		{confined, "s3://data/a/set?endpoint=http://evil", syscall.EPERM},
		{confined, "abfs://c@ours.dfs.core.windows.net/d/e", nil},
		{confined, "abfs://c@theirs.dfs.core.windows.net/d/e", syscall.EPERM},
		{confined, "abfs://c@ours.evil.example/d/e", syscall.EPERM},
		{confined, "hf://datasets/org/repo@main/x?endpoint=http://evil", syscall.EPERM},
		{free, "s3://any/where", nil},
		{free, "abfs://c@acc.dfs.core.windows.net/d", nil},
		{free, "abfs://c@acc.evil.example/d", syscall.EPERM},
		{free, "s3://any/where?endpoint=http://evil", syscall.EPERM},
		{free, "hf://datasets/org/repo?endpoint=http://evil", syscall.EPERM},
		{confined, "https://files.example/a/x.tar?sig=1", nil},
		{confined, "HTTPS://FILES.example:443/a/x.tar", nil},
		{confined, "https://files.example/ab", syscall.EPERM},
		{confined, "https://files.example/a/../b", fs.ErrInvalid},
		{confined, "https://files.example/a/%2e%2e/b", fs.ErrInvalid},
		{confined, "https://files.example/a/..%2fb", fs.ErrInvalid},
		{confined, "http://files.example/a/x", syscall.EPERM},
		{confined, "https://files.example:444/a/x", syscall.EPERM},
		{confined, "https://me:secret@files.example/a/x", syscall.EPERM},
		{confined, "http://intern:8080/any", nil},
		{confined, "http://127.0.0.1/x", syscall.EPERM},
		{free, "https://any.example/x", nil},
		{free, "http://any.example/x", syscall.EPERM},
		{free, "http://127.0.0.1:8080/x", nil},
		{free, "http://localhost/x", nil},
	} {
		if err := newRemoteData(c.cfg).Allowed(c.uri); !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
			t.Errorf("%s: %v, want %v", c.uri, err, c.want)
		}
	}
}

// A SAS token goes to the account that it is of, or that whoever mounts has named, and to
// none that only a record names.
func TestRemoteToken(t *testing.T) {
	t.Setenv("AZURE_STORAGE_KEY", "")
	t.Setenv("AZURE_STORAGE_ACCOUNT", "ours")
	t.Setenv("AZURE_STORAGE_SAS_TOKEN", "sig=secret")
	free := newRemoteData(&config.Config{Root: "/store"})
	if err := free.Allowed("abfs://c@ours.dfs.core.windows.net/d"); err != nil {
		t.Error(err)
	}
	if err := free.Allowed("abfs://c@theirs.dfs.core.windows.net/d"); !errors.Is(err, syscall.EPERM) {
		t.Errorf("another account: %v, want EPERM", err)
	}
	t.Setenv("AZURE_STORAGE_ACCOUNT", "")
	if err := newRemoteData(&config.Config{Root: "azblob://c/d?storage_account=ours"}).Allowed("azblob://c/e"); err != nil {
		t.Errorf("the root's account: %v", err)
	}
}
