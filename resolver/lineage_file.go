package resolver

import (
	"context"
	"encoding/json"

	"artifactfs.dev/artifactfs/manifest"
)

// lineageFile is what a version of .manifest has beside its record: what it was made
// from, as Tree.Lineage with Up gives it. It is found by lookup and not listed, since the
// directory is upstream's.
const lineageFile = "lineage.json"

// lineageText is made when it is read.
type lineageText struct{ d *recordDir }

var _ Text = (*lineageText)(nil)

// lineage is the entry. Its size is not known before it is read, and the kernel is not
// to keep it: what is missing today may be there tomorrow.
func (d *recordDir) lineage(ctx context.Context) (Entry, error) {
	if _, err := d.t.version(ctx, d.name, d.n); err != nil {
		return Entry{}, err
	}
	b, err := (&lineageText{d}).Read(ctx)
	if err != nil {
		return Entry{}, err
	}
	e := d.t.textEntry(&lineageText{d}, d.key()+"/"+lineageFile, len(b))
	e.Valid = 0
	return e, nil
}

func (f *lineageText) Read(ctx context.Context) ([]byte, error) {
	l, err := f.d.t.Lineage(ctx, manifest.Ref{Name: f.d.name, Version: manifest.Version(f.d.n).String()}, LineageOptions{Up: true})
	if err != nil {
		return nil, err
	}
	b, err := json.MarshalIndent(l, "", "  ")
	return append(b, '\n'), err
}
