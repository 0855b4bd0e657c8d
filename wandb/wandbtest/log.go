package wandbtest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// Version is what Log logs. Entity, Project and Type have defaults: team, nemotron, dataset.
type Version struct {
	Entity, Project, Name, Type string
	Files                       map[string][]byte
	Refs                        []Ref
	Metadata                    any // becomes a JSON object
	Description                 string
	Aliases                     []string // beside latest, which is always set
	Run                         string   // who logs it; the user does if there is none
	XXH128                      bool
	NoDedupe                    bool // make a version even if there is one with this content
}

// Ref is an entry that points elsewhere. Without a digest it has that of its URI's text, as
// references without a checksum do.
type Ref struct {
	Name, URI, Digest string
	Size              int64
	Extra             map[string]any
}

// Logged is a version that was logged.
type Logged struct {
	ID     string
	Index  int
	Digest string
}

// Log logs a version as a client would, in one step and with no request.
func (s *Server) Log(v Version) (Logged, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v.Entity, v.Project, v.Type = cmp.Or(v.Entity, "team"), cmp.Or(v.Project, "nemotron"), cmp.Or(v.Type, "dataset")
	q, w := &root{s}, s.world
	ctx := context.WithValue(context.Background(), userKey{}, w.users[0])
	p, err := q.needProject(ctx, v.Entity, v.Project)
	if err != nil {
		return Logged{}, err
	}
	in := createArtifactInput{EntityName: v.Entity, ProjectName: v.Project, ArtifactTypeName: v.Type, ArtifactCollectionName: &v.Name,
		DigestAlgorithm: md5Manifest, EnableDigestDeduplication: ptr(!v.NoDedupe)}
	if v.XXH128 {
		in.DigestAlgorithm = xxhManifest
	}
	if v.Run != "" {
		if p.run(v.Run) == nil {
			w.newRun(p, w.users[0], v.Run)
		}
		in.RunName = &v.Run
	}
	if v.Description != "" {
		in.Description = &v.Description
	}
	if v.Metadata != nil {
		b, err := json.Marshal(v.Metadata)
		if err != nil {
			return Logged{}, err
		}
		in.Metadata = ptr(jsonString(b))
	}
	aliases := []aliasInput{{v.Name, "latest"}}
	for _, a := range v.Aliases {
		aliases = append(aliases, aliasInput{v.Name, a})
	}
	in.Aliases = &aliases
	return q.log(ctx, v, in)
}

func (q *root) log(ctx context.Context, v Version, in createArtifactInput) (Logged, error) {
	entries := v.entries(in.DigestAlgorithm)
	in.Digest = digest(in.DigestAlgorithm, entries)
	created, err := q.CreateArtifact(ctx, struct{ Input createArtifactInput }{in})
	if err != nil {
		return Logged{}, err
	}
	a := created.Artifact
	if a.state == pending {
		f := &manifestFile{Version: 1, StoragePolicy: "wandb-storage-policy-v1",
			StoragePolicyConfig: map[string]any{"storageLayout": "V2"}, Contents: map[string]json.RawMessage{}}
		for _, e := range entries {
			if e.Ref == "" {
				if err := a.storeFile(e, v.Files[e.path]); err != nil {
					return Logged{}, err
				}
			}
			f.Contents[e.path], _ = json.Marshal(e)
		}
		if a.manifest, err = q.world().storeManifest(a, f); err != nil {
			return Logged{}, err
		}
		if err := a.commit(); err != nil {
			return Logged{}, err
		}
	}
	return Logged{string(a.ID), int(*a.VersionIndex(inCollection{})), a.Digest}, nil
}

// entries are those of the manifest, sorted, without what only the server knows.
func (v *Version) entries(alg string) []*entry {
	all := []*entry{}
	for _, name := range slices.Sorted(maps.Keys(v.Files)) {
		b := v.Files[name]
		e := &entry{path: name, Digest: base64.StdEncoding.EncodeToString(sum(alg, b)), Size: int64(len(b))}
		if alg == xxhManifest {
			e.Extra = map[string]any{"alg": "XXH128"}
		}
		all = append(all, e)
	}
	for _, r := range v.Refs {
		all = append(all, &entry{path: r.Name, Ref: r.URI, Size: r.Size, Extra: r.Extra,
			Digest: cmp.Or(r.Digest, base64.StdEncoding.EncodeToString(sum(md5Manifest, []byte(r.URI))))})
	}
	slices.SortFunc(all, func(a, b *entry) int { return strings.Compare(a.path, b.path) })
	return all
}

func (a *artifact) storeFile(e *entry, b []byte) error {
	spec := fileSpecInput{Name: e.path, Md5: e.Digest, Digest: &e.Digest}
	f := a.upload(spec, a.alg)
	e.BirthArtifactID = string(f.art.ID)
	if f.UploadURL == nil {
		return nil
	}
	return a.w.srv.store.put(a.seq.blobKey(e.hex()), bytes.NewReader(b), func() error { return nil })
}

// storeManifest makes the manifest of a version from what lies in it.
func (w *world) storeManifest(a *artifact, f *manifestFile) (*manifest, error) {
	b, err := json.Marshal(f)
	if err != nil {
		return nil, err
	}
	m := &manifest{w: w, ID: w.newID("ArtifactManifest"), Digest: base64.StdEncoding.EncodeToString(sum(md5Manifest, b)),
		Type: "FULL", CreatedAt: w.now(), art: a}
	w.nodes[m.ID] = m
	return m, w.srv.store.put(m.key(), bytes.NewReader(b), func() error { return nil })
}
