package wandbtest

import (
	"context"
	"slices"
)

type createRunFilesInput struct {
	EntityName, ProjectName, RunName string
	Files                            []string
	StorageRegion, ClientMutationID  *string
}

type createRunFilesPayload struct {
	RunID         string
	UploadHeaders []string
	Files         []*file
}

// CreateRunFiles hands out URLs for a run's own files.
func (q *root) CreateRunFiles(ctx context.Context, args struct{ Input createRunFilesInput }) (*createRunFilesPayload, error) {
	in := args.Input
	r, err := q.needRun(ctx, in.EntityName, in.ProjectName, in.RunName)
	if err != nil {
		return nil, err
	}
	out := &createRunFilesPayload{RunID: r.Name, UploadHeaders: []string{}}
	for _, name := range in.Files {
		if !slices.Contains(r.files, name) {
			r.files = append(r.files, name)
		}
		out.Files = append(out.Files, r.file(name, true))
	}
	return out, nil
}

func (q *root) needRun(ctx context.Context, entity, project, name string) (*run, error) {
	if p := q.project(ctx, entity, project); p != nil {
		if r := p.run(name); r != nil {
			return r, nil
		}
	}
	return nil, notFound("run %s/%s/%s not found", entity, project, name)
}

type markRunFilesUploadedInput struct {
	EntityName, ProjectName, RunName string
	Files                            []string
	ClientMutationID                 *string
}

type success struct{ Success bool }

func (q *root) MarkRunFilesUploaded(ctx context.Context, args struct{ Input markRunFilesUploadedInput }) (*success, error) {
	in := args.Input
	if _, err := q.needRun(ctx, in.EntityName, in.ProjectName, in.RunName); err != nil {
		return nil, err
	}
	return &success{true}, nil
}
