package main

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	"artifactfs.dev/artifactfs/manifest"
)

// mostRecords is how many records a listing of artifacts reads from a store that lists
// a thousand artifacts for less than it gives one record.
const mostRecords = 1000

// survey lists every artifact below prefix at once; errors.ErrUnsupported where that
// cannot be done. Records are read for the first mostRecords of them.
func (k *core) survey(ctx context.Context, prefix string, records bool, found func(artifact)) ([]artifact, error) {
	var out []artifact
	frozen := k.tree.Freezer(ctx)
	err := k.src.Survey(ctx, prefix, func(name string, l *manifest.Listing) {
		out = append(out, *newArtifact(name, frozen(name, l)))
		found(out[len(out)-1])
	})
	if err != nil {
		return nil, err
	}
	sortArtifacts(out)
	if records {
		err = k.records(ctx, out[:min(len(out), mostRecords)])
	}
	return out, err
}

// records adds to artifacts what the record of their latest version says.
func (k *core) records(ctx context.Context, arts []artifact) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(16)
	for i := range arts {
		if art := &arts[i]; art.Latest != nil {
			g.Go(func() error { k.addRecord(ctx, art, *art.Latest); return ctx.Err() })
		}
	}
	return g.Wait()
}

// addRecord adds what a record says; nothing where it cannot be read.
func (k *core) addRecord(ctx context.Context, art *artifact, n int) {
	if r, err := k.src.Manifest(ctx, art.Name, n); err == nil {
		art.Type, art.Path, art.Created = r.Manifest.Type, r.Manifest.Path, r.Manifest.CreatedAt
	}
}

// unread says of which artifacts no record was read.
func (a *app) unread(arts []artifact) {
	if len(arts) > mostRecords && arts[mostRecords].Created == "" {
		fmt.Fprintf(a.err, "artifactfs: types, times and paths are those of the first %d of %d artifacts: each costs the store requests of its own. Name a prefix, or an artifact\n",
			mostRecords, len(arts))
	}
}
