package wandbtest

import (
	"cmp"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/zeebo/xxh3"
)

// compare is the order of paths in a digest: by bytes.
func compare(a, b string) int { return cmp.Compare(a, b) }

// manifest is a manifest's row: its bytes are a blob.
type manifest struct {
	w         *world
	ID        id
	Digest    string
	Type      string
	CreatedAt dateTime
	art       *artifact
	base      id
}

func (m *manifest) Artifact() *artifact { return m.art }
func (m *manifest) File() *file         { return m.w.file("wandb_manifest.json", m.key(), true, m.headers()) }

func (m *manifest) key() string { return "manifest/" + string(m.ID) }

// headers are those that its upload must come with.
func (m *manifest) headers() []string {
	if m.Digest == "" {
		return []string{"Content-Type:application/json"}
	}
	return []string{"Content-MD5:" + m.Digest, "Content-Type:application/json"}
}

// manifestFile is what lies in the blob.
type manifestFile struct {
	Version             int                        `json:"version"`
	StoragePolicy       string                     `json:"storagePolicy"`
	StoragePolicyConfig map[string]any             `json:"storagePolicyConfig"`
	Contents            map[string]json.RawMessage `json:"contents"`
}

// entry is a file or a reference of a version.
type entry struct {
	path            string
	Digest          string         `json:"digest"`
	Ref             string         `json:"ref,omitempty"`
	Size            int64          `json:"size,omitempty"`
	BirthArtifactID string         `json:"birthArtifactID,omitempty"`
	Extra           map[string]any `json:"extra,omitempty"`
}

// alg is the algorithm of the entry's digest.
func (e *entry) alg() string {
	if e.Extra["alg"] == "XXH128" {
		return xxhManifest
	}
	return md5Manifest
}

// hex is the digest as the store's addresses have it.
func (e *entry) hex() string { return hexDigest(e.Digest) }

func hexDigest(b64 string) string {
	b, _ := base64.StdEncoding.DecodeString(b64)
	return hex.EncodeToString(b)
}

// parse reads the manifest's blob.
func (m *manifest) parse() (*manifestFile, error) {
	r, err := m.w.srv.store.open(m.key())
	if err != nil {
		return nil, badRequest("artifact %s: manifest has not been uploaded", m.art.ID)
	}
	defer r.Close()
	var f manifestFile
	if err := json.NewDecoder(r).Decode(&f); err != nil {
		return nil, badRequest("artifact %s: manifest: %v", m.art.ID, err)
	}
	if f.Version != 1 || f.StoragePolicy != "wandb-storage-policy-v1" {
		return nil, badRequest("artifact %s: manifest version %d with policy %q is not known", m.art.ID, f.Version, f.StoragePolicy)
	}
	return &f, nil
}

// entries are a manifest's, in order of their paths.
func (f *manifestFile) entries() ([]*entry, error) {
	all := make([]*entry, 0, len(f.Contents))
	for path, raw := range f.Contents {
		e := &entry{path: path}
		if err := json.Unmarshal(raw, e); err != nil {
			return nil, badRequest("manifest: entry %s: %v", path, err)
		}
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b *entry) int { return compare(a.path, b.path) })
	return all, nil
}

// digest is the artifact digest of entries, which are sorted.
func digest(alg string, entries []*entry) string {
	text := []byte("wandb-artifact-manifest-v1\n")
	for _, e := range entries {
		text = fmt.Appendf(text, "%s:%s\n", e.path, e.Digest)
	}
	return hex.EncodeToString(sum(alg, text))
}

// sum is a digest's raw bytes.
func sum(alg string, b []byte) []byte {
	if alg == xxhManifest {
		s := xxh3.Hash128(b).Bytes()
		return s[:]
	}
	s := md5.Sum(b)
	return s[:]
}
