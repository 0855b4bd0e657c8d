package wandbtest

import "context"

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
