package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"artifactfs.dev/artifactfs/internal/store"
	"artifactfs.dev/artifactfs/manifest"
	"artifactfs.dev/artifactfs/resolver"
	"artifactfs.dev/artifactfs/wandb"
)

// wandbSource is W&B as it is configured now: a key that comes to be there, or is
// changed, counts from then on, and until then what is wrong with it is the answer.
type wandbSource struct {
	clients *wandbClients
	opt     wandb.SourceOptions

	mu    sync.Mutex // guards what follows
	asked time.Time
	c     *wandb.Client
	s     *wandb.Source
	err   error // why there is none
	since time.Time
}

var (
	_ resolver.Filer     = (*wandbSource)(nil)
	_ resolver.Describer = (*wandbSource)(nil)
	_ resolver.Refresher = (*wandbSource)(nil)
	_ resolver.Runs      = (*wandbSource)(nil)
)

// lookAgain is how long a configuration is taken for the same.
const lookAgain = 2 * time.Second

// source returns the Source, or why there is none.
func (w *wandbSource) source() (*wandb.Source, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	if !w.asked.IsZero() && now.Sub(w.asked) < lookAgain {
		return w.s, w.err
	}
	w.asked = now
	c, err := w.clients.of("")
	switch {
	case err != nil && w.err == nil:
		w.c, w.s, w.since = nil, nil, now
	case err == nil && c != w.c:
		w.c, w.s = c, wandb.NewSource(c, &w.opt)
	}
	w.err = err
	return w.s, err
}

func (w *wandbSource) String() string {
	s, err := w.source()
	if err != nil {
		return "W&B"
	}
	return s.String()
}

// Degraded returns since when W&B does not answer, and why.
func (w *wandbSource) Degraded() (time.Time, error) {
	s, err := w.source()
	if err != nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.since, err
	}
	return s.Degraded()
}

// Check has Degraded and Unmade tell of now, if W&B says within ctx.
func (w *wandbSource) Check(ctx context.Context) {
	if s, err := w.source(); err == nil {
		s.Check(ctx)
	}
}

// Unmade returns that the configured project does not exist yet, if it does not.
func (w *wandbSource) Unmade() error {
	s, err := w.source()
	if err != nil {
		return nil
	}
	return s.Unmade()
}

func (w *wandbSource) Names(ctx context.Context, prefix string) ([]string, error) {
	s, err := w.source()
	if err != nil {
		return nil, err
	}
	return s.Names(ctx, prefix)
}

func (w *wandbSource) Versions(ctx context.Context, name string) (*manifest.Listing, error) {
	s, err := w.source()
	if err != nil {
		return nil, err
	}
	return s.Versions(ctx, name)
}

func (w *wandbSource) Manifest(ctx context.Context, name string, n int) (*manifest.Record, error) {
	s, err := w.source()
	if err != nil {
		return nil, err
	}
	return s.Manifest(ctx, name, n)
}

func (w *wandbSource) Files(ctx context.Context, name string, n int) (store.Files, error) {
	s, err := w.source()
	if err != nil {
		return nil, err
	}
	return s.Files(ctx, name, n)
}

func (w *wandbSource) Describe(ctx context.Context, name string, n int) (manifest.Object, error) {
	s, err := w.source()
	if err != nil {
		return nil, err
	}
	return s.Describe(ctx, name, n)
}

// Within reports whether an artifact is one of the configured project's.
func (w *wandbSource) Within(artifact string) bool {
	s, err := w.source()
	return err != nil || s.Within(artifact)
}

// Qualified spells a name with its entity and project.
func (w *wandbSource) Qualified(name string) (string, bool) {
	s, err := w.source()
	if err != nil {
		return "", false
	}
	return s.Qualified(name)
}

// Made returns what runs that used a version have logged.
func (w *wandbSource) Made(ctx context.Context, name string, n int) ([]string, error) {
	s, err := w.source()
	if err != nil {
		return nil, err
	}
	return s.Made(ctx, name, n)
}

func (w *wandbSource) Refresh(name string) {
	w.mu.Lock()
	w.asked = time.Time{}
	w.mu.Unlock()
	if s, err := w.source(); err == nil {
		s.Refresh(name)
	}
}

// wandbWords say in one word each what W&B is like.
func wandbWords(cause error) string {
	switch {
	case cause == nil:
		return "ok"
	case wandb.IsKind(cause, wandb.Unauthorized):
		return "refused"
	case wandb.IsKind(cause, wandb.Forbidden):
		return "no such project"
	case wandb.IsKind(cause, wandb.RateLimited):
		return "rate limited"
	case errors.Is(cause, context.DeadlineExceeded):
		return "silent"
	case wandb.IsKind(cause, wandb.Slow):
		return "slow"
	case wandb.IsKind(cause, wandb.Unreachable):
		return "down"
	}
	return "degraded"
}

// wandbWayOut is what to do about an error of W&B's.
func wandbWayOut(err error) string {
	switch {
	case wandb.IsKind(err, wandb.Forbidden):
		return "correct entity and project in [wandb] of env.toml, or ask its owner for access"
	case wandb.IsKind(err, wandb.RateLimited), wandb.IsKind(err, wandb.Slow):
		return "it is asked again by itself"
	case wandb.IsKind(err, wandb.Unreachable), errors.Is(err, context.DeadlineExceeded):
		return "look at base_url in [wandb] of env.toml, and the network"
	}
	return "wandb login"
}
