package wandb

import (
	"crypto/md5"
	"encoding/base64"
)

// URIDigest is the digest of a local file whose content is not looked at, as W&B's SDK
// makes it with checksum=False: of the URI of its real path as
// Python's Path.as_uri spells it. It changes with the path alone.
func URIDigest(real string) string {
	sum := md5.Sum([]byte("file://" + quote(real, unreserved)))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// FileURI is the reference to a local path. W&B's tools decode it when they read it,
// but write it as it is, and Nemotron reads it as it is: what is escaped is only
// what cannot be read otherwise.
func FileURI(path string) string {
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
