package main

import (
	"errors"
	"net/url"
	"syscall"
	"testing"

	"artifactfs.dev/artifactfs/cmd/artifactfs/config"
	"artifactfs.dev/artifactfs/internal/store/bucket"
)

// What W&B's references name is confined as what records name is, and the web as well.
func TestReferences(t *testing.T) {
	confined := &config.Config{
		Root: "s3://store/x", DataRoots: []string{"/lustre"},
		DataURIs: []string{"s3://data/a?endpoint=http%3A%2F%2F10.0.0.7%3A9000", "https://data.example/sets", "http://10.0.0.8:8000"},
	}
	free := &config.Config{}
	for _, c := range []struct {
		cfg  *config.Config
		uri  string
		want error
	}{
		{confined, "s3://data/a/k", nil},
		{confined, "s3://data/ab", syscall.EPERM},
		{confined, "s3://store/x/k", syscall.EPERM},
		{confined, "gs://data/a/k", syscall.EPERM},
		{confined, "https://data.example/sets", nil},
		{confined, "https://DATA.example:443/sets/a/?x=y", nil},
		{confined, "https://data.example/sets2/a", syscall.EPERM},
		{confined, "https://data.example/sets/../a", syscall.EPERM},
		{confined, "https://data.example/sets/%2e%2e/a", syscall.EPERM},
		{confined, "http://data.example/sets/a", syscall.EPERM},
		{confined, "https://data.example:8443/sets/a", syscall.EPERM},
		{confined, "https://data.example.evil/sets/a", syscall.EPERM},
		{confined, "https://data.example@evil.example/sets/a", syscall.EPERM},
		{confined, "http://10.0.0.8:8000/any", nil},
		{confined, "http://10.0.0.8:8000", nil},
		{confined, "http://10.0.0.8/any", syscall.EPERM},
		{free, "s3://any/where", nil},
		{free, "https://any.example/where", nil},
	} {
		o := references{newRemoteData(c.cfg)}
		var err error
		if bucket.Is(c.uri) {
			u, bad := bucket.Parse(c.uri)
			if err = o.Object(u); bad != nil {
				t.Fatal(bad)
			}
		} else {
			u, bad := url.Parse(c.uri)
			if err = o.Web(u); bad != nil {
				t.Fatal(bad)
			}
		}
		if !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
			t.Errorf("%s: %v, want %v", c.uri, err, c.want)
		}
	}
	// A bucket that data_roots reach in a way of their own is reached in that way.
	u, _ := bucket.Parse("s3://data/a/k")
	b, err := references{newRemoteData(confined)}.Bucket(t.Context(), u)
	if err != nil || b.URI().Params.Get("endpoint") != "http://10.0.0.7:9000" {
		t.Errorf("the bucket is %v, by %v, %v", b, b.URI().Params, err)
	}
}
