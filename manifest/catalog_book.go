package manifest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"artifactfs.dev/artifactfs/internal/store/bucket"
)

// numberingKey is the object that holds the Numbering and a newline.
const numberingKey = ownDir + "/" + numberingFile

// Numbering returns whose numbers the versions are called by in this store;
// fs.ErrNotExist while that has not been recorded.
func (c *Catalog) Numbering(ctx context.Context) (Numbering, error) {
	b, _, err := c.b.Read(ctx, numberingKey, 64)
	if err != nil {
		return "", c.judge(err)
	}
	n, err := ParseNumbering(strings.TrimSuffix(string(b), "\n"))
	if err != nil {
		return "", fmt.Errorf("%s/%s: %w", c, numberingKey, err)
	}
	return n, nil
}

// SetNumbering records a Numbering, unless one is recorded, and returns the one that
// is then. Nothing is recorded in an empty store, unless log says that a version follows.
func (c *Catalog) SetNumbering(ctx context.Context, n Numbering, log bool) (Numbering, error) {
	if was, err := c.Numbering(ctx); !errors.Is(err, fs.ErrNotExist) || c.readOnly {
		return was, err
	}
	if !log {
		names, err := c.Names(ctx, "")
		if err != nil || len(names) == 0 {
			return n, err
		}
	}
	err := c.create(context.WithoutCancel(ctx), numberingKey, []byte(n+"\n"))
	if errors.Is(err, fs.ErrExist) {
		return c.Numbering(ctx)
	}
	return n, c.judgeWrite(err)
}

// NoteWandB records that W&B has a version of name, and as what. Of two versions
// that W&B has as one, for their content is the same, the first one recorded stays.
func (c *Catalog) NoteWandB(ctx context.Context, name string, w WandB) error {
	if err := c.changes(name); err != nil {
		return err
	}
	if w.Version < 0 {
		return fmt.Errorf("artifact %s: W&B has no v%d: %w", name, w.Version, fs.ErrInvalid)
	}
	if there, err := c.complete(ctx, name, w.Manifest); err != nil || !there {
		return errors.Join(err, c.noVersion(name, w.Manifest, nil))
	}
	ctx = context.WithoutCancel(ctx)
	key, text := ownKey("wandb", name, w.Version), append(AppendJSON(nil, w.object(), 2), '\n')
	for range latestTries {
		b, tag, err := c.b.Read(ctx, key, largeRecord)
		if err == nil {
			if was, err := parseWandB(b, w.Version, key); err == nil && was.Artifact == w.Artifact && was.ID == w.ID {
				return nil
			}
		} else if !errors.Is(err, fs.ErrNotExist) {
			return c.failed(name, "read what W&B calls it", err)
		}
		if err := c.b.Replace(ctx, key, text, tag); !errors.Is(err, bucket.ErrChanged) {
			return c.failed(name, "write what W&B calls it", err)
		}
	}
	return fmt.Errorf("artifact %s: what W&B calls it was changed by others %d times meanwhile", name, latestTries)
}

// FromWandB returns what is recorded of the version that W&B calls n;
// fs.ErrNotExist if nothing is.
func (c *Catalog) FromWandB(ctx context.Context, name string, n int) (*WandB, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	key := ownKey("wandb", name, n)
	b, _, err := c.b.Read(ctx, key, largeRecord)
	if err != nil {
		return nil, c.failed(name, "read what W&B calls it", err)
	}
	return parseWandB(b, n, key)
}

// WandBVersions returns the numbers of W&B's for which FromWandB has an answer,
// ascending; none for a name that was never logged there.
func (c *Catalog) WandBVersions(ctx context.Context, name string) (out []int, err error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	err = eachOwn(ctx, c.b, "wandb", name, func(n int) { out = append(out, n) })
	slices.Sort(out)
	return out, c.judge(err)
}
