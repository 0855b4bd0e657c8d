package wandbtest

import (
	"context"
	"slices"
)

type useArtifactInput struct {
	ArtifactID                              id
	EntityName, ProjectName, RunName        string
	UsedAs                                  *string
	ArtifactEntityName, ArtifactProjectName *string
	ClientMutationID                        *string
}

type useArtifactPayload struct {
	Artifact         *artifact
	Run              *run
	ClientMutationID *string
}

// UseArtifact records that a run used a version: once, however often it is said.
func (q *root) UseArtifact(ctx context.Context, args struct{ Input useArtifactInput }) (*useArtifactPayload, error) {
	in := args.Input
	r, err := q.needRun(ctx, in.EntityName, in.ProjectName, in.RunName)
	if err != nil {
		return nil, err
	}
	a := lookup[*artifact](q.world(), in.ArtifactID)
	switch {
	case a == nil || !q.sees(ctx, a):
		return nil, notFound("artifact %s not found", in.ArtifactID)
	case a.state != committed:
		return nil, badRequest("artifact %s has not committed", in.ArtifactID)
	}
	i := slices.IndexFunc(r.inputs, func(u *use) bool { return u.art == a })
	if i < 0 {
		i = len(r.inputs)
		u := &use{art: a, run: r, as: []string{}}
		r.inputs, a.uses = append(r.inputs, u), append(a.uses, u)
	}
	if u := r.inputs[i]; in.UsedAs != nil && !slices.Contains(u.as, *in.UsedAs) {
		u.as = append(u.as, *in.UsedAs)
	}
	return &useArtifactPayload{a, r, in.ClientMutationID}, nil
}

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

type linkArtifactInput struct {
	ArtifactID, ClientID, ArtifactPortfolioID      *id
	ArtifactPortfolioName, EntityName, ProjectName *string
	Aliases                                        *[]aliasInput
	ClientMutationID                               *string
}

type linkArtifactPayload struct {
	VersionIndex       *int32
	ArtifactMembership *membership
}

// LinkArtifact puts a version into a portfolio, which is made if it is not there; latest there moves to it.
func (q *root) LinkArtifact(ctx context.Context, args struct{ Input linkArtifactInput }) (*linkArtifactPayload, error) {
	in, w := args.Input, q.world()
	n := deref(in.ArtifactID)
	if in.ArtifactID == nil {
		n = w.clients[deref(in.ClientID)]
	}
	a, err := q.version(ctx, n)
	if err != nil {
		return nil, err
	}
	if a.state != committed {
		return nil, badRequest("artifact %s has not committed", a.ID)
	}
	c, err := q.portfolio(ctx, in, a)
	if err != nil {
		return nil, err
	}
	m := c.add(a)
	for _, al := range deref(in.Aliases) {
		c.point(al.Alias, m)
	}
	c.point("latest", m)
	return &linkArtifactPayload{m.VersionIndex(), m}, nil
}

func (q *root) portfolio(ctx context.Context, in linkArtifactInput, a *artifact) (*collection, error) {
	if in.ArtifactPortfolioID != nil {
		if c := lookup[*collection](q.world(), *in.ArtifactPortfolioID); c != nil && c.portfolio {
			return c, nil
		}
		return nil, notFound("portfolio %s not found", *in.ArtifactPortfolioID)
	}
	p := q.project(ctx, deref(in.EntityName), deref(in.ProjectName))
	if e := q.entity(ctx, deref(in.EntityName)); p == nil && e != nil && e == e.org.registries() && coreRegistry(deref(in.ProjectName)) {
		p = q.world().newProject(e, deref(in.ProjectName))
	}
	if p == nil {
		return nil, notFound("project %s/%s not found", deref(in.EntityName), deref(in.ProjectName))
	}
	name := deref(in.ArtifactPortfolioName)
	c := p.collection(name)
	if c == nil {
		c = q.world().newCollection(p, name, p.needType(a.seq.typ.Name), true)
	}
	if !c.portfolio {
		return nil, badRequest("collection %s is a sequence: log to it", name)
	}
	return c, nil
}

// coreRegistry names the two registries that every organization has from the start.
func coreRegistry(project string) bool {
	return project == "wandb-registry-model" || project == "wandb-registry-dataset"
}

type unlinkArtifactInput struct {
	ArtifactID, ArtifactPortfolioID id
	ClientMutationID                *string
}

func (q *root) UnlinkArtifact(ctx context.Context, args struct{ Input unlinkArtifactInput }) (*success, error) {
	a, err := q.version(ctx, args.Input.ArtifactID)
	if err != nil {
		return nil, err
	}
	c := lookup[*collection](q.world(), args.Input.ArtifactPortfolioID)
	i := slices.IndexFunc(a.members, func(m *membership) bool { return m.coll == c && c.portfolio })
	if i < 0 {
		return nil, notFound("artifact %s is not in portfolio %s", a.ID, args.Input.ArtifactPortfolioID)
	}
	m := a.members[i]
	for _, al := range m.Aliases() {
		c.unpoint(al.Alias, m)
	}
	a.members = slices.Delete(a.members, i, i+1)
	c.members = slices.DeleteFunc(c.members, func(have *membership) bool { return have == m })
	return &success{true}, nil
}
