package bucket

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"gocloud.dev/blob"

	"artifactfs.dev/artifactfs/internal/store/hfblob"
)

// View is a store as it is at one commit, where the store has such: it is read
// without anything changing meanwhile, and written by a commit on top of it.
type View struct {
	*Bucket // of the commit
	at      *Bucket
	repo    *hfblob.Repo
	head    hfblob.Head
}

// View returns the store as it is now; errors.ErrUnsupported if it has no commits. The
// view needs no closing.
func (b *Bucket) View(ctx context.Context) (*View, error) {
	if !b.Commits() {
		return nil, errors.ErrUnsupported
	}
	ctx, cancel := b.bounded(ctx)
	defer cancel()
	v := &View{at: b}
	if !b.blob.As(&v.repo) {
		return nil, errNoCondition
	}
	var err error
	if v.head, err = v.repo.Head(ctx); err != nil {
		return nil, b.failed(ctx, "look at", "", err, true)
	}
	then := v.repo.At(v.head).Bucket()
	if b.uri.Prefix != "" {
		then = blob.PrefixedBucket(then, b.uri.Prefix)
	}
	v.Bucket = &Bucket{uri: b.uri, blob: then, rule: b.rule, wait: b.wait, pace: b.pace, then: true}
	return v, nil
}

// Commits reports whether every write is a commit of the whole store: many objects in
// one cost no more than one.
func (b *Bucket) Commits() bool { return b.uri.Scheme == "hf" }

// ID is the commit.
func (v *View) ID() string { return v.head.SHA }

// Trees returns what is the same, of any two commits, only if all that lies in these
// directories is; "" where the store does not tell.
func (v *View) Trees(ctx context.Context, keys ...string) (string, error) {
	if v.repo.Offline() { // the local cache has no names of directories
		return "", nil
	}
	ctx, cancel := v.bounded(ctx)
	defer cancel()
	full := make([]string, len(keys))
	for i, k := range keys {
		full[i] = v.uri.Prefix + k
	}
	found, err := v.repo.At(v.head).Look(ctx, full...)
	if err != nil {
		return "", v.at.failed(ctx, "look at", keys[0], err, true)
	}
	all := ""
	for _, k := range full {
		e, ok := found[k]
		if ok && e.Tag == "" {
			return "", nil
		}
		all += e.Tag + " "
	}
	return all, nil
}

// Commit writes files, all or none, on top of the view: ErrChanged if the store is not
// what the view shows any more.
func (v *View) Commit(ctx context.Context, message string, files map[string][]byte) error {
	var list []hfblob.File
	for key, data := range files {
		list = append(list, hfblob.Bytes(v.at.uri.Prefix+key, data))
	}
	slices.SortFunc(list, func(a, b hfblob.File) int { return strings.Compare(a.Key, b.Key) })
	ctx, cancel := v.at.bounded(ctx)
	defer cancel()
	_, err := v.repo.Commit(ctx, v.head.SHA, message, list)
	if errors.Is(err, hfblob.ErrStale) {
		return fmt.Errorf("%s: %w", v.at, ErrChanged)
	}
	if err != nil {
		return v.at.failed(ctx, fmt.Sprintf("commit %q to", message), "", err, true)
	}
	return nil
}
