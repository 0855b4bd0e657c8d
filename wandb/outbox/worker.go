package outbox

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"time"

	"artifactfs.dev/artifactfs/manifest"
	"artifactfs.dev/artifactfs/wandb"
)

const (
	idle       = 30 * time.Second // between two looks at what others may have pushed
	sweepEvery = time.Hour
	oneTry     = time.Hour // however large the manifest, or slow the way

	// triesAtOnce is how often a request is sent before the push goes back into the
	// outbox, and others have their turn.
	triesAtOnce = 2
)

// pace is how long to wait after so many tries: two seconds at first, a minute in the
// end, and not all at once after the server comes back.
func pace(tries int) time.Duration {
	d := min(2*time.Second<<min(max(tries-1, 0), 9), time.Minute)
	return d - time.Duration(rand.Int64N(int64(d)/4))
}

// Run logs what is in the outbox, until ctx ends. Several may run; one at a time
// speaks to W&B.
func (o *Outbox) Run(ctx context.Context) {
	var swept time.Time
	for ctx.Err() == nil {
		if time.Since(swept) > sweepEvery {
			o.box.sweep(time.Now())
			swept = time.Now()
		}
		next, err := o.round(ctx)
		if err != nil && ctx.Err() == nil {
			o.opt.Log.Error("outbox for W&B", "err", err)
		}
		t := time.NewTimer(min(max(time.Until(next), 0), idle))
		select {
		case <-ctx.Done():
		case <-o.kick:
		case <-t.C:
		}
		t.Stop()
	}
}

// round logs all that is due, and returns when there is more to do.
func (o *Outbox) round(ctx context.Context) (time.Time, error) {
	o.recover(ctx)
	for {
		it, next, err := o.due()
		if it == nil || err != nil {
			return next, err
		}
		if err := o.once(ctx, it.ID, false); err != nil {
			return time.Now().Add(idle), err
		}
	}
}

// due returns the next push to try, or when there will be one. Of one artifact's
// versions a later one waits for the one before, so that W&B counts them in order;
// one that W&B refuses is waited for no longer.
func (o *Outbox) due() (*item, time.Time, error) {
	next := time.Now().Add(idle)
	all, broken, err := o.box.items()
	if err != nil {
		return nil, next, err
	}
	for _, err := range broken {
		if to, ok := o.box.setAside(err); ok {
			o.opt.Log.Error("a push cannot be read and is set aside", "to", to, "err", err)
		}
	}
	waiting := make(map[string]bool)
	for _, it := range all {
		if it.State == manifest.PushFailed || waiting[it.key()] {
			continue
		}
		waiting[it.key()] = true
		if o.looking(it.ID) { // if it is this process, its end is told of
			next = time.Now().Add(time.Second)
			continue
		}
		if it.Next.After(time.Now()) {
			if it.Next.Before(next) {
				next = it.Next
			}
			continue
		}
		return it, next, nil
	}
	return nil, next, nil
}

// Try logs one push now, whether it is due or not, and those of the same artifact
// before it, and returns what became of it. What fails stays in the outbox, and is
// tried again when it would have been.
func (o *Outbox) Try(ctx context.Context, id string) (*manifest.Push, error) {
	for {
		all, _, err := o.box.items()
		if err != nil {
			return nil, err
		}
		first := ""
		var key string
		for _, it := range all {
			if it.ID == id {
				key = it.key()
			}
		}
		for _, it := range all {
			if it.key() == key && (it.ID == id || it.State != manifest.PushFailed) {
				first = it.ID
				break
			}
		}
		if first == "" {
			return o.Pushed(ctx, id)
		}
		if err := o.looked(ctx, first); err != nil {
			return nil, err
		}
		if err := o.once(ctx, first, true); err != nil {
			return nil, err
		}
		if p, err := o.Pushed(ctx, first); first == id || err != nil || p.State != manifest.PushDone {
			return o.Pushed(ctx, id)
		}
	}
}

// once takes the turn and tries one push, unless that was done meanwhile.
func (o *Outbox) once(ctx context.Context, id string, early bool) error {
	release, err := o.turn(ctx)
	if err != nil {
		return err
	}
	defer release()
	it, err := o.box.item(id)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // somebody else has done it
	}
	if err != nil {
		return err
	}
	if p, err := o.box.result(id); err == nil { // killed after the last step but one
		return o.box.finish(it, p)
	}
	if !early && (it.State == manifest.PushFailed || it.Next.After(time.Now())) {
		return nil
	}
	try, cancel := context.WithTimeout(wandb.WithTries(ctx, triesAtOnce), oneTry)
	defer cancel()
	it.State = manifest.PushRunning
	err = o.log(try, it)
	if err == nil {
		return o.done(it)
	}
	if ctx.Err() != nil {
		it.State = manifest.PushQueued // whoever asked for it leaves; that was no try
		return errors.Join(ctx.Err(), o.save(it))
	}
	return o.failed(it, err)
}

func (o *Outbox) done(it *item) error {
	it.State, it.Error, it.Next = manifest.PushDone, "", time.Time{}
	p := it.push()
	if err := o.box.finish(it, p); err != nil {
		return err
	}
	o.step("finished")
	if it.Alias != nil {
		o.opt.Log.Info("alias set in W&B", "artifact", p.Name, "alias", it.Alias.Alias, "version", p.Version, "removed", it.Alias.Remove, "tries", it.Tries+1)
		return nil
	}
	o.opt.Log.Info("logged to W&B", "artifact", it.Name, "version", it.version(), "as", p.Name+":"+p.Version, "tries", it.Tries+1)
	return nil
}

// failed notes a failure, and when to try again.
func (o *Outbox) failed(it *item, why error) error {
	it.Tries++
	it.Error = why.Error()
	it.State, it.Next = manifest.PushQueued, time.Now().Add(o.pace(it.Tries)).UTC()
	if final(why) {
		it.State, it.Next = manifest.PushFailed, time.Time{}
	}
	what := "not logged to W&B"
	if it.Alias != nil {
		what = "alias " + it.Alias.Alias + " not set in W&B"
	}
	o.opt.Log.Warn(what, "artifact", it.Name, "version", it.version(), "tries", it.Tries, "state", it.State, "err", why)
	return o.save(it)
}

// save keeps how far a push is. Only who has the turn calls it.
func (o *Outbox) save(it *item) error {
	if err := o.box.write(it.ID+itemExt, it, false); err != nil {
		return fmt.Errorf("outbox for W&B: %w", err)
	}
	return nil
}
