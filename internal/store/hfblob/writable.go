package hfblob

import (
	"context"
	"errors"
	"fmt"
	"net/http"
)

// Writable is ErrReadOnly where nothing can be committed: of one commit, and offline. The
// Hub is not asked, and so neither a tag nor a token that only reads is found.
func (r *Repo) Writable() error {
	if r.c.o.Offline {
		return fmt.Errorf("HF_HUB_OFFLINE is set, and %w", ErrReadOnly)
	}
	if r.pinned != nil || commitID.MatchString(r.uri.Rev) {
		return r.fixed("one commit")
	}
	return nil
}

// fixed is ErrReadOnly of a revision that is no branch.
func (r *Repo) fixed(what string) error {
	main := r.uri
	main.Rev = ""
	return fmt.Errorf("%s is %s, and does not change: %w (but in a branch, as in %s or %[4]s@BRANCH)", r.uri, what, ErrReadOnly, main)
}

// Branch asks the Hub whether the revision is one that can be committed to, and is
// ErrReadOnly if it is a tag, or short for a commit.
func (r *Repo) Branch(ctx context.Context) error {
	if err := r.Writable(); err != nil {
		return err
	}
	type refs []struct{ Name, Ref string }
	var out struct{ Branches, Tags, Converts, PullRequests refs }
	if _, err := r.c.api(ctx, &request{method: http.MethodGet, url: r.api("refs") + "?include_prs=1"}, &out); err != nil {
		return err
	}
	has := func(all refs) bool {
		for _, one := range all {
			if one.Name == r.uri.Rev || one.Ref == r.uri.Rev {
				return true
			}
		}
		return false
	}
	switch {
	case has(out.Branches), has(out.Converts), has(out.PullRequests):
		return nil
	case has(out.Tags):
		return r.fixed("a tag")
	}
	return r.fixed("no branch")
}

// refused makes of the Hub's refusal of a commit the reason, where it is that the
// revision is no branch: the Hub says of that no more than that the request is bad.
func (r *Repo) refused(ctx context.Context, err error) error {
	var e *Error
	if !errors.As(err, &e) || e.Status != http.StatusBadRequest && e.Status != http.StatusNotFound || e.Code == "RepoNotFound" {
		return err
	}
	if why := r.Branch(ctx); errors.Is(why, ErrReadOnly) {
		return why
	}
	return err
}
