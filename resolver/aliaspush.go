package resolver

import (
	"context"
	"fmt"
	"strings"

	"artifactfs.dev/artifactfs/manifest"
)

// AliasPusher is a Pusher that gives versions of W&B's further names too, and takes them
// away, in the background as it logs.
type AliasPusher interface {
	// PushAlias queues it behind what else of the artifact is on its way. The version is
	// told by its number at W&B, or in the manifest store; one of the two may be
	// manifest.NoVersion, and both are where the alias is taken away. It is
	// fs.ErrNotExist if W&B does not have the version and is not to get it.
	PushAlias(ctx context.Context, name, alias string, inWandB, inStore int) (*manifest.Push, error)
}

// AliasResult is what became of an alias.
type AliasResult struct {
	Name    string `json:"name"`
	Alias   string `json:"alias,omitempty"`
	Version *int   `json:"version,omitempty"` // as the tree numbers it
	Removed string `json:"removed,omitempty"` // the alias that was taken away, in place of the two before
	Stored  bool   `json:"stored,omitempty"`  // in the manifest store
	Warning string `json:"warning,omitempty"` // why W&B is not to have it, if it is not

	WandB *manifest.Push `json:"wandb,omitempty"` // what has become of it in W&B
}

// home is where a version is, and by which number.
type home struct{ store, wandb int } // manifest.NoVersion: not there, or not known to be

// homeOf returns where version n of this tree or side is.
func (t *Tree) homeOf(ctx context.Context, name string, n int) (home, error) {
	u, _ := t.src.(*Union)
	switch numbers, err := t.numbering(ctx); {
	case err != nil:
		return home{}, err
	case t.in == manifest.ByWandB, u != nil && u.manifest == nil:
		return home{manifest.NoVersion, n}, nil
	case u == nil || numbers == manifest.ByManifest || strings.Contains(name, "/"):
		return home{n, manifest.NoVersion}, nil
	}
	known, err := u.known(ctx, name, n)
	if absent(err) {
		return home{manifest.NoVersion, n}, nil
	}
	return home{known, n}, err
}

// AliasEverywhere gives a version a further name: in the manifest store, if it is there,
// and then in W&B, if that is on and has the version or is about to get it.
func (t *Tree) AliasEverywhere(ctx context.Context, ref manifest.Ref, alias string) (*AliasResult, error) {
	if err := manifest.CheckAlias(alias); err != nil {
		return nil, err
	}
	v, err := t.Resolve(ctx, ref)
	if err != nil {
		return nil, err
	}
	s, err := t.side(v.in)
	if err != nil {
		return nil, err
	}
	at, err := s.homeOf(ctx, v.Name, v.N)
	if err != nil {
		return nil, err
	}
	_, pushes := t.opt.Pusher.(AliasPusher)
	inStore := at.store != manifest.NoVersion || !pushes
	if inStore {
		err = s.setAlias(ctx, v.Name, alias, v.N)
	}
	out := &AliasResult{Name: v.Ref().Which(), Alias: alias, Version: &v.N}
	if err == nil {
		err = t.pushAlias(ctx, out, v.Name, alias, at, inStore)
	}
	if err != nil {
		return nil, err
	}
	if !inStore {
		s.wrote(ctx, v.Name, alias, s.own(ctx, v.Name, v.N))
	}
	return out, nil
}

// RemoveAliasEverywhere takes a further name away from both. A name may be one below its
// view.
func (t *Tree) RemoveAliasEverywhere(ctx context.Context, name, alias string) (*AliasResult, error) {
	out := &AliasResult{Name: name, Removed: alias, Stored: true}
	if _, pushes := t.opt.Pusher.(AliasPusher); !pushes || alias == manifest.Latest {
		return out, t.RemoveAlias(ctx, name, alias)
	}
	at, bare := t.named(name)
	l, err := at.versions(ctx, bare)
	if absent(err) && at.wandb != nil && strings.Count(bare, "/") == 2 {
		at = at.wandb
		l, err = at.versions(ctx, bare)
	}
	if err != nil {
		return nil, err
	}
	to, ok := aliasIn(l, alias)
	if !ok {
		return nil, at.noVersion(bare, alias, l)
	}
	s, err := at.side(to.In)
	if err != nil {
		return nil, err
	}
	u, _ := s.src.(*Union)
	inStore := s.in != manifest.ByWandB && (u == nil || u.manifest != nil)
	if inStore {
		err = t.RemoveAlias(ctx, name, alias)
		if absent(err) { // W&B alone has it
			inStore, err = false, nil
		}
	}
	if err == nil {
		err = t.pushAlias(ctx, out, bare, alias, home{manifest.NoVersion, manifest.NoVersion}, inStore)
	}
	if err != nil {
		return nil, err
	}
	return out, nil
}

// pushAlias has W&B's alias follow. What the store has already is no error then.
func (t *Tree) pushAlias(ctx context.Context, out *AliasResult, name, alias string, at home, inStore bool) error {
	p, ok := t.opt.Pusher.(AliasPusher)
	out.Stored = inStore
	if !ok {
		return nil
	}
	var err error
	if !inStore {
		if err = t.mayPush(ctx); err != nil {
			return err
		}
	}
	if out.WandB, err = p.PushAlias(ctx, name, alias, at.wandb, at.store); err == nil {
		return nil
	}
	if !inStore {
		return fmt.Errorf("alias %s of %s: %w", alias, out.Name, err)
	}
	out.Warning = fmt.Sprintf("the alias is in the manifest store alone: %v", err)
	return nil
}
