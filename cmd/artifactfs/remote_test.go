package main

import (
	"errors"
	"syscall"
	"testing"

	"artifactfs.dev/artifactfs/cmd/artifactfs/config"
)

// A record may be anybody's, and what reads its data carries credentials.
func TestRemoteAllowed(t *testing.T) {
	confined := &config.Config{
		Root: "s3://store/x?endpoint=http%3A%2F%2F10.0.0.7%3A9000", DataRoots: []string{"/lustre"},
		DataURIs: []string{"s3://data/a", "azblob://c/d?storage_account=ours", "hf://datasets/org/repo@main"},
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
	} {
		if err := (&remoteData{cfg: c.cfg}).Allowed(c.uri); !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
			t.Errorf("%s: %v, want %v", c.uri, err, c.want)
		}
	}
}
