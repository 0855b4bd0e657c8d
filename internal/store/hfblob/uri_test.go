package hfblob

import (
	"errors"
	"io/fs"
	"testing"
)

func TestParseURI(t *testing.T) {
	for _, c := range []struct {
		in   string
		want URI
		text string // "": as in
	}{
		{"hf://org/m", URI{"models", "org/m", "", ""}, ""},
		{"hf://models/org/m/", URI{"models", "org/m", "", ""}, "hf://org/m"},
		{"hf://org/m/a/b.json", URI{"models", "org/m", "", "a/b.json"}, ""},
		{"hf://datasets/org/d@v1/a@b", URI{"datasets", "org/d", "v1", "a@b"}, ""},
		{"hf://spaces/org/s@refs/pr/10/dir", URI{"spaces", "org/s", "refs/pr/10", "dir"}, ""},
		{"hf://org/m@refs/convert/parquet-v2", URI{"models", "org/m", "refs/convert/parquet-v2", ""}, ""},
		{"hf://org/m@refs/pr/1x/dir", URI{"models", "org/m", "refs", "pr/1x/dir"}, ""},
		{"hf://org/m@feature%2Ffoo/dir", URI{"models", "org/m", "feature/foo", "dir"}, ""},
		{"hf://org/m@50%25/d", URI{"models", "org/m", "50%", "d"}, ""},
		{"hf://org/m/%20#?", URI{"models", "org/m", "", "%20#?"}, ""},
	} {
		got, err := ParseURI(c.in)
		if err != nil || got != c.want {
			t.Errorf("%s: %+v, %v; want %+v", c.in, got, err, c.want)
		}
		if c.text == "" {
			c.text = c.in
		}
		if got.String() != c.text {
			t.Errorf("%s is shown as %s, want %s", c.in, got, c.text)
		}
	}
	for _, in := range []string{"", "s3://a/b", "hf://", "hf://gpt2", "hf://org/", "hf://model/org/m", "hf://dataset/a/b", "hf://buckets/a/b", "hf://kernels/a/b",
		"hf://datasets/d", "hf://org/m@", "hf://org/m@/x", "hf://org/m//x", "hf://org/m@v//x", "hf://org/a..b", "hf://org/-m", "hf://org/m.git", "hf://org@v/m", "hf://org/m@%zz"} {
		if u, err := ParseURI(in); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("%q: %+v, %v; want ErrInvalid", in, u, err)
		}
	}
}

func FuzzParseURI(f *testing.F) {
	for _, s := range []string{"hf://org/m@v/p", "hf://datasets/org/d@refs/pr/1/x", "hf://a/b@x%2Fy/z", "hf://a/b@%25"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, err := ParseURI(s)
		if err != nil {
			return
		}
		if again, err := ParseURI(u.String()); err != nil || again != u {
			t.Errorf("%q is %+v, and its text %q is %+v, %v", s, u, u.String(), again, err)
		}
	})
}
