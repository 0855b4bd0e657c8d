package wandbtest

import "context"

type upsertBucketInput struct {
	ID, Name, ModelName, EntityName, DisplayName, Description, Notes *string
	Config, SummaryMetrics                                           *jsonString
	JobType, JobProgram, JobRepo, GroupName, Host, Commit            *string
	Debug                                                            *bool
	State, Sweep                                                     *string
	Tags                                                             *[]*string
	ClientMutationID                                                 *string
}

type upsertBucketPayload struct {
	Bucket           *run
	Inserted         *bool
	ClientMutationID *string
}

// UpsertBucket makes a run, or changes one: a bucket is the old name of a run. A project that
// is not there is made.
func (q *root) UpsertBucket(ctx context.Context, args struct{ Input upsertBucketInput }) (*upsertBucketPayload, error) {
	in := args.Input
	if in.ID != nil {
		r := lookup[*run](q.world(), id(*in.ID))
		if r == nil {
			return nil, notFound("run %s not found", *in.ID)
		}
		r.update(in)
		return &upsertBucketPayload{r, ptr(false), in.ClientMutationID}, nil
	}
	p, err := q.needProject(ctx, deref(in.EntityName), deref(in.ModelName))
	if err != nil {
		return nil, err
	}
	r := p.run(deref(in.Name))
	inserted := r == nil
	if inserted {
		r = q.world().newRun(p, q.user(ctx), deref(in.Name))
	}
	r.update(in)
	return &upsertBucketPayload{r, &inserted, in.ClientMutationID}, nil
}

func (q *root) needProject(ctx context.Context, entity, name string) (*project, error) {
	e := q.entity(ctx, entity)
	if e == nil {
		return nil, notFound("entity %s not found", entity)
	}
	if name == "" {
		name = "uncategorized"
	}
	if p := e.project(name); p != nil {
		return p, nil
	}
	return q.world().newProject(e, name), nil
}

func (w *world) newRun(p *project, u *user, name string) *run {
	zero := int32(0)
	r := &run{w: w, ID: w.newID("Run"), Name: name, State: ptr("running"), HistoryLineCount: &zero, EventsLineCount: &zero,
		LogLineCount: &zero, CreatedAt: w.now(), HistoryTail: ptr(jsonString("[]")), EventsTail: ptr(jsonString("[]")),
		SystemMetrics: ptr(jsonString("{}")), Tags: &[]string{}, ReadOnly: ptr(false), Stopped: ptr(false),
		config: ptr(jsonString("{}")), summary: ptr(jsonString("{}")), proj: p, creator: u}
	if name == "" {
		r.Name = shortHash(string(r.ID))[:8]
	}
	r.DisplayName = &r.Name
	p.runs = append(p.runs, r)
	w.nodes[r.ID] = r
	return r
}

// update takes over what in has: null leaves things as they are.
func (r *run) update(in upsertBucketInput) {
	for _, f := range []struct{ to, from **string }{
		{&r.DisplayName, &in.DisplayName}, {&r.Description, &in.Description}, {&r.Notes, &in.Notes}, {&r.JobType, &in.JobType},
		{&r.Group, &in.GroupName}, {&r.Commit, &in.Commit}, {&r.State, &in.State}, {&r.SweepName, &in.Sweep},
	} {
		if *f.from != nil {
			*f.to = *f.from
		}
	}
	if in.Config != nil {
		r.config = in.Config
	}
	if in.SummaryMetrics != nil {
		r.summary = in.SummaryMetrics
	}
	if in.Tags != nil {
		tags := []string{}
		for _, t := range *in.Tags {
			tags = append(tags, deref(t))
		}
		r.Tags = &tags
	}
	now := r.w.now()
	r.HeartbeatAt, r.UpdatedAt = &now, &now
}

type upsertModelInput struct {
	ID, Name, EntityName, Description, Repo, Framework, DockerImage, Access *string
	Views                                                                   *jsonString
	IsBenchmark, IsPublished                                                *bool
	Owner                                                                   *id
	AllowAllArtifactTypesInRegistry                                         *bool
	ArtifactTypes                                                           *[]artifactTypeInput
	ClientMutationID                                                        *string
}

type artifactTypeInput struct {
	Name        string
	Description *string
}

type upsertModelPayload struct {
	Model, Project   *project
	Inserted         *bool
	ClientMutationID *string
}

// UpsertModel makes a project: a registry too, which is one named wandb-registry-NAME.
func (q *root) UpsertModel(ctx context.Context, args struct{ Input upsertModelInput }) (*upsertModelPayload, error) {
	in := args.Input
	had := q.project(ctx, deref(in.EntityName), deref(in.Name)) != nil
	p, err := q.needProject(ctx, deref(in.EntityName), deref(in.Name))
	if err != nil {
		return nil, err
	}
	if in.Description != nil {
		p.Description = in.Description
	}
	if in.AllowAllArtifactTypesInRegistry != nil {
		p.AllowAllArtifactTypesInRegistry = *in.AllowAllArtifactTypesInRegistry
	}
	for _, t := range deref(in.ArtifactTypes) {
		p.needType(t.Name).Description = t.Description
	}
	return &upsertModelPayload{p, p, ptr(!had), in.ClientMutationID}, nil
}
