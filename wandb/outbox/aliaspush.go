package outbox

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"artifactfs.dev/artifactfs/manifest"
	"artifactfs.dev/artifactfs/wandb"
	"artifactfs.dev/artifactfs/wandb/internal/gql"
)

// aliasing is a further name that W&B is to give a version which it has, or to take away.
type aliasing struct {
	Alias  string `json:"alias"`
	Index  *int   `json:"index,omitempty"` // W&B's number of the version; nil: the manifest store's is known
	Remove bool   `json:"remove,omitempty"`
}

// PushAlias queues an alias behind what else of the artifact is on its way. The version
// is told by W&B's number or the manifest store's, manifest.NoVersion is the one that is
// not known; both are where the alias is to be taken away. It is fs.ErrNotExist if W&B
// does not have the version and is not to get it.
func (o *Outbox) PushAlias(ctx context.Context, name, alias string, inWandB, inStore int) (*manifest.Push, error) {
	it := &item{
		Format: itemFormat, ID: randomID(26), Created: time.Now().UTC(),
		Name: name, Store: o.opt.Store, Server: o.opt.Server, Entity: o.opt.Entity, Project: o.opt.Project,
		Alias: &aliasing{Alias: alias}, State: manifest.PushQueued,
	}
	if part := strings.Split(name, "/"); len(part) == 3 {
		it.Entity, it.Project, it.Name = part[0], part[1], part[2]
	}
	if err := CheckName(it.Name); err != nil {
		return nil, err
	}
	if err := checkAlias(alias); err != nil {
		return nil, err
	}
	switch {
	case inWandB != manifest.NoVersion:
		it.Alias.Index = &inWandB
	case inStore != manifest.NoVersion:
		it.Version = &inStore
		if _, err := o.known(ctx, it); err != nil {
			return nil, err
		}
	default:
		it.Alias.Remove = true
	}
	err := o.box.make()
	if err == nil {
		err = o.box.write(it.ID+itemExt, it, true)
	}
	if err != nil {
		return nil, fmt.Errorf("alias %s of %s: outbox for W&B: %w", alias, name, err)
	}
	o.step("alias queued")
	o.Kick()
	return it.push(), nil
}

// known returns what W&B calls a version of the manifest store, or how far it is on its
// way there.
func (o *Outbox) known(ctx context.Context, it *item) (*manifest.Push, error) {
	p, err := o.Of(ctx, it.Name, *it.Version)
	if errors.Is(err, fs.ErrNotExist) && o.opt.Known != nil {
		p, err = o.opt.Known(ctx, it.Name, *it.Version)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("W&B does not have %s:v%d, artifactfs push %[1]s:v%[2]d logs it there: %w", it.Name, *it.Version, fs.ErrNotExist)
	}
	return p, err
}

// setAlias carries an alias out.
func (o *Outbox) setAlias(ctx context.Context, it *item) error {
	c, err := o.opt.Client(it.Server)
	if err != nil {
		return err
	}
	l := &logging{Outbox: o, c: c, q: asking{c, o.request}, it: it}
	if it.Answer == nil {
		a, err := l.aliased(ctx)
		if err != nil {
			return err
		}
		it.Answer = a
	}
	if err := l.toggle(ctx); err != nil {
		return err
	}
	o.step("aliased")
	if o.opt.Done != nil {
		done := *it
		done.State, done.Error = manifest.PushDone, ""
		return o.opt.Done(asCaller(ctx, it.Caller), done.push())
	}
	return nil
}

// aliased finds the version, or for an alias that is taken away the collection.
func (l *logging) aliased(ctx context.Context) (*answer, error) {
	a := &answer{Entity: l.it.Entity, Project: l.it.Project, Collection: l.it.Name, Index: manifest.NoVersion}
	if l.it.Version != nil {
		p, err := l.known(ctx, l.it)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil, refusal{err}
		case err != nil:
			return nil, err
		case p.State != manifest.PushDone:
			return nil, refusal{fmt.Errorf("W&B does not have %s: %s", p.Manifest, p.Error)}
		}
		v, _ := manifest.ParseVersion(p.Version)
		a.ArtifactID, a.Index = p.ArtifactID, int(v)
		if part := strings.Split(p.Name, "/"); len(part) == 3 {
			a.Entity, a.Project, a.Collection = part[0], part[1], part[2]
		}
		return a, nil
	}
	if a.Entity == "" {
		var err error
		if a.Entity, err = within(ctx, l.request, l.c.Entity); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// toggle sets the alias, or takes it away from whichever version has it now.
func (l *logging) toggle(ctx context.Context) error {
	a, alias := *l.it.Answer, l.it.Alias
	l.it.Answer = &a
	what := alias.Alias
	if !alias.Remove && a.ArtifactID == "" {
		what = fmt.Sprintf("v%d", *alias.Index)
	}
	if alias.Remove || a.ArtifactID == "" {
		m, err := l.member(ctx, what)
		if err != nil {
			return err
		}
		a.ArtifactID, a.Index = m.id, m.index
	}
	switch {
	case alias.Remove && a.ArtifactID == "":
		return nil
	case alias.Remove:
		return gone(l.removeAlias(ctx, a.ArtifactID, alias.Alias))
	case a.ArtifactID == "":
		return refusal{fmt.Errorf("W&B has no %s:%s: %w", a.name(), what, fs.ErrNotExist)}
	}
	return gone(l.addAliases(ctx, a.ArtifactID, []string{alias.Alias}))
}

// gone makes a refusal of W&B not finding the version any more.
func gone(err error) error {
	if wandb.IsKind(err, wandb.NotFound) {
		return refusal{err}
	}
	return err
}

func (l *logging) removeAlias(ctx context.Context, id, alias string) error {
	a := l.it.Answer
	r, err := gql.DeleteAliases(ctx, l.q, gql.DeleteAliasesInput{ArtifactID: id, Aliases: []gql.ArtifactCollectionAliasInput{
		{EntityName: a.Entity, ProjectName: a.Project, ArtifactCollectionName: a.Collection, Alias: alias},
	}})
	if err == nil && (r.DeleteAliases == nil || !r.DeleteAliases.Success) {
		err = fmt.Errorf("artifact %s: W&B did not take away %s, and does not say why", l.it.Name, alias)
	}
	return err
}
