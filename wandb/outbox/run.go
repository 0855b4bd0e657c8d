package outbox

import (
	"context"
	"fmt"
	"time"

	"artifactfs.dev/artifactfs/wandb"
	"artifactfs.dev/artifactfs/wandb/internal/gql"
)

// begin settles where to log, and by which run.
func (l *logging) begin(ctx context.Context) error {
	l.entity, l.project = l.it.Entity, l.it.Project
	if l.entity == "" {
		var err error
		if l.entity, err = within(ctx, l.request, l.c.Entity); err != nil {
			return err
		}
	}
	if theirs := l.it.Run.Theirs; theirs != "" {
		there, err := l.hasRun(ctx, theirs)
		if err != nil {
			return err
		}
		if there {
			l.run = theirs
			return l.checkType(ctx)
		}
		l.opt.Log.Warn("W&B has no run of this id (WANDB_RUN_ID); logged by a run of its own", "run", l.entity+"/"+l.project+"/"+theirs, "artifact", l.it.Name)
	}
	r := l.it.Run
	a, err := gql.UpsertRun(ctx, l.q, l.entity, l.project, r.ID, "artifactfs", r.Name, r.Config, r.Tags, r.Group)
	if err != nil {
		return err
	}
	if a.UpsertBucket == nil || a.UpsertBucket.Bucket == nil {
		return fmt.Errorf("W&B at %s made no run in %s/%s", l.c.Server(), l.entity, l.project)
	}
	b := a.UpsertBucket.Bucket
	l.run, l.ownRun = b.Name, true
	if b.Project != nil {
		l.entity, l.project = b.Project.Entity.Name, b.Project.Name
	}
	l.step("run")
	return l.checkType(ctx)
}

// hasRun reports whether a run is there. A run that somebody else started is not
// touched: an upsert of one that ended would begin it anew.
func (l *logging) hasRun(ctx context.Context, run string) (bool, error) {
	r, err := gql.RunInputs(ctx, l.q, l.entity, l.project, run, "", 1)
	if wandb.IsKind(err, wandb.NotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return r.Project != nil && r.Project.Run != nil, nil
}

// checkType refuses in words what W&B would refuse: a collection has one type.
func (l *logging) checkType(ctx context.Context) error {
	r, err := gql.Resolve(ctx, l.q, l.entity, l.project, l.it.Name+":latest")
	if wandb.IsKind(err, wandb.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if r.Project == nil || r.Project.ArtifactCollectionMembership == nil || r.Project.ArtifactCollectionMembership.Artifact == nil {
		return nil
	}
	if typ := r.Project.ArtifactCollectionMembership.Artifact.ArtifactType.Name; typ != l.it.Spec.Type {
		return refusal{fmt.Errorf("artifact %s: its versions in %s/%s are of type %s, and this one is %s; log it under another name, or with that type",
			l.it.Name, l.entity, l.project, typ, l.it.Spec.Type)}
	}
	return nil
}

// finishRun ends a run of ours.
func (l *logging) finishRun(ctx context.Context, a *answer) error {
	_, err := within(ctx, l.request, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, l.c.FinishRun(ctx, a.Entity, a.Project, l.it.Run.ID, 0)
	})
	return err
}

// within is a question with a deadline of its own.
func within[T any](ctx context.Context, d time.Duration, ask func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	return ask(ctx)
}
