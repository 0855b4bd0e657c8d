package outbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// frozen are contents, and the file that their entries lie in. Written once, they do
// not change: what W&B was given the first time it is given again.
type frozen struct {
	*contents
	file string
}

func (f *frozen) open() (io.ReadCloser, error) { return os.Open(f.file) }

// contents reads the contents of a push; fs.ErrNotExist if nobody has looked at its
// data yet.
func (b box) contents(id string) (*frozen, error) {
	data, err := os.ReadFile(b.path(id + contentsExt))
	if err != nil {
		return nil, err
	}
	var c contents
	if err := json.Unmarshal(data, &c); err != nil {
		return nil, &brokenError{b.path(id + contentsExt), err}
	}
	file := b.path(id + "." + c.Digest + entriesExt)
	if _, err := os.Stat(file); err != nil {
		return nil, &brokenError{b.path(id + contentsExt), err}
	}
	return &frozen{&c, file}, nil
}

// freeze has fill write entries and keeps them. If somebody else was faster, theirs
// are the contents; with replace ours are.
func (b box) freeze(id string, replace bool, fill func(*os.File) (*contents, error)) (*frozen, error) {
	f, err := os.CreateTemp(b.dir, "tmp-*")
	if err != nil {
		return nil, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	c, err := fill(f)
	if err != nil {
		return nil, err
	}
	// Named by their digest, entries can only be the ones that the contents speak of.
	if err := b.keep(f, id+"."+c.Digest+entriesExt, false); err != nil {
		return nil, err
	}
	if err := b.write(id+contentsExt, c, !replace); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return b.contents(id)
}

// mark adds a file to contents by which they differ from those of another log of the
// same content. What there is of the data is not looked at again.
func (b box) mark(id string, old *frozen, mark []byte) (*frozen, error) {
	return b.freeze(id, true, func(out *os.File) (*contents, error) {
		in, err := old.open()
		if err != nil {
			return nil, err
		}
		defer in.Close()
		w := newEntryWriter(out, []entry{stored(markName, mark)})
		if err := eachEntry(in, w.add); err != nil {
			return nil, err
		}
		c := *old.contents
		c.Digest, err = w.close()
		c.Count = w.n
		return &c, err
	})
}

const markName = ".artifactfs/log.json"

// frozen returns the contents of it, and looks at the data if nobody has.
func (o *Outbox) frozen(ctx context.Context, it *item) (*frozen, error) {
	f, err := o.box.contents(it.ID)
	var broken *brokenError
	if errors.As(err, &broken) && it.Progress.Pending == "" {
		if to, ok := o.box.setAside(err); ok {
			o.opt.Log.Warn("set aside", "file", broken.path, "to", to, "err", broken.err)
		}
		err = fs.ErrNotExist
	}
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return f, err
	}
	return o.freeze(asCaller(ctx, it.Caller), it)
}

func (o *Outbox) freeze(ctx context.Context, it *item) (*frozen, error) {
	f, err := o.box.freeze(it.ID, false, func(out *os.File) (*contents, error) {
		return gatherer{o.opt.Data, o.max}.gather(ctx, it.Spec, out)
	})
	if err != nil {
		return nil, fmt.Errorf("data of %s: %w", it.Name, err)
	}
	for _, n := range f.Notes {
		o.opt.Log.Warn("logged to W&B without all of it", "artifact", it.Name, "version", it.version(), "why", n)
	}
	return f, nil
}
