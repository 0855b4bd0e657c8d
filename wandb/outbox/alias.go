package outbox

import (
	"context"
	"fmt"

	"artifactfs.dev/artifactfs/manifest"
	"artifactfs.dev/artifactfs/wandb"
	"artifactfs.dev/artifactfs/wandb/internal/gql"
)

// alias gives the version its names. latest only moves forward: a version that was
// long on its way does not take it from one that came later.
func (l *logging) alias(ctx context.Context) error {
	a := l.it.Answer
	latest, err := l.member(ctx, manifest.Latest)
	if err != nil {
		return err
	}
	names := l.it.Aliases
	if latest.index < a.Index {
		names = append([]string{manifest.Latest}, names...)
	}
	if err := l.addAliases(ctx, a.ArtifactID, names); err != nil {
		return err
	}
	if latest.index > a.Index {
		return nil
	}
	// Another machine may have asked in the same moment, with a later version, and been
	// faster: then latest is now where it was before. The last of those that follow has it.
	last := member{a.Index, ""}
	for {
		next, err := l.member(ctx, fmt.Sprintf("v%d", last.index+1))
		if err != nil {
			return err
		}
		if next.id == "" {
			break
		}
		last = next
	}
	if last.id == "" {
		return nil
	}
	if latest, err = l.member(ctx, manifest.Latest); err != nil || latest.index >= last.index {
		return err
	}
	return l.addAliases(ctx, last.id, []string{manifest.Latest})
}

// member is a version in its collection; index is -1 and id "" where there is none.
type member struct {
	index int
	id    string
}

// member asks where an alias, or a version's name, leads now.
func (l *logging) member(ctx context.Context, version string) (member, error) {
	none := member{index: -1}
	a := l.it.Answer
	r, err := gql.Alias(ctx, l.q, a.Entity, a.Project, a.Collection+":"+version)
	if wandb.IsKind(err, wandb.NotFound) {
		return none, nil
	}
	if err != nil {
		return none, err
	}
	if r.Project == nil || r.Project.ArtifactCollectionMembership == nil {
		return none, nil
	}
	m := r.Project.ArtifactCollectionMembership
	if m.VersionIndex == nil || m.Artifact == nil || m.Artifact.State != gql.ArtifactStateCommitted {
		return none, nil
	}
	return member{*m.VersionIndex, m.Artifact.Id}, nil
}

func (l *logging) addAliases(ctx context.Context, id string, names []string) error {
	if len(names) == 0 {
		return nil
	}
	a := l.it.Answer
	in := gql.AddAliasesInput{ArtifactID: id}
	for _, n := range names {
		in.Aliases = append(in.Aliases, gql.ArtifactCollectionAliasInput{EntityName: a.Entity, ProjectName: a.Project, ArtifactCollectionName: a.Collection, Alias: n})
	}
	r, err := gql.AddAliases(ctx, l.q, in)
	if err == nil && (r.AddAliases == nil || !r.AddAliases.Success) {
		err = fmt.Errorf("artifact %s: W&B did not set %v, and does not say why", l.it.Name, names)
	}
	return err
}
