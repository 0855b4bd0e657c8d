package wandb

import (
	"context"

	"artifactfs.dev/artifactfs/wandb/internal/gql"
)

// Qualified spells a name with its entity and project, which mean the same whoever
// numbers; false while the entity is not known.
func (s *Source) Qualified(name string) (string, bool) {
	entity := s.c.known()
	if entity == "" {
		return "", false
	}
	if at, err := s.parse(name, entity); err == nil {
		return at.entity + "/" + at.project + "/" + escape(at.name), true
	}
	return "", false
}

// Made returns what the runs that used a version have logged, in any project that the
// key sees, as references. W&B knows runs, not which of several versions went into what.
func (s *Source) Made(ctx context.Context, name string, version int) ([]string, error) {
	l, err := s.listing(ctx, name)
	if err != nil {
		return nil, err
	}
	id, ok := l.ids[version]
	if !ok {
		return nil, s.noVersion(name, version)
	}
	r, err := ask(ctx, func(ctx context.Context) (*gql.UsedByResponse, error) { return gql.UsedBy(ctx, s.c, id) })
	if err != nil || r.Artifact == nil {
		return nil, err
	}
	var list []string
	for _, e := range r.Artifact.UsedBy.Edges {
		if p := e.Node.Project; p != nil {
			if list, err = s.outputs(ctx, p.Entity.Name, p.Name, e.Node.Name, id, list); err != nil {
				return nil, err
			}
		}
	}
	return list, nil
}

// outputs adds to list what a run has logged, but for the artifact with that id. It adds
// nothing where the run cannot be seen.
func (s *Source) outputs(ctx context.Context, entity, project, run, but string, list []string) ([]string, error) {
	for after, more := "", true; more; {
		r, err := ask(ctx, func(ctx context.Context) (*gql.RunOutputsResponse, error) {
			return gql.RunOutputs(ctx, s.c, entity, project, run, after, pageAfter(after))
		})
		switch {
		case whole(err):
			return nil, err
		case err != nil || r.Project == nil || r.Project.Run == nil || r.Project.Run.OutputArtifacts == nil:
			return list, nil
		}
		out := r.Project.Run.OutputArtifacts
		for _, e := range out.Edges {
			n := e.Node
			if n == nil || n.Id == but || n.VersionIndex == nil || reserved(n.ArtifactType.Name) || !usable(n.ArtifactSequence.Name) {
				continue
			}
			if p := n.ArtifactSequence.Project; p != nil {
				list = append(list, s.reference(p.Entity.Name, p.Name, n.ArtifactSequence.Name, *n.VersionIndex))
			}
		}
		after, more = next(out.PageInfo.EndCursor, out.PageInfo.HasNextPage, after)
	}
	return list, nil
}
