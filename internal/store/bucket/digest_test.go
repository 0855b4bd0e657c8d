package bucket

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"testing"

	"gocloud.dev/blob"
)

// A digest that a store gives is that of the content.
func TestDigest(t *testing.T) { each(t, testDigest) }

func testDigest(t *testing.T, b *Bucket) {
	data := []byte("content")
	if err := b.Create(t.Context(), "x", data); err != nil {
		t.Fatal(err)
	}
	o, err := b.Stat(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	algorithm, sum := o.Digest()
	five, two := md5.Sum(data), sha256.Sum256(data)
	want := map[string]string{"md5": string(five[:]), "sha256": string(two[:]), "": ""}[algorithm]
	if string(sum) != want || algorithm == "" && (b.uri.Scheme == "s3" || b.uri.Scheme == "gs") {
		t.Errorf("%q %x, want %x", algorithm, sum, want)
	}
}

// A listing tells a small content from others without reading it.
func TestHolds(t *testing.T) { each(t, testHolds) }

func testHolds(t *testing.T, b *Bucket) {
	if err := b.Create(t.Context(), "x", []byte("v12")); err != nil {
		t.Fatal(err)
	}
	seen := 0
	err := b.List(t.Context(), "x", "/", func(e Entry) error {
		seen++
		if !e.Holds([]byte("v12")) || e.Holds([]byte("v13")) || e.Holds([]byte("v1")) {
			t.Errorf("%+v: not proven to hold v12 alone", e)
		}
		return nil
	})
	if err != nil || seen != 1 {
		t.Errorf("%d objects listed, %v", seen, err)
	}
}

// An ETag of 32 digits that is not the content's MD5 is not taken for it.
func TestNoDigest(t *testing.T) {
	sum := md5.Sum(nil)
	for at, c := range map[string]struct {
		tag  string
		want string
	}{
		"azblob://b":                  {"0x8D", ""},
		"s3://bucket--usw2-az1--x-s3": {`"d41d8cd98f00b204e9800998ecf8427e"`, ""},
		"hf://datasets/org/repo":      {"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "sha256"},
		"hf://datasets/org/other":     {"da39a3ee5e6b4b0d3255bfef95601890afd80709", ""},
	} {
		u, err := Parse(at)
		if err != nil {
			t.Fatal(err)
		}
		d := (&Bucket{uri: u}).digestOf(&blob.Attributes{MD5: sum[:]}, c.tag)
		if d.algorithm != c.want || c.want != "" && hex.EncodeToString(d.sum) != c.tag {
			t.Errorf("%s: %+v, want %q", at, d, c.want)
		}
	}
}
