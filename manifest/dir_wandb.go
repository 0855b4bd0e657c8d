package manifest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// WandB is what W&B has of a version that is in this store too. By it the store
// answers for W&B's number while W&B cannot.
type WandB struct {
	Version  int    // by W&B's own numbers
	Manifest int    // the version of this store
	Artifact string // ENTITY/PROJECT/NAME
	ID       string // W&B's, of the version
	Digest   string // of the version, as W&B gives it
	URL      string // for people
}

// NoteWandB records that W&B has a version of name, and as what. Of two versions
// that W&B has as one, for their content is the same, the first one recorded stays.
func (d *Dir) NoteWandB(ctx context.Context, name string, w WandB) error {
	if err := d.changes(name); err != nil {
		return err
	}
	if w.Version < 0 {
		return fmt.Errorf("artifact %s: W&B has no v%d: %w", name, w.Version, fs.ErrInvalid)
	}
	_, err := change(ctx, d, func() (struct{}, error) {
		if !d.complete(name, w.Manifest) {
			return struct{}{}, d.noVersion(name, w.Manifest, nil)
		}
		if was, err := d.fromWandB(name, w.Version); err == nil && was.Artifact == w.Artifact && was.ID == w.ID {
			return struct{}{}, nil
		}
		return struct{}{}, d.keepOwn("wandb", name, w.Version, w.object())
	})
	if err != nil {
		return fmt.Errorf("what W&B calls %s:v%d in %s: %w", name, w.Version, d.root, err)
	}
	return nil
}

// FromWandB returns what is recorded of the version that W&B calls n;
// fs.ErrNotExist if nothing is.
func (d *Dir) FromWandB(ctx context.Context, name string, n int) (*WandB, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	return do(ctx, d, func() (*WandB, error) {
		w, err := d.fromWandB(name, n)
		if errors.Is(err, fs.ErrNotExist) {
			if there := d.rootThere(); there != nil {
				return nil, there
			}
		}
		return w, err
	})
}

func (d *Dir) fromWandB(name string, n int) (*WandB, error) {
	path := d.root + "/" + ownDir + "/wandb/" + name + "/" + Version(n).String() + ".json"
	b, err := readSmall(path, largeRecord)
	if err != nil {
		return nil, err
	}
	return parseWandB(b, n, path)
}

// object is what a store keeps of w under W&B's number.
func (w WandB) object() Object {
	return Object{{"version", w.Manifest}, {"artifact", w.Artifact}, {"id", w.ID}, {"digest", w.Digest}, {"url", w.URL}}
}

// parseWandB reads what object wrote, found at a path.
func parseWandB(b []byte, n int, path string) (*WandB, error) {
	val, err := ParseJSON(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	o, _ := val.(Object)
	number, _ := o.Get("version")
	num, _ := number.(Number)
	v, ok := num.Int()
	if !ok || v < 0 {
		return nil, fmt.Errorf("%s names no version: %w", path, fs.ErrInvalid)
	}
	return &WandB{
		Version: n, Manifest: v, Artifact: o.text("artifact"), ID: o.text("id"), Digest: o.text("digest"), URL: o.text("url"),
	}, nil
}

// WandBVersions returns the numbers of W&B's for which FromWandB has an answer,
// ascending; none for a name that was never logged there.
func (d *Dir) WandBVersions(ctx context.Context, name string) ([]int, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	return do(ctx, d, func() (out []int, err error) {
		err = readDir(d.root+"/"+ownDir+"/wandb/"+name, func(e fs.DirEntry) {
			base, ok := strings.CutSuffix(e.Name(), ".json")
			n, canonical, _ := number(base)
			if ok && canonical && e.Type().IsRegular() {
				out = append(out, n)
			}
		})
		if errors.Is(err, fs.ErrNotExist) {
			err = d.rootThere()
		}
		slices.Sort(out)
		return out, err
	})
}
