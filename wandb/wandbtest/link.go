package wandbtest

import (
	"context"
	"slices"
)

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
