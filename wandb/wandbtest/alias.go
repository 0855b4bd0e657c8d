package wandbtest

import (
	"context"
	"slices"
)

type collectionAliasInput struct {
	EntityName, ProjectName, ArtifactCollectionName, Alias string
}

type aliasesInput struct {
	ArtifactID       id
	Aliases          []collectionAliasInput
	ClientMutationID *string
}

type aliasesPayload struct {
	Success          bool
	Artifact         *artifact
	ClientMutationID *string
}

// AddAliases moves each alias to the version, within the collection that it names.
func (q *root) AddAliases(ctx context.Context, args struct{ Input aliasesInput }) (*aliasesPayload, error) {
	return q.aliases(ctx, args.Input, func(m *membership, name string) { m.coll.point(name, m) })
}

func (q *root) DeleteAliases(ctx context.Context, args struct{ Input aliasesInput }) (*aliasesPayload, error) {
	return q.aliases(ctx, args.Input, func(m *membership, name string) { m.coll.unpoint(name, m) })
}

func (q *root) aliases(ctx context.Context, in aliasesInput, do func(*membership, string)) (*aliasesPayload, error) {
	a, err := q.version(ctx, in.ArtifactID)
	if err != nil {
		return nil, err
	}
	for _, al := range in.Aliases {
		p := q.project(ctx, al.EntityName, al.ProjectName)
		i := slices.IndexFunc(a.members, func(m *membership) bool {
			return p != nil && m.coll.proj == p && m.coll == p.collection(al.ArtifactCollectionName)
		})
		if i < 0 {
			return nil, notFound("artifact %s is not in collection %s/%s/%s", a.ID, al.EntityName, al.ProjectName, al.ArtifactCollectionName)
		}
		do(a.members[i], al.Alias)
	}
	return &aliasesPayload{true, a, in.ClientMutationID}, nil
}
