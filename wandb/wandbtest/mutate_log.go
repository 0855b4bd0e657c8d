package wandbtest

import (
	"context"
	"maps"
	"slices"
)

type aliasInput struct{ ArtifactCollectionName, Alias string }

type tagInput struct {
	TagName         string
	TagCategoryName *string
	Attributes      *jsonString
}

type createArtifactInput struct {
	EntityName, ProjectName   string
	RunName                   *string
	ArtifactTypeName          string
	ArtifactCollectionName    *string
	ArtifactCollectionNames   *[]string
	Digest, DigestAlgorithm   string
	Description               *string
	Metadata, Labels          *jsonString
	Aliases                   *[]aliasInput
	ClientID                  *id
	SequenceClientID          *id
	EnableDigestDeduplication *bool
	HistoryStep               *int64Scalar
	DistributedID             *string
	TTLDurationSeconds        *int64Scalar
	Tags                      *[]tagInput
	StorageRegion             *string
	ClientMutationID          *string
}

type artifactPayload struct {
	Artifact         *artifact
	ClientMutationID *string
}

// CreateArtifact makes a pending version, or finds the version that there is already: of the same
// client id, when a request is sent again, or of the same digest.
func (q *root) CreateArtifact(ctx context.Context, args struct{ Input createArtifactInput }) (*artifactPayload, error) {
	in, w := args.Input, q.world()
	if a := lookup[*artifact](w, w.clients[deref(in.ClientID)]); a != nil {
		return &artifactPayload{a, in.ClientMutationID}, nil
	}
	p := q.project(ctx, in.EntityName, in.ProjectName)
	if p == nil {
		return nil, notFound("project %s/%s not found", in.EntityName, in.ProjectName)
	}
	creator := &initiator{user: q.user(ctx)}
	if in.RunName != nil {
		r := p.run(*in.RunName)
		if r == nil {
			return nil, notFound("run %s not found", *in.RunName)
		}
		creator = &initiator{run: r}
	}
	seq, err := p.sequence(in)
	if err != nil {
		return nil, err
	}
	if deref(in.EnableDigestDeduplication) {
		if m := seq.sameContent(in.Digest, in.DigestAlgorithm); m != nil {
			m.art.alias(deref(in.Aliases))
			return &artifactPayload{m.art, in.ClientMutationID}, nil
		}
	}
	a := w.newArtifact(seq, creator, in)
	if in.ClientID != nil {
		w.clients[*in.ClientID] = a.ID
	}
	if in.SequenceClientID != nil {
		w.clients[*in.SequenceClientID] = seq.ID
	}
	return &artifactPayload{a, in.ClientMutationID}, nil
}

// sequence is the collection that in logs to, which is made if it is not there.
func (p *project) sequence(in createArtifactInput) (*collection, error) {
	names := deref(in.ArtifactCollectionNames)
	if in.ArtifactCollectionName != nil {
		names = []string{*in.ArtifactCollectionName}
	}
	if len(names) != 1 || names[0] == "" {
		return nil, badRequest("an artifact is logged to one collection")
	}
	c := p.collection(names[0])
	switch {
	case c == nil:
		c = p.w.newCollection(p, names[0], p.needType(in.ArtifactTypeName), false)
		c.alg = in.DigestAlgorithm
	case c.portfolio:
		return nil, badRequest("collection %s is a portfolio: link to it", c.Name)
	case c.typ.Name != in.ArtifactTypeName:
		return nil, badRequest("collection %s has type %s, not %s", c.Name, c.typ.Name, in.ArtifactTypeName)
	}
	return c, nil
}

// sameContent is the newest committed version with this digest, of any age.
func (c *collection) sameContent(digest, alg string) *membership {
	for _, m := range slices.Backward(c.committed()) {
		if m.art.Digest == digest && m.art.alg == alg {
			return m
		}
	}
	return nil
}

func (w *world) newArtifact(seq *collection, creator *initiator, in createArtifactInput) *artifact {
	a := &artifact{w: w, ID: w.newID("Artifact"), Digest: in.Digest, Description: in.Description, Metadata: in.Metadata,
		CreatedAt: w.now(), HistoryStep: in.HistoryStep, TTLIsInherited: true, Tags: []*tag{}, state: pending,
		alg: in.DigestAlgorithm, wanted: deref(in.Aliases), seq: seq, creator: creator}
	a.setTTL(in.TTLDurationSeconds)
	a.tag(deref(in.Tags))
	w.nodes[a.ID] = a
	w.artifacts = append(w.artifacts, a)
	return a
}

// setTTL: -1 inherits, -2 is none, else seconds.
func (a *artifact) setTTL(seconds *int64Scalar) {
	if seconds == nil {
		return
	}
	a.TTLIsInherited = *seconds == -1
	a.TTLDurationSeconds = max(0, *seconds)
}

func (a *artifact) tag(add []tagInput) {
	for _, t := range add {
		if !slices.ContainsFunc(a.Tags, func(have *tag) bool { return have.Name == t.TagName }) {
			a.Tags = append(a.Tags, &tag{t.TagName})
		}
	}
}

// alias sets aliases on a version that is there. One that names a portfolio links to it.
func (a *artifact) alias(wanted []aliasInput) {
	for _, want := range wanted {
		c := a.seq.proj.collection(want.ArtifactCollectionName)
		if c == nil {
			c = a.w.newCollection(a.seq.proj, want.ArtifactCollectionName, a.seq.typ, true)
		}
		if c == a.seq || c.portfolio {
			c.point(want.Alias, c.add(a))
		}
	}
}

type createArtifactManifestInput struct {
	ArtifactID                       id
	Name, Digest                     string
	EntityName, ProjectName, RunName string
	Type                             string
	BaseArtifactID                   *id
	ClientMutationID                 *string
}

type manifestPayload struct {
	ArtifactManifest *manifest
	ClientMutationID *string
}

// CreateArtifactManifest is called twice: before the files, with an empty digest, and after them.
func (q *root) CreateArtifactManifest(ctx context.Context, args struct{ Input createArtifactManifestInput }) (*manifestPayload, error) {
	in := args.Input
	a, err := q.pendingArtifact(ctx, in.ArtifactID)
	if err != nil {
		return nil, err
	}
	if _, err := q.needRun(ctx, in.EntityName, in.ProjectName, in.RunName); err != nil {
		return nil, err
	}
	if in.Type == "PATCH" {
		return nil, badRequest("manifests of type PATCH are not served here")
	}
	w := q.world()
	m := &manifest{w: w, ID: w.newID("ArtifactManifest"), Digest: in.Digest, Type: in.Type, CreatedAt: w.now(), art: a, base: deref(in.BaseArtifactID)}
	w.nodes[m.ID] = m
	a.manifest = m
	return &manifestPayload{m, in.ClientMutationID}, nil
}

type updateArtifactManifestInput struct {
	ArtifactManifestID id
	Digest             *string
	BaseArtifactID     *id
	ClientMutationID   *string
}

func (q *root) UpdateArtifactManifest(args struct{ Input updateArtifactManifestInput }) (*manifestPayload, error) {
	in := args.Input
	m := lookup[*manifest](q.world(), in.ArtifactManifestID)
	if m == nil {
		return nil, notFound("manifest %s not found", in.ArtifactManifestID)
	}
	if in.Digest != nil {
		m.Digest = *in.Digest
	}
	if in.BaseArtifactID != nil {
		m.base = *in.BaseArtifactID
	}
	return &manifestPayload{m, in.ClientMutationID}, nil
}

// pendingArtifact is a version that may still be written to.
func (q *root) pendingArtifact(ctx context.Context, n id) (*artifact, error) {
	a := lookup[*artifact](q.world(), n)
	switch {
	case a == nil || !q.sees(ctx, a):
		return nil, notFound("artifact %s not found", n)
	case a.state != pending:
		return nil, badRequest("artifact %s is %s", n, a.state)
	}
	return a, nil
}

type createArtifactFilesInput struct {
	ArtifactFiles    []fileSpecInput
	StorageLayout    string
	CloudRegionID    *id
	ClientMutationID *string
	DigestAlgorithm  *string
}

type fileSpecInput struct {
	ArtifactID         id
	ArtifactManifestID *id
	Name, Md5          string
	Mimetype           *string
	UploadPartsInput   *[]uploadPartsInput
	Digest             *string
}

type uploadPartsInput struct {
	PartNumber int64Scalar
	HexMD5     string
}

type createArtifactFilesPayload struct {
	files            []*file
	ClientMutationID *string
}

func (p *createArtifactFilesPayload) Files(args listArgs) (*fileConnection, error) {
	return pageFiles(p.files, args)
}

// CreateArtifactFiles answers where to put each file, in the order they were asked for. What the
// sequence has stored already has no uploadUrl.
func (q *root) CreateArtifactFiles(ctx context.Context, args struct{ Input createArtifactFilesInput }) (*createArtifactFilesPayload, error) {
	in := args.Input
	out := &createArtifactFilesPayload{ClientMutationID: in.ClientMutationID}
	for _, spec := range in.ArtifactFiles {
		a, err := q.pendingArtifact(ctx, spec.ArtifactID)
		if err != nil {
			return nil, err
		}
		if spec.UploadPartsInput != nil && len(*spec.UploadPartsInput) > 0 {
			return nil, badRequest("%s: uploads in parts are not served here", spec.Name)
		}
		out.files = append(out.files, a.upload(spec, deref(in.DigestAlgorithm)))
	}
	return out, nil
}

// upload is the row of a file that is to be stored.
func (a *artifact) upload(spec fileSpecInput, alg string) *file {
	w, b64 := a.w, spec.Md5
	headers := []string{"Content-MD5:" + spec.Md5, "Content-Type:application/octet-stream"}
	if alg == xxhManifest && spec.Digest != nil {
		b64, headers = *spec.Digest, headers[1:]
	}
	key := a.seq.blobKey(hexDigest(b64))
	b, stored := w.blobs[key], w.srv.store.has(key)
	if b == nil || !stored {
		b = &blob{birth: a}
		w.blobs[key] = b
	}
	f := w.file(spec.Name, key, !stored, headers)
	f.StoragePath, f.art, f.Md5, f.Digest = storagePath(key), b.birth, &spec.Md5, &b64
	return f
}

type completeMultipartInput struct {
	CompleteMultipartAction string
	CompletedParts          []uploadPartsInput
	ArtifactID              id
	StoragePath, UploadID   string
}

type completeMultipartPayload struct{ Digest *string }

func (q *root) CompleteMultipartUploadArtifact(struct{ Input completeMultipartInput }) (*completeMultipartPayload, error) {
	return nil, badRequest("uploads in parts are not served here")
}

type commitArtifactInput struct {
	ArtifactID       id
	ClientMutationID *string
}

// CommitArtifact reads the manifest, checks that all it names is there, and makes the version. A
// commit that is sent again finds the version made.
func (q *root) CommitArtifact(ctx context.Context, args struct{ Input commitArtifactInput }) (*artifactPayload, error) {
	in := args.Input
	if a := lookup[*artifact](q.world(), in.ArtifactID); a != nil && a.state == committed {
		return &artifactPayload{a, in.ClientMutationID}, nil
	}
	a, err := q.pendingArtifact(ctx, in.ArtifactID)
	if err != nil {
		return nil, err
	}
	if err := a.commit(); err != nil {
		return nil, err
	}
	return &artifactPayload{a, in.ClientMutationID}, nil
}

func (a *artifact) commit() error {
	if a.manifest == nil {
		return badRequest("artifact %s has no manifest", a.ID)
	}
	f, err := a.manifest.parse()
	if err != nil {
		return err
	}
	if a.manifest.Type == "INCREMENTAL" {
		if err := a.merge(f); err != nil {
			return err
		}
	}
	entries, err := f.entries()
	if err != nil {
		return err
	}
	if err := a.check(entries); err != nil {
		return err
	}
	a.entries, a.state = entries, committed
	a.FileCount = int64Scalar(len(entries))
	for _, e := range entries {
		a.Size += int64Scalar(e.Size)
	}
	a.seq.add(a)
	a.alias(a.wanted)
	if r := a.creator.run; r != nil {
		r.outputs = append(r.outputs, a)
	}
	return nil
}

// merge lays the entries of an incremental manifest over its base's, and stores the whole as the
// version's manifest. Its digest only covered what is new.
func (a *artifact) merge(f *manifestFile) error {
	base := lookup[*artifact](a.w, a.manifest.base)
	if base == nil {
		base = a.seq.LatestArtifact()
	}
	if base != nil {
		under, err := base.manifest.parse()
		if err != nil {
			return err
		}
		maps.Copy(under.Contents, f.Contents)
		f.Contents = under.Contents
	}
	m, err := a.w.storeManifest(a, f)
	if err != nil {
		return err
	}
	entries, err := f.entries()
	if err != nil {
		return err
	}
	a.manifest, a.Digest = m, digest(a.alg, entries)
	return nil
}

// check refuses a version whose digest is not that of its entries, or whose files are not there.
// That W&B's own server looks at the first is a guess; a client that gets it wrong must not pass here.
func (a *artifact) check(entries []*entry) error {
	if got := digest(a.alg, entries); got != a.Digest {
		return badRequest("artifact %s: digest is %s, and that of the manifest %s", a.ID, a.Digest, got)
	}
	for _, e := range entries {
		if e.Ref == "" && !a.w.srv.store.has(a.entryKey(e)) {
			return badRequest("artifact %s: %s has not been uploaded", a.ID, e.path)
		}
	}
	return nil
}
