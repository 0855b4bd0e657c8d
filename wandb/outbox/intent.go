package outbox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"artifactfs.dev/artifactfs/manifest"
)

const intentExt = ".intent"

// Intend notes a draft that is about to be logged to the manifest store, and then to
// be pushed under the number that it gets there. drop is to be called once it was
// pushed, or will not be. If this process ends before that, whoever works on the
// outbox next asks the store, and pushes what has got a number.
func (o *Outbox) Intend(ctx context.Context, name string, d *manifest.Draft) (drop func(), err error) {
	if o.opt.Find == nil {
		return func() {}, nil
	}
	if err := check(name, d); err != nil {
		return nil, err
	}
	it := o.newItem(ctx, name, manifest.NoVersion, d)
	file := randomID(16) + intentExt
	f, err := o.intent(file, it)
	if err != nil {
		return nil, fmt.Errorf("artifact %s: outbox for W&B: %w", name, err)
	}
	o.step("intended")
	return func() {
		_ = os.Remove(o.box.path(file))
		f.Close()
	}, nil
}

// intent writes one. It is locked as long as this process lives.
func (o *Outbox) intent(file string, it *item) (*os.File, error) {
	if err := o.box.make(); err != nil {
		return nil, err
	}
	data, err := json.Marshal(it)
	if err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(o.box.dir, "tmp-*")
	if err != nil {
		return nil, err
	}
	if _, err = f.Write(data); err == nil {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	}
	if err == nil {
		err = o.box.keep(f, file, true)
	}
	_ = os.Remove(f.Name())
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// recover pushes what processes that ended had logged to the manifest store and not
// pushed yet.
func (o *Outbox) recover(ctx context.Context) {
	if o.opt.Find == nil {
		return
	}
	left, _ := filepath.Glob(o.box.path("*" + intentExt))
	for _, file := range left {
		if err := o.recoverOne(ctx, file); err != nil && ctx.Err() == nil {
			o.opt.Log.Warn("not known yet whether this was logged", "file", file, "err", err)
		}
	}
}

func (o *Outbox) recoverOne(ctx context.Context, file string) error {
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil // whoever intends it lives
	}
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	it, err := parseItem(data)
	if err != nil {
		to, _ := o.box.setAside(&brokenError{file, err})
		o.opt.Log.Error("an intent cannot be read and is set aside", "to", to, "err", err)
		return nil
	}
	v, err := o.opt.Find(asCaller(ctx, it.Caller), it.Name, it.Spec.Metadata)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err == nil {
		it.setVersion(o, v)
		_, known := o.Pushed(ctx, it.ID)
		if errors.Is(known, fs.ErrNotExist) {
			if err := o.box.write(it.ID+itemExt, it, true); err != nil && !errors.Is(err, fs.ErrExist) {
				return err
			}
			o.opt.Log.Info("a process ended before it could push this", "artifact", it.Name, "version", v)
		}
	}
	return os.Remove(file)
}

// Records are a manifest store, as far as FindIn reads it.
type Records interface {
	Versions(ctx context.Context, name string) (*manifest.Listing, error)
	Manifest(ctx context.Context, name string, version int) (*manifest.Record, error)
}

// FindIn is Options.Find for a manifest store.
func FindIn(dir Records) func(context.Context, string, []byte) (int, error) {
	return func(ctx context.Context, name string, metadata []byte) (int, error) {
		const recent = 100 // others may have logged meanwhile, but not so many
		l, err := dir.Versions(ctx, name)
		if err != nil {
			return 0, err
		}
		for i := len(l.Versions) - 1; i >= max(0, len(l.Versions)-recent); i-- {
			r, err := dir.Manifest(ctx, name, l.Versions[i])
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return 0, err
			}
			if err == nil && bytes.Equal(r.RawMeta, metadata) {
				return l.Versions[i], nil
			}
		}
		return 0, fmt.Errorf("artifact %s has no such version: %w", name, fs.ErrNotExist)
	}
}
