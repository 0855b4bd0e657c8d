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
