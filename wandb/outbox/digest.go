package outbox

import (
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"hash"
)

// W&B names content by MD5, in base64, and an artifact by the MD5 of its entries'
// paths and digests, in hex. It is no protection here, only what W&B compares.

func md5Base64(b []byte) string {
	sum := md5.Sum(b)
	return base64.StdEncoding.EncodeToString(sum[:])
}

// artifactDigest hashes entries in the order of their paths' bytes.
type artifactDigest struct{ hash.Hash }

func newArtifactDigest() artifactDigest {
	d := artifactDigest{md5.New()}
	d.Write([]byte("wandb-artifact-manifest-v1\n"))
	return d
}

// add counts a path and a digest; a reference, a size and the rest do not matter.
func (d artifactDigest) add(path, digest string) {
	d.Write([]byte(path + ":" + digest + "\n"))
}

func (d artifactDigest) hex() string { return hex.EncodeToString(d.Sum(nil)) }

// uriDigest is that of a local file whose content is not looked at: of its URI as
// Python's Path.as_uri spells it. It changes with the path alone.
func uriDigest(real string) string { return md5Base64([]byte("file://" + quote(real, unreserved))) }

// refURI is the reference to a local path. W&B's tools decode it when they read it,
// but write it as it is, and Nemotron reads it as it is: what is escaped is only
// what cannot be read otherwise.
func refURI(path string) string {
	return "file://" + quote(path, func(c byte) bool { return c >= ' ' && c != '%' && c != '#' && c != '?' && c != 0x7f })
}

// unreserved are the characters that urllib's quote leaves alone in a path.
func unreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		c == '/' || c == '_' || c == '.' || c == '-' || c == '~'
}

func quote(s string, plain func(byte) bool) string {
	const digits = "0123456789ABCDEF"
	out := make([]byte, 0, len(s))
	for i := range len(s) {
		if c := s[i]; plain(c) {
			out = append(out, c)
		} else {
			out = append(out, '%', digits[c>>4], digits[c&15])
		}
	}
	return string(out)
}
