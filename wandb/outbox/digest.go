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
