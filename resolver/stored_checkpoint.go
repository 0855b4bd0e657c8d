package resolver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"syscall"
)

// storedCheckpoint is the root of a checkpoint's version whose data lies in a store. It
// shows what checkpointDir shows of one in a directory.
type storedCheckpoint struct {
	*storedDir
	iter string // the name of the only iteration
}

func (d *storedCheckpoint) Lookup(ctx context.Context, name string) (Entry, error) {
	switch {
	case name == tracker:
		return d.tracker(ctx)
	case name == latestState:
		return d.latestState(ctx)
	case d.hides(name):
		return Entry{}, fmt.Errorf("%s is %s alone, not %s: %w", d.v, d.iter, name, fs.ErrNotExist)
	}
	return d.storedDir.Lookup(ctx, name)
}

func (d *storedCheckpoint) hides(name string) bool {
	return name != d.iter && iterName.MatchString(name)
}

func (d *storedCheckpoint) tracker(ctx context.Context) (Entry, error) {
	if err := d.Access(ctx, 1); err != nil {
		return Entry{}, err
	}
	n, _ := d.v.Record.Iteration()
	text := constText(strconv.Itoa(n))
	e := d.t.textEntry(text, "/"+d.v.key()+"/"+tracker, len(text))
	e.Valid = d.valid()
	if at := created(d.v.Record); !at.IsZero() {
		e.Attr.Mtime, e.Attr.Ctime = at, at
	}
	return e, nil
}

// latestState is the train state of the iteration shown, as checkpointDir has it.
func (d *storedCheckpoint) latestState(ctx context.Context) (Entry, error) {
	e, err := d.storedDir.Lookup(ctx, d.iter)
	if err != nil {
		return Entry{}, err
	}
	dir, ok := e.Node.(Dir)
	if !ok {
		return Entry{}, fmt.Errorf("%s of %s is not a directory: %w", d.iter, d.v, fs.ErrNotExist)
	}
	e, err = dir.Lookup(ctx, trainState)
	if _, file := e.Node.(Stored); err == nil && !file {
		err = fmt.Errorf("%s of %s is not a file: %w", trainState, d.iter, fs.ErrNotExist)
	}
	return e, err
}

// Listing is 0: what is listed is of two directories.
func (d *storedCheckpoint) Listing(context.Context) uint64 { return 0 }

func (d *storedCheckpoint) ReadListing(ctx context.Context) ([]DirEntry, uint64, error) {
	list, err := d.ReadDir(ctx)
	return list, 0, err
}

func (d *storedCheckpoint) ReadDir(ctx context.Context) ([]DirEntry, error) {
	all, err := d.storedDir.ReadDir(ctx)
	if err != nil {
		return nil, err
	}
	list := []DirEntry{{Name: tracker, Mode: syscall.S_IFREG, Key: "/" + d.v.key() + "/" + tracker}}
	for _, e := range all {
		if e.Name != tracker && e.Name != latestState && !d.hides(e.Name) {
			list = append(list, e)
		}
	}
	state, err := d.latestState(ctx)
	switch {
	case err == nil:
		list = append(list, DirEntry{Name: latestState, Mode: syscall.S_IFREG, Key: state.Key})
	case !errors.Is(err, fs.ErrNotExist): // a loader that does not see it takes another
		return nil, fmt.Errorf("%s of %s: %w", path.Join(d.iter, trainState), d.v, err)
	}
	return list, nil
}
