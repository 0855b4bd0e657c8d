package manifest

import (
	"context"
	"errors"
	"fmt"
)

// Publish gives the draft the next free number and returns it when the version
// is durable and latest names it or a higher one. The number is claimed by an
// exclusive mkdir, so that no two writers have one, on any node; manifest.json
// comes last, so that no reader sees a part.
//
// An error with a number other than 0 means that the version is logged, and what
// was to follow (latest, an alias) was not done. A request_id that was logged
// under this name before, by the same user, is answered with its version.
//
// Once begun it is not interrupted. Past the deadline it fails, but may still
// come to its end; a request_id then finds out.
func (d *Dir) Publish(ctx context.Context, name string, dr *Draft) (int, error) {
	named := *dr
	named.Manifest.Name = name
	dr = &named
	if err := d.publishable(name, dr); err != nil {
		return 0, err
	}
	ctx = context.WithoutCancel(ctx)
	p := publishing{d: d, ctx: ctx, name: name, draft: dr}
	v, err := p.log()
	d.changed(name)
	if err != nil {
		return 0, d.refused(ctx, name, "log", err)
	}
	var undone []error
	if err := p.follow(v); err != nil {
		undone = append(undone, fmt.Errorf("artifact %s in %s is logged as v%d, but latest was not moved (the next log moves it): %w", name, d.root, v, err))
	}
	for _, alias := range dr.Aliases {
		if p.answered && d.hasAlias(ctx, name, alias) {
			continue // it may have been moved on since
		}
		if err := d.SetAlias(ctx, name, alias, v); err != nil {
			undone = append(undone, fmt.Errorf("artifact %s in %s is logged as v%d, but alias %s was not set (artifactfs alias %s:v%d %s): %w",
				name, d.root, v, alias, name, v, alias, err))
		}
	}
	return v, errors.Join(undone...)
}

// publishable refuses what would take a number and then not exist for readers.
func (d *Dir) publishable(name string, dr *Draft) error {
	if err := d.changes(name); err != nil {
		return err
	}
	return dr.publishable(name)
}

// publishing is one log.
type publishing struct {
	d     *Dir
	ctx   context.Context
	name  string
	draft *Draft

	outcome
}

// outcome is what the part of a log that runs as the caller hands over.
type outcome struct {
	v        int
	made     bool // a version was made
	answered bool // the request_id had one
	latest   bool // latest is settled
	busy     bool // the request_id's earlier writer is at work
}

func (p *publishing) log() (int, error) {
	if p.draft.RequestID != "" {
		give, err := p.d.requests.take(p.ctx, p.name+"\x00"+p.draft.RequestID)
		if err != nil {
			return 0, err
		}
		defer give()
	}
	for wait := newPatience(requestPatience); ; {
		o, err := change(p.ctx, p.d, func() (outcome, error) { return p.attempt(wait.over()) })
		if err != nil || !o.busy {
			p.outcome = o
			return o.v, err
		}
		wait.sleep()
	}
}

// attempt logs, unless the request_id's earlier writer is at work.
// It runs inside do, possibly past the deadline.
func (p *publishing) attempt(impatient bool) (o outcome, err error) {
	req, err := p.d.openRequest(p.ctx, p.name, p.draft.RequestID)
	if err != nil {
		p.d.log.Warn("request_id cannot be kept", "store", p.d.root, "artifact", p.name, "err", err)
	}
	if req != nil {
		defer req.Close()
		if req.busy && !impatient {
			return outcome{busy: true}, nil
		}
		if v, ok := req.version(); ok && p.d.complete(p.name, v) {
			return outcome{v: v, answered: true}, nil
		}
	}
	for {
		o, err := p.version(req)
		if !errors.Is(err, errTaken) {
			return o, err
		}
		p.d.log.Warn("another writer entered a claimed version", "store", p.d.root, "artifact", p.name, "version", o.v)
	}
}

// follow moves latest, unless that was done with the version.
func (p *publishing) follow(v int) error {
	if p.latest {
		return nil
	}
	return p.d.advance(p.ctx, p.name, v, false)
}

// errTaken is that somebody else wrote into a version that we had claimed:
// upstream does after two collisions. That number is then theirs.
var errTaken = errors.New("another writer's record is in it")

// version claims a number, logs under it, and moves latest if nobody else is
// about to: those who have to wait for their turn do so elsewhere.
func (p *publishing) version(req *request) (o outcome, err error) {
	d := p.d
	dir, err := d.makeName(p.name)
	if err != nil {
		return o, err
	}
	d.step("named")
	if o.v, err = d.claimNext(dir, p.name); err != nil {
		return o, err
	}
	d.step("claimed")
	latest, err := newLatest(dir, o.v)
	var dirs []string
	if err == nil {
		defer latest.discard()
		dirs, err = p.commit(dir, o.v, req, latest)
	}
	if err == nil {
		o.latest, err = p.seal(dir, o.v, dirs, latest)
	}
	if err != nil && !errors.Is(err, errTaken) {
		return o, fmt.Errorf("v%d was claimed, and its number is lost: %w", o.v, err)
	}
	o.made = err == nil
	return o, err
}

// seal makes what was committed durable, and moves latest to it, never durably
// before. It reports whether latest is settled; that it is not loses no version.
func (p *publishing) seal(dir string, v int, dirs []string, latest *temporary) (settled bool, err error) {
	d := p.d
	if !keepsOrder(dir) {
		if err := syncDirs(dirs...); err != nil {
			return false, err
		}
		dirs = nil
	}
	d.step("committed")
	moved, busy, late := d.moveLatest(p.name, v, false, false, latest)
	if moved && dirs == nil {
		dirs = []string{dir}
	}
	if dirs != nil {
		err = syncDirs(dirs...)
	}
	d.step("sealed")
	return late == nil && !busy, err
}
