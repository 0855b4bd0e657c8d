package wandbtest

import (
	"context"
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
