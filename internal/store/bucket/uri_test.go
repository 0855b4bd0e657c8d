package bucket

import (
	"errors"
	"io/fs"
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		in   string
		want URI
		text string
	}{
		{"s3://b", URI{"s3", "b", "", url.Values{}}, "s3://b"},
		{"s3a://b/p/q/", URI{"s3", "b", "p/q/", url.Values{}}, "s3://b/p/q"},
		{"S3://b/p?region=eu-1&use_path_style=true", URI{"s3", "b", "p/", url.Values{"region": {"eu-1"}, "use_path_style": {"true"}}}, "s3://b/p"},
		{"gcs://b/%20 x", URI{"gs", "b", "%20 x/", url.Values{}}, "gs://b/%20 x"},
		{"az://c/p", URI{"azblob", "c", "p/", url.Values{}}, "azblob://c/p"},
		{"abfss://c@acc.dfs.core.windows.net/p", URI{"azblob", "c", "p/", url.Values{"storage_account": {"acc"}}}, "azblob://c/p"},
		{"abfs://c@acc.dfs.core.chinacloudapi.cn/", URI{"azblob", "c", "", url.Values{"storage_account": {"acc"}, "domain": {"blob.core.chinacloudapi.cn"}}}, "azblob://c"},
		{"hf://org/m", URI{"hf", "org/m", "", url.Values{}}, "hf://org/m"},
		{"hf://datasets/org/d@a%2Fb/p/q?endpoint=http://h", URI{"hf", "datasets/org/d@a%2Fb", "p/q/", url.Values{"endpoint": {"http://h"}}}, "hf://datasets/org/d@a%2Fb/p/q"},
		{"HF://models/org/m@refs/pr/1/x", URI{"hf", "org/m@refs/pr/1", "x/", url.Values{}}, "hf://org/m@refs/pr/1/x"},
	} {
		got, err := Parse(c.in)
		if err != nil {
			t.Errorf("%s: %v", c.in, err)
			continue
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.in, diff)
		}
		if got.String() != c.text {
			t.Errorf("%s is shown as %s, want %s", c.in, got, c.text)
		}
	}
	for _, in := range []string{"", "/lustre", "s3:/b", "s3://", "s3:///p", "ftp://b/p", "s3://b/a//c", "s3://b/../c", "s3://b/a\x00", "s3://b/p?%zz", "abfs://@0", "hf://gpt2", "hf://dataset/a/b"} {
		if u, err := Parse(in); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("%q: %+v, %v; want ErrInvalid", in, u, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"s3://b/p?a=b", "abfs://c@a.dfs.core.windows.net/x", "gs://b/..", "az://", "hf://a/b@c%3Fd/e"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, err := Parse(s)
		if err != nil {
			return
		}
		again, err := Parse(u.String())
		if err != nil || again.Scheme != u.Scheme || again.Bucket != u.Bucket || again.Prefix != u.Prefix {
			t.Errorf("%q is %+v, and its text is %+v, %v", s, u, again, err)
		}
	})
}
