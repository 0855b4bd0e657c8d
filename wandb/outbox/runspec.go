package outbox

import (
	"context"
	"os"
	"strings"

	"artifactfs.dev/artifactfs/internal/store"
	"artifactfs.dev/artifactfs/manifest"
)

// runSpec is the run that logs a version.
type runSpec struct {
	ID     string   `json:"id"`               // ours, made from the push: the same at each try
	Theirs string   `json:"theirs,omitempty"` // the caller's, if W&B has it
	Name   string   `json:"name"`
	Group  string   `json:"group,omitempty"`
	Tags   []string `json:"tags,omitempty"`
	Config string   `json:"config"`
}

// runOf says which run logs it: the caller's own, if that is in the project that is
// logged to, else one of ours.
func (o *Outbox) runOf(ctx context.Context, it *item, env map[string]string) runSpec {
	r := runSpec{Tags: []string{"artifactfs"}}
	for tag := range strings.SplitSeq(env["WANDB_TAGS"], ",") {
		if tag = strings.TrimSpace(tag); tag != "" && len(tag) <= 64 {
			r.Tags = append(r.Tags, tag)
		}
	}
	same := func(name, ours string) bool { return env[name] == "" || strings.EqualFold(env[name], ours) }
	if id := env["WANDB_RUN_ID"]; id != "" && len(id) <= 128 && !strings.ContainsAny(id, ":;,#?/'") && strings.TrimSpace(id) == id &&
		same("WANDB_PROJECT", o.opt.Project) && (o.opt.Entity == "" || same("WANDB_ENTITY", o.opt.Entity)) {
		r.Theirs = id
	}
	config := manifest.Object{{Key: "artifact", Value: it.Name}, {Key: "path", Value: it.Spec.Path}}
	job, ok := store.JobOf(ctx)
	if _, through := store.CallerOf(ctx); !through {
		job, ok = store.OwnJob()
	}
	if ok {
		r.Group = cut(job.Name, "")
		config.Set("job", job.Name)
	}
	if host, err := os.Hostname(); err == nil {
		config.Set("host", host)
	}
	// W&B keeps each key of a configuration as {"value": …}.
	wrapped := manifest.Object{}
	for _, m := range config {
		wrapped.Set(m.Key, manifest.Object{{Key: "value", Value: m.Value}})
	}
	r.Config = string(manifest.AppendJSON(nil, wrapped, 0))
	return r
}
