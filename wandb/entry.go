package wandb

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// entry is one file of a version as W&B's manifest has it.
type entry struct {
	path   string
	digest string
	alg    string // "": MD5
	size   int64  // unknown: -1
	ref    string // "": W&B stores it
	birth  string // the id of the artifact that stored it first
	etag   string // of a reference: what its store says when it changes

	version string // of a reference into S3: of the object; "": whichever has the etag
}

// entryJSON is an entry in the manifest. What else it has is not needed here.
type entryJSON struct {
	Digest string
	Ref    string
	Size   json.Number
	Birth  string `json:"birthArtifactID"`
	Extra  struct {
		ETag      any
		VersionID any
		Alg       any
	}
}

// tag returns what the store of a reference names its content by: Google's generation,
// others' ETag, which some clients give as the digest.
func (j *entryJSON) tag() string {
	if strings.HasPrefix(j.Ref, "gs://") {
		switch id := j.Extra.VersionID.(type) {
		case string:
			return id
		case float64:
			return strconv.FormatFloat(id, 'f', -1, 64)
		}
		return ""
	}
	tag, _ := j.Extra.ETag.(string)
	return tag
}

// version returns which version of an object of S3's was logged, "" if it has none.
func (j *entryJSON) version() string {
	if strings.HasPrefix(j.Ref, "s3://") {
		if id, _ := j.Extra.VersionID.(string); id != "null" {
			return id
		}
	}
	return ""
}

// xxh128 is the name of the other hash that W&B uses.
const xxh128 = "XXH128"

func (j *entryJSON) entry(path string) entry {
	e := entry{path: path, digest: j.Digest, ref: j.Ref, birth: j.Birth, size: -1}
	if n, err := j.Size.Int64(); err == nil && n >= 0 {
		// Of a reference, 0 is how some clients say that they do not know.
		if n > 0 || j.Ref == "" {
			e.size = n
		}
	}
	e.etag, e.version = j.tag(), j.version()
	e.alg, _ = j.Extra.Alg.(string)
	if strings.EqualFold(e.alg, "MD5") {
		e.alg = ""
	}
	return e
}

// hexDigest returns the hash of a stored file in hex, which is how addresses spell
// it; false if the digest is none of 16 bytes.
func (e *entry) hexDigest() (string, bool) {
	b, err := base64.StdEncoding.DecodeString(e.digest)
	if err != nil || len(b) != 16 {
		return "", false
	}
	return hex.EncodeToString(b), true
}

// elsewhere reports whether an entry must be followed to know what is there: into a
// bucket, or another artifact.
func (e *entry) elsewhere() bool {
	scheme, _, _ := strings.Cut(e.ref, "://")
	return e.ref != "" && scheme != "http" && scheme != "https"
}

// The limits of what an entry may be called.
const (
	maxEntryPath = 4096
	maxEntryName = 255
)

// checkEntry reports in words what keeps a path from being that of a file below the
// version. Manifests are written by others.
func checkEntry(path string) error {
	bad := func(why string) error {
		shown := path
		if len(shown) > 100 {
			shown = shown[:100] + "…"
		}
		return fmt.Errorf("the entry %q %s", shown, why)
	}
	switch {
	case path == "":
		return bad("has no name")
	case len(path) > maxEntryPath:
		return bad("is longer than a path can be")
	case path[0] == '/':
		return bad("is an absolute path")
	case strings.Contains(path, "\x00"):
		return bad("holds a NUL byte")
	}
	for c := range strings.SplitSeq(path, "/") {
		switch {
		case c == "" || c == ".":
			return bad("has an empty component")
		case c == "..":
			return bad("leads out of the version")
		case len(c) > maxEntryName:
			return bad("has a component that is longer than a name can be")
		}
	}
	return nil
}
