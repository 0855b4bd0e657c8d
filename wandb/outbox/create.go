package outbox

import (
	"context"
	"fmt"

	"artifactfs.dev/artifactfs/wandb"
	"artifactfs.dev/artifactfs/wandb/internal/gql"
)

// maxRestarts is how often another version may come first before this try ends.
const maxRestarts = 10

// create makes a committed version of an artifact, however far an earlier try came,
// and returns its id. there says that W&B had one of the same content before.
//
// One version is ever committed: an artifact that was created is kept by its id, and
// that one is asked after and gone on with, until the server says that it can never
// be committed.
func (l *logging) create(ctx context.Context, a artifact, p *progress) (id string, there bool, err error) {
	for range maxRestarts {
		if p.Pending != "" {
			v, err := l.byID(ctx, p.Pending)
			if err != nil {
				return "", false, err
			}
			switch {
			case v != nil && v.State == gql.ArtifactStateCommitted:
				return p.Pending, false, nil
			case v == nil || v.State != gql.ArtifactStatePending:
				p.Pending = "" // it was given up on, and was never a version
			}
		}
		if p.Pending == "" {
			id, there, err := l.createArtifact(ctx, a, p)
			if err != nil || there {
				return id, there, err
			}
		}
		if err := l.fill(ctx, a, p); err != nil {
			return "", false, err
		}
		l.step("filled")
		_, err := gql.Commit(ctx, l.q, p.Pending)
		l.step("committed")
		switch {
		case err == nil:
			return p.Pending, false, nil
		case !wandb.IsKind(err, wandb.Conflict):
			// Whether it was committed all the same, the next try asks.
			return "", false, err
		}
		// Another version claimed what this one was to store. The server says so for
		// ever of this id, whatever is done with it.
		*p = newProgress()
		if err := l.save(l.it); err != nil {
			return "", false, err
		}
	}
	return "", false, fmt.Errorf("artifact %s: other versions came before this one %d times", a.name, maxRestarts)
}

// byID returns an artifact, nil if there is none.
func (l *logging) byID(ctx context.Context, id string) (*gql.Version, error) {
	r, err := gql.ArtifactByID(ctx, l.q, id)
	if wandb.IsKind(err, wandb.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return r.Artifact, nil
}

// createArtifact begins a version. Aliases come later: where W&B has the content
// before, they would move to what it has.
func (l *logging) createArtifact(ctx context.Context, a artifact, p *progress) (id string, there bool, err error) {
	r, err := gql.CreateArtifact(ctx, l.q, gql.CreateArtifactInput{
		EntityName: l.entity, ProjectName: l.project, RunName: a.run,
		ArtifactTypeName: a.typ, ArtifactCollectionName: a.name,
		Digest: a.digest, DigestAlgorithm: gql.ArtifactDigestAlgorithmManifestMd5, EnableDigestDeduplication: true,
		ClientID: p.ClientID, SequenceClientID: p.SequenceID,
		Description: a.text, Metadata: a.metadata,
	})
	if err != nil {
		return "", false, err
	}
	l.step("created")
	if r.CreateArtifact == nil || r.CreateArtifact.Artifact.Id == "" {
		return "", false, fmt.Errorf("artifact %s: W&B created nothing, and does not say why", a.name)
	}
	made := r.CreateArtifact.Artifact
	if made.State == gql.ArtifactStateCommitted {
		return made.Id, true, nil
	}
	p.Pending, p.Base = made.Id, ""
	if made.ArtifactSequence.LatestArtifact != nil {
		p.Base = made.ArtifactSequence.LatestArtifact.Id
	}
	if err := l.save(l.it); err != nil {
		return "", false, err
	}
	l.step("pending")
	return made.Id, false, nil
}

// ours reports whether a version was logged by this push, by a process that could not
// say so.
func (l *logging) ours(ctx context.Context, id string) (bool, error) {
	v, err := l.byID(ctx, id)
	if err != nil || v == nil {
		return false, err
	}
	by, ok := v.CreatedBy.(*gql.VersionCreatedByRun)
	return ok && by.Name == l.it.Run.ID, nil
}
