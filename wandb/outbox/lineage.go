package outbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"artifactfs.dev/artifactfs/manifest"
	"artifactfs.dev/artifactfs/wandb"
	"artifactfs.dev/artifactfs/wandb/internal/gql"
)

// featureUse is what a server has that wants to know where a used artifact is.
const featureUse = "USE_ARTIFACT_WITH_ENTITY_AND_PROJECT_INFORMATION"

// lineage tells W&B what the run used. What W&B does not know, or refuses, is left
// out with a warning: a version is worth more than its history.
func (l *logging) lineage(ctx context.Context) error {
	for _, ref := range l.it.Used {
		if err := l.passing(l.use(ctx, ref), "used artifact "+ref); err != nil {
			return err
		}
	}
	for i := range l.it.Inputs {
		in := &l.it.Inputs[i]
		if err := l.passing(l.useInput(ctx, in), "input "+in.URI); err != nil {
			return err
		}
	}
	return nil
}

// passing returns only those errors that may pass if it is tried again.
func (l *logging) passing(err error, what string) error {
	var e *wandb.Error
	said := errors.As(err, &e) && (e.Kind == wandb.NotFound || e.Kind == wandb.BadAnswer || e.Kind == wandb.Forbidden || e.Kind == wandb.Conflict)
	if err == nil || !said && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrInvalid) {
		return err
	}
	l.opt.Log.Warn("not in W&B's lineage", "artifact", l.it.Name, "version", l.it.version(), "what", what, "why", err)
	return nil
}

// use marks a version as used by the run.
func (l *logging) use(ctx context.Context, text string) error {
	if l.opt.Used != nil {
		var err error
		if text, err = l.opt.Used(ctx, text); err != nil {
			return err
		}
	}
	ref, err := manifest.ParseRef(text)
	if err != nil {
		return err
	}
	if ref.In == manifest.ByManifest {
		return fmt.Errorf("W&B has no %s: %w", ref, fs.ErrNotExist)
	}
	entity, project, name := l.entity, l.project, ref.Name
	if part := strings.Split(name, "/"); len(part) == 3 {
		entity, project, name = part[0], part[1], part[2]
	}
	if err := CheckName(name); err != nil {
		return fmt.Errorf("W&B has no %s: %w", name, fs.ErrNotExist)
	}
	r, err := gql.Resolve(ctx, l.q, entity, project, name+":"+ref.Version)
	if err != nil {
		return err
	}
	if r.Project == nil || r.Project.ArtifactCollectionMembership == nil || r.Project.ArtifactCollectionMembership.Artifact == nil {
		return fmt.Errorf("W&B has no %s/%s/%s:%s: %w", entity, project, name, ref.Version, fs.ErrNotExist)
	}
	return l.useID(ctx, r.Project.ArtifactCollectionMembership.Artifact.Id, entity, project)
}

func (l *logging) useID(ctx context.Context, id, entity, project string) error {
	in := gql.UseArtifactInput{ArtifactID: id, EntityName: l.entity, ProjectName: l.project, RunName: l.run}
	has, err := within(ctx, l.request, func(ctx context.Context) (bool, error) { return l.c.Has(ctx, featureUse) })
	if err != nil {
		return err
	}
	if has {
		in.ArtifactEntityName, in.ArtifactProjectName = entity, project
	}
	if _, err := gql.UseArtifact(ctx, l.q, in); err != nil {
		return err
	}
	l.step("used")
	return nil
}

// useInput makes an artifact of data that is none, unless W&B has it, and marks it as
// used. The artifact is its user's and not the run's: the run did not make it.
func (l *logging) useInput(ctx context.Context, in *input) error {
	e := in.entry()
	var text bytes.Buffer
	w := newEntryWriter(&text, []entry{e})
	digest, err := w.close()
	if err != nil {
		return err
	}
	id, there, err := l.create(ctx, artifact{
		name: in.Name, typ: in.Type, text: in.Text, metadata: in.Metadata, digest: digest,
		open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(text.Bytes())), nil },
	}, &in.Progress)
	if err != nil {
		return err
	}
	if !there {
		a := gql.AddAliasesInput{ArtifactID: id, Aliases: []gql.ArtifactCollectionAliasInput{
			{EntityName: l.entity, ProjectName: l.project, ArtifactCollectionName: in.Name, Alias: manifest.Latest},
		}}
		if _, err := gql.AddAliases(ctx, l.q, a); err != nil {
			return err
		}
	}
	return l.useID(ctx, id, l.entity, l.project)
}
