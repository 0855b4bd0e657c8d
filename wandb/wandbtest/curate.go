package wandbtest

import (
	"context"
	"slices"
)

type collectionPayload struct {
	ArtifactCollection *collection
	ClientMutationID   *string
}

// own is the collection of an id that the user may change.
func (q *root) own(ctx context.Context, n id, portfolio bool) (*collection, error) {
	c := lookup[*collection](q.world(), n)
	if c == nil || c.portfolio != portfolio || c.State != "READY" || !q.user(ctx).sees(c.proj.ent) {
		return nil, notFound("collection %s not found", n)
	}
	return c, nil
}

func (q *root) updateCollection(ctx context.Context, n id, portfolio bool, name, description *string) (*collectionPayload, error) {
	c, err := q.own(ctx, n, portfolio)
	if err != nil {
		return nil, err
	}
	if name != nil {
		if other := c.proj.collection(*name); other != nil && other != c {
			return nil, failure(409, "collection %s exists", *name)
		}
		c.Name = *name
	}
	if description != nil {
		c.Description = description
	}
	c.UpdatedAt = ptr(q.world().now())
	return &collectionPayload{ArtifactCollection: c}, nil
}

type updateArtifactSequenceInput struct {
	ArtifactSequenceID                  id
	Name, Description, ClientMutationID *string
}

func (q *root) UpdateArtifactSequence(ctx context.Context, args struct{ Input updateArtifactSequenceInput }) (*collectionPayload, error) {
	return q.updateCollection(ctx, args.Input.ArtifactSequenceID, false, args.Input.Name, args.Input.Description)
}

type updateArtifactPortfolioInput struct {
	ArtifactPortfolioID                 id
	Name, Description, ClientMutationID *string
}

func (q *root) UpdateArtifactPortfolio(ctx context.Context, args struct{ Input updateArtifactPortfolioInput }) (*collectionPayload, error) {
	return q.updateCollection(ctx, args.Input.ArtifactPortfolioID, true, args.Input.Name, args.Input.Description)
}

type moveArtifactSequenceInput struct {
	ArtifactSequenceID          id
	DestinationArtifactTypeName string
	ClientMutationID            *string
}

func (q *root) MoveArtifactSequence(ctx context.Context, args struct{ Input moveArtifactSequenceInput }) (*collectionPayload, error) {
	c, err := q.own(ctx, args.Input.ArtifactSequenceID, false)
	if err != nil {
		return nil, err
	}
	c.typ = c.proj.needType(args.Input.DestinationArtifactTypeName)
	return &collectionPayload{ArtifactCollection: c}, nil
}

func (q *root) deleteCollection(ctx context.Context, n id, portfolio bool) (*collectionPayload, error) {
	c, err := q.own(ctx, n, portfolio)
	if err != nil {
		return nil, err
	}
	if !portfolio {
		for _, m := range c.members {
			m.art.delete()
		}
	}
	c.aliasRow, c.State = nil, "DELETED"
	return &collectionPayload{ArtifactCollection: c}, nil
}

type deleteArtifactSequenceInput struct {
	ArtifactSequenceID id
	ClientMutationID   *string
}

func (q *root) DeleteArtifactSequence(ctx context.Context, args struct{ Input deleteArtifactSequenceInput }) (*collectionPayload, error) {
	return q.deleteCollection(ctx, args.Input.ArtifactSequenceID, false)
}

type deleteArtifactPortfolioInput struct {
	ArtifactPortfolioID id
	ClientMutationID    *string
}

func (q *root) DeleteArtifactPortfolio(ctx context.Context, args struct{ Input deleteArtifactPortfolioInput }) (*collectionPayload, error) {
	return q.deleteCollection(ctx, args.Input.ArtifactPortfolioID, true)
}

type collectionTagsInput struct {
	EntityName, ProjectName, ArtifactCollectionName string
	Tags                                            []tagInput
	ClientMutationID                                *string
}

type tagsPayload struct{ Tags []*tag }

func (q *root) tagged(ctx context.Context, in collectionTagsInput) (*collection, error) {
	if p := q.project(ctx, in.EntityName, in.ProjectName); p != nil {
		if c := p.collection(in.ArtifactCollectionName); c != nil {
			return c, nil
		}
	}
	return nil, notFound("collection %s/%s/%s not found", in.EntityName, in.ProjectName, in.ArtifactCollectionName)
}

func (q *root) CreateArtifactCollectionTagAssignments(ctx context.Context, args struct{ Input collectionTagsInput }) (*tagsPayload, error) {
	c, err := q.tagged(ctx, args.Input)
	if err != nil {
		return nil, err
	}
	out := &tagsPayload{Tags: []*tag{}}
	for _, in := range args.Input.Tags {
		i := slices.IndexFunc(c.tags, func(t *tag) bool { return t.Name == in.TagName })
		if i < 0 {
			i, c.tags = len(c.tags), append(c.tags, &tag{in.TagName})
		}
		out.Tags = append(out.Tags, c.tags[i])
	}
	return out, nil
}

func (q *root) DeleteArtifactCollectionTagAssignments(ctx context.Context, args struct{ Input collectionTagsInput }) (*success, error) {
	c, err := q.tagged(ctx, args.Input)
	if err != nil {
		return nil, err
	}
	for _, in := range args.Input.Tags {
		c.tags = slices.DeleteFunc(c.tags, func(t *tag) bool { return t.Name == in.TagName })
	}
	return &success{true}, nil
}

type createArtifactTypeInput struct {
	EntityName, ProjectName, Name string
	Description, ClientMutationID *string
}

type createArtifactTypePayload struct{ ArtifactType *artifactType }

func (q *root) CreateArtifactType(ctx context.Context, args struct{ Input createArtifactTypeInput }) (*createArtifactTypePayload, error) {
	in := args.Input
	p := q.project(ctx, in.EntityName, in.ProjectName)
	if p == nil {
		return nil, notFound("project %s/%s not found", in.EntityName, in.ProjectName)
	}
	t := p.needType(in.Name)
	if in.Description != nil {
		t.Description = in.Description
	}
	return &createArtifactTypePayload{t}, nil
}
