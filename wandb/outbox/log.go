package outbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"time"

	"github.com/Khan/genqlient/graphql"

	"artifactfs.dev/artifactfs/manifest"
	"artifactfs.dev/artifactfs/wandb"
)

// refusal is what W&B will say again however often it is asked.
type refusal struct{ error }

func (r refusal) Unwrap() error { return r.error }

// final reports whether W&B has said for certain that it will not take a version: as
// long as that is not known, it is tried again.
func final(err error) bool {
	if errors.As(err, &refusal{}) {
		return true
	}
	var e *wandb.Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Status {
	case http.StatusBadRequest, http.StatusUnprocessableEntity, http.StatusRequestEntityTooLarge:
		return e.Kind == wandb.BadAnswer
	case http.StatusForbidden:
		return true
	}
	return false
}

// logging is one try of one push.
type logging struct {
	*Outbox
	c  *wandb.Client
	q  graphql.Client // asks by c, each time within a deadline
	it *item

	entity, project, run string // as the server spells them
	ownRun               bool
}

// asking bounds each question: what cannot be answered in that time is tried again
// from the outbox, which others get their turn at meanwhile.
type asking struct {
	graphql.Client
	within time.Duration
}

func (a asking) MakeRequest(ctx context.Context, req *graphql.Request, resp *graphql.Response) error {
	_, err := within(ctx, a.within, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, a.Client.MakeRequest(ctx, req, resp)
	})
	return err
}

// log makes a version of W&B's of it. Each step may be the last one that this process
// does: the next try finds out from the server how far it was.
func (o *Outbox) log(ctx context.Context, it *item) error {
	if it.Alias != nil {
		return o.setAlias(ctx, it)
	}
	content, err := o.frozen(ctx, it)
	if err != nil {
		return err
	}
	o.step("frozen")
	c, err := o.opt.Client(it.Server)
	if err != nil {
		return err
	}
	l := &logging{Outbox: o, c: c, q: asking{c, o.request}, it: it}
	if it.Answer == nil {
		if err := l.begin(ctx); err != nil {
			return err
		}
		if err := l.lineage(ctx); err != nil {
			return err
		}
		id, err := l.version(ctx, content)
		if err != nil {
			return err
		}
		if err := l.readBack(ctx, id); err != nil {
			return err
		}
	}
	if err := l.alias(ctx); err != nil {
		return err
	}
	o.step("aliases")
	if a := it.Answer; a.OwnRun {
		if err := l.finishRun(ctx, a); err != nil {
			return err
		}
		o.step("run ended")
	}
	if o.opt.Done != nil {
		done := *it
		done.State, done.Error = manifest.PushDone, ""
		if err := o.opt.Done(asCaller(ctx, it.Caller), done.push()); err != nil {
			return fmt.Errorf("%s is v%d at W&B, which the manifest store could not be told: %w", it.Name, it.Answer.Index, err)
		}
		o.step("told")
	}
	return nil
}

// version creates the version itself, and returns W&B's id of it. What W&B already
// has under this name, and is not ours, is marked and logged as another version: the
// manifest store has two of them too.
func (l *logging) version(ctx context.Context, content *frozen) (string, error) {
	for {
		id, there, err := l.create(ctx, artifact{
			name: l.it.Name, typ: l.it.Spec.Type, text: l.it.Text, metadata: content.Metadata,
			digest: content.Digest, run: l.run, open: content.open,
		}, &l.it.Progress)
		if err != nil || !there {
			return id, err
		}
		ours, err := l.ours(ctx, id)
		if err != nil || ours {
			return id, err
		}
		if l.it.Marked {
			return "", refusal{fmt.Errorf("artifact %s: W&B has this very log already, by another run: %w", l.it.Name, fs.ErrExist)}
		}
		mark := manifest.AppendJSON(nil, manifest.Object{{Key: "id", Value: l.it.ID}, {Key: "logged_at", Value: l.it.Created.Format(time.RFC3339Nano)}}, 2)
		if content, err = l.box.mark(l.it.ID, content, mark); err != nil {
			return "", err
		}
		l.it.Marked, l.it.Progress = true, newProgress()
		if err := l.save(l.it); err != nil {
			return "", err
		}
		l.step("marked")
	}
}

// readBack asks what the version is called, and keeps the answer.
func (l *logging) readBack(ctx context.Context, id string) error {
	v, err := l.byID(ctx, id)
	if err != nil {
		return err
	}
	if v == nil || v.VersionIndex == nil || v.ArtifactSequence.Project == nil {
		return fmt.Errorf("artifact %s: W&B has committed it, and does not say yet which version it is", l.it.Name)
	}
	p := v.ArtifactSequence.Project
	l.it.Answer = &answer{
		ArtifactID: id, Entity: p.Entity.Name, Project: p.Name, Collection: v.ArtifactSequence.Name, Index: *v.VersionIndex, Digest: v.Digest,
		Run: l.entity + "/" + l.project + "/" + l.run, OwnRun: l.ownRun,
	}
	if err := l.save(l.it); err != nil {
		return err
	}
	l.step("answered")
	return nil
}

// artifact is what create makes: of a push, or of what it was made from.
type artifact struct {
	name, typ, text, metadata, digest string

	run  string                        // "": the key's user is who created it
	open func() (io.ReadCloser, error) // its entries
}
