package resolver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
)

// A Megatron checkpoint is one directory for all its iterations, and every version
// of the artifact records that directory. A version shows its own iteration only,
// with trackers that name it, or its loader takes the newest weights instead.

// iterName is the name of an iteration's directory.
var iterName = regexp.MustCompile(`^iter_[0-9]+$`)

const (
	tracker      = "latest_checkpointed_iteration.txt"
	trainState   = "train_state.pt"
	latestState  = "latest_" + trainState
	megatronIter = "iter_%07d"
)

// findIteration finds the directory of the version's iteration below its base.
func (t *Tree) findIteration(ctx context.Context, v *Version) (err error) {
	if n, ok := v.Record.Iteration(); ok {
		v.iter, err = t.iterationIn(ctx, v.Base, n)
	}
	return err
}

// iterationIn returns the name of an iteration's directory below base.
func (t *Tree) iterationIn(ctx context.Context, base string, n int) (iter string, err error) {
	list, err := t.data.ReadDir(ctx, base)
	if err != nil {
		return "", err
	}
	names := make([]string, len(list))
	for i, e := range list {
		names[i] = e.Name
	}
	return pickIteration(names, base, n)
}

// pickIteration finds an iteration's directory among the names in base, in whatever
// width its number is written; fs.ErrNotExist if there are others and not this one.
//
// Without iterations or a tracker base is no Megatron directory, and the answer
// "": an export to Hugging Face format, whose record says iteration 0.
func pickIteration(names []string, base string, n int) (iter string, err error) {
	megatron := false
	for _, name := range names {
		megatron = megatron || name == tracker || iterName.MatchString(name)
		if !iterName.MatchString(name) {
			continue
		}
		k, err := strconv.Atoi(strings.TrimPrefix(name, "iter_"))
		if err == nil && k == n && (iter == "" || name == fmt.Sprintf(megatronIter, n)) {
			iter = name
		}
	}
	if iter == "" && megatron {
		return "", fmt.Errorf("%s holds no iteration %d: %w", base, n, fs.ErrNotExist)
	}
	return iter, nil
}

// hides reports whether real lies in another iteration than the one shown.
func (v *Version) hides(real string) bool {
	if v.iter == "" {
		return false
	}
	rest, ok := strings.CutPrefix(real, strings.TrimSuffix(v.Base, "/")+"/")
	if !ok {
		return false
	}
	first, _, _ := strings.Cut(rest, "/")
	return first != v.iter && iterName.MatchString(first)
}

// checkpointDir is the root of a checkpoint's version.
type checkpointDir struct{ *dataDir }

func (d *checkpointDir) Lookup(ctx context.Context, name string) (Entry, error) {
	switch {
	case name == tracker:
		return d.tracker(ctx)
	case name == latestState:
		return d.latestState(ctx)
	case d.v.hides(filepath.Join(d.real, name)):
		return Entry{}, fmt.Errorf("%s is %s alone, not %s: %w", d.v, d.v.iter, name, fs.ErrNotExist)
	}
	return d.dataDir.Lookup(ctx, name)
}

// tracker names the iteration as Megatron writes it: str(iteration), no newline.
func (d *checkpointDir) tracker(ctx context.Context) (Entry, error) {
	self, err := d.self(ctx)
	if err != nil {
		return Entry{}, err
	}
	n, _ := d.v.Record.Iteration()
	text := constText(strconv.Itoa(n))
	e := d.t.textEntry(text, "/"+d.v.key()+"/"+tracker, len(text))
	e.Attr.UID, e.Attr.GID, e.Valid = self.UID, self.GID, d.valid(ctx, d.real)
	e.Attr.Mtime, e.Attr.Ctime = self.Mtime, self.Ctime
	return e, nil
}

// latestState is the train state of the iteration shown; the directory's own is
// the newest iteration's.
func (d *checkpointDir) latestState(ctx context.Context) (Entry, error) {
	e, err := d.dataDir.Lookup(ctx, d.v.iter)
	if err != nil {
		return Entry{}, err
	}
	dir, ok := e.Node.(Dir)
	if !ok {
		return Entry{}, fmt.Errorf("%s is not a directory: %w", filepath.Join(d.real, d.v.iter), fs.ErrNotExist)
	}
	e, err = dir.Lookup(ctx, trainState)
	if _, data := e.Node.(Data); err == nil && !data {
		err = fmt.Errorf("%s of %s is not a file: %w", trainState, d.v.iter, fs.ErrNotExist)
	}
	return e, err
}

func (d *checkpointDir) ReadDir(ctx context.Context) ([]DirEntry, error) {
	all, err := d.dataDir.ReadDir(ctx)
	if err != nil {
		return nil, err
	}
	list := []DirEntry{{Name: tracker, Mode: syscall.S_IFREG, Key: "/" + d.v.key() + "/" + tracker}}
	for _, e := range all {
		if e.Name != tracker && e.Name != latestState && !d.v.hides(filepath.Join(d.real, e.Name)) {
			list = append(list, e)
		}
	}
	state, err := d.latestState(ctx)
	if err == nil {
		list = append(list, DirEntry{Name: latestState, Mode: state.Attr.Mode & syscall.S_IFMT, Key: state.Key})
	} else if !errors.Is(err, fs.ErrNotExist) {
		d.t.opt.Log.Debug("train state", "version", d.v.String(), "err", err)
	}
	return list, nil
}

// constText is a file whose content is known.
type constText string

var _ Text = constText("")

func (c constText) Read(context.Context) ([]byte, error) { return []byte(c), nil }
