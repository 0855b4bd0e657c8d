package resolver

import (
	"context"
	"fmt"
	"io/fs"
	"syscall"
)

// .manifest/.art_index.json is the index of upstream's older format: its code
// reads it before anything else of a root, and changes it by writing indexTemp
// and renaming that.
const (
	indexFile = ".art_index.json"
	indexTemp = ".art_index.tmp"
)

// indexText is the file as the store has it now, for this caller.
type indexText struct{ t *Tree }

var _ Text = indexText{}

func (t *Tree) indexer() (Indexer, error) {
	x, ok := t.src.(Indexer)
	if !ok {
		return nil, fmt.Errorf(".manifest/%s: the store has no index: %w", indexFile, fs.ErrNotExist)
	}
	return x, nil
}

func (t *Tree) indexEntry(ctx context.Context) (Entry, error) {
	x, err := t.indexer()
	if err != nil {
		return Entry{}, err
	}
	size, err := x.IndexSize(ctx)
	if err != nil {
		return Entry{}, err
	}
	return t.textEntry(indexText{t}, manifestPath+"/"+indexFile, int(size)), nil
}

func (f indexText) Read(ctx context.Context) ([]byte, error) {
	x, err := f.t.indexer()
	if err != nil {
		return nil, err
	}
	return x.Index(ctx)
}

// lookupTop finds the files of .manifest itself; fs.ErrNotExist for other names.
func (d *manifestDir) lookupTop(ctx context.Context, name string) (Entry, error) {
	switch name {
	case indexFile:
		return d.t.indexEntry(ctx)
	case indexTemp:
		if x := d.t.drafts.temp(ctx, name); x != nil {
			return x.Stat(ctx)
		}
	}
	return Entry{}, fmt.Errorf(".manifest/%s: %w", name, fs.ErrNotExist)
}

// createIndex begins a new index.
func (d *manifestDir) createIndex(ctx context.Context, name string) (Entry, Handle, error) {
	if name != indexTemp {
		return Entry{}, nil, fmt.Errorf(".manifest holds artifacts, and no file %q; %s is written as %s and renamed: %w", name, indexFile, indexTemp, syscall.EPERM)
	}
	if _, err := d.t.claimer(".manifest"); err != nil {
		return Entry{}, nil, err
	}
	if _, err := d.t.indexer(); err != nil {
		return Entry{}, nil, also{err, syscall.EROFS}
	}
	return d.t.drafts.create(ctx, d.t, name)
}

// renameIndex puts it in place. What it names can be found from then on.
func (d *manifestDir) renameIndex(ctx context.Context, old, name string) error {
	x := d.t.drafts.temp(ctx, old)
	if x == nil || old != indexTemp || name != indexFile {
		return fmt.Errorf("rename of .manifest/%s to %s: only %s is renamed, to %s: %w", old, name, indexTemp, indexFile, syscall.EROFS)
	}
	s, err := d.t.indexer()
	if err != nil {
		return also{err, syscall.EROFS}
	}
	if err := s.SetIndex(context.WithoutCancel(ctx), x.bytes()); err != nil {
		return err
	}
	d.t.drafts.remove(x)
	return nil
}
