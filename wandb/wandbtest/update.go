package wandbtest

import (
	"context"
	"slices"
)

// version is a version that has not been deleted.
func (q *root) version(ctx context.Context, n id) (*artifact, error) {
	a := lookup[*artifact](q.world(), n)
	if a == nil || a.state == deleted || !q.sees(ctx, a) {
		return nil, notFound("artifact %s not found", n)
	}
	return a, nil
}

type updateArtifactInput struct {
	ArtifactID         id
	Description        *string
	Metadata, Labels   *jsonString
	Aliases            *[]aliasInput
	TTLDurationSeconds *int64Scalar
	TagsToAdd          *[]tagInput
	TagsToDelete       *[]tagInput
	ClientMutationID   *string
}

// UpdateArtifact changes what is not content. Metadata is replaced whole.
func (q *root) UpdateArtifact(ctx context.Context, args struct{ Input updateArtifactInput }) (*artifactPayload, error) {
	in := args.Input
	a, err := q.version(ctx, in.ArtifactID)
	if err != nil {
		return nil, err
	}
	if in.Description != nil {
		a.Description = in.Description
	}
	if in.Metadata != nil {
		a.Metadata = in.Metadata
	}
	a.setTTL(in.TTLDurationSeconds)
	a.tag(deref(in.TagsToAdd))
	for _, t := range deref(in.TagsToDelete) {
		a.Tags = slices.DeleteFunc(a.Tags, func(have *tag) bool { return have.Name == t.TagName })
	}
	if in.Aliases != nil {
		for _, al := range a.Aliases(inCollection{&a.seq.Name}) {
			a.seq.unpoint(al.Alias, al.member)
		}
		a.alias(*in.Aliases)
	}
	a.UpdatedAt = ptr(q.world().now())
	return &artifactPayload{a, in.ClientMutationID}, nil
}

type deleteArtifactInput struct {
	ArtifactID       id
	DeleteAliases    bool
	ClientMutationID *string
}

// DeleteArtifact leaves a gap: the number of the version is not given again.
func (q *root) DeleteArtifact(ctx context.Context, args struct{ Input deleteArtifactInput }) (*artifactPayload, error) {
	in := args.Input
	a, err := q.version(ctx, in.ArtifactID)
	if err != nil {
		return nil, err
	}
	if len(a.Aliases(inCollection{})) > 0 && !in.DeleteAliases {
		return nil, badRequest("artifact %s has aliases", a.ID)
	}
	a.delete()
	return &artifactPayload{a, in.ClientMutationID}, nil
}

func (a *artifact) delete() {
	for _, al := range a.Aliases(inCollection{}) {
		al.member.coll.unpoint(al.Alias, al.member)
	}
	a.state = deleted
}
