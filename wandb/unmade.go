package wandb

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"artifactfs.dev/artifactfs/wandb/internal/gql"
)

// noProject says what it means that the server knows no such project: it is null
// for what the key may not see too. In an entity of the user's own it does not exist,
// and the first log will make it.
func (s *Source) noProject(ctx context.Context, at collection) error {
	r, err := ask(ctx, func(ctx context.Context) (*gql.ViewerResponse, error) { return gql.Viewer(ctx, s.c) })
	if err != nil {
		return err
	}
	if v := r.Viewer; v != nil {
		mine := v.Entity == at.entity || v.Username == at.entity
		if v.Teams != nil {
			for _, e := range v.Teams.Edges {
				mine = mine || e.Node != nil && e.Node.Name == at.entity
			}
		}
		if mine {
			err := fmt.Errorf("project %s/%s does not exist in W&B at %s; the first log makes it%s: %w", at.entity, at.project, s.c.Server(), s.others(ctx, at), fs.ErrNotExist)
			if s.own(at) {
				s.unmade.Store(&err)
			}
			return err
		}
	}
	return &Error{Kind: Forbidden, Server: s.c.Server(), About: at.entity + "/" + at.project, Text: "the server shows no such project"}
}

// others names the project of an entity whose name is most like one that is not there,
// which may be mistyped.
func (s *Source) others(ctx context.Context, at collection) string {
	names, err := s.projects.get(ctx, at.entity)
	if err != nil || len(names) == 0 {
		return ""
	}
	best := slices.MaxFunc(names, func(a, b string) int { return alike(a, at.project) - alike(b, at.project) })
	return fmt.Sprintf(", unless its name is mistyped: of %s's projects, %d in all, the nearest is %s", at.entity, len(names), best)
}

// alike is how many letters two names have in common at both ends, less those that only
// one of them has.
func alike(a, b string) int {
	n, end := 0, min(len(a), len(b))
	for n < end && a[n] == b[n] {
		n++
	}
	tail := 0
	for tail < end-n && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	return 2*(n+tail) - max(len(a), len(b))
}

// Unmade returns that the configured project does not exist yet, if that is what the
// server said last. It is no failure: nothing was logged there.
func (s *Source) Unmade() error {
	if err := s.unmade.Load(); err != nil {
		return *err
	}
	return nil
}

// made takes note that a project is there.
func (s *Source) made(at collection) {
	if s.own(at) {
		s.unmade.Store(nil)
	}
}

func isNotExist(err error) bool { return errors.Is(err, fs.ErrNotExist) }
