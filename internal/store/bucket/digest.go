package bucket

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"gocloud.dev/blob"
)

// digest is what a store says of an object's content; an empty one if it says nothing
// that can be relied on.
type digest struct {
	algorithm string // md5 or sha256
	sum       []byte
}

// Digest returns the digest of the whole content, if the store gave one: the
// algorithm's name, "" if not, and the sum.
func (o *Object) Digest() (algorithm string, sum []byte) { return o.digest.algorithm, o.digest.sum }

// digestOf knows S3's ETags, Google's hashes and the Hub's. Azure's Content-MD5 is the
// uploader's word, which the service does not always check.
func (b *Bucket) digestOf(a *blob.Attributes, tag string) digest {
	switch b.uri.Scheme {
	case "s3":
		if len(a.MD5) == 16 && plainETag(a) && !strings.HasSuffix(b.uri.Bucket, "--x-s3") { // those of directory buckets are random
			return digest{"md5", a.MD5}
		}
	case "gs":
		if len(a.MD5) == 16 {
			return digest{"md5", a.MD5}
		}
	case "hf":
		if sum, err := hex.DecodeString(tag); err == nil && len(sum) == 32 { // of LFS; others are git's
			return digest{"sha256", sum}
		}
	}
	return digest{}
}

// plainETag reports whether an ETag is the content's MD5: it is not where the content
// is encrypted with other keys than S3's own.
func plainETag(a *blob.Attributes) bool {
	var out s3.HeadObjectOutput
	if !a.As(&out) || out.SSECustomerAlgorithm != nil {
		return false
	}
	return out.ServerSideEncryption == "" || out.ServerSideEncryption == "AES256"
}

// Holds reports whether the listing proves that the object has this content: by its
// MD5, or by git's name of it. Where it does not say, or not by the content alone, as
// with some encryption, the object has to be read.
func (e Entry) Holds(content []byte) bool {
	if e.Dir || e.Size != int64(len(content)) {
		return false
	}
	if len(e.md5) == md5.Size {
		sum := md5.Sum(content)
		return bytes.Equal(e.md5, sum[:])
	}
	blob := sha1.Sum(fmt.Appendf(nil, "blob %d\x00%s", len(content), content))
	return e.Tag == hex.EncodeToString(blob[:])
}
