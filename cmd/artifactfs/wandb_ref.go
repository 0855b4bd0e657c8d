package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"artifactfs.dev/artifactfs/manifest"
)

// wandbRef turns a reference of a record into W&B's: where the manifest store numbers,
// v3 is a version of its own, and W&B may call that otherwise, or not know it.
func wandbRef(ctx context.Context, dir *manifest.Dir, by manifest.Numbering, text string) (string, error) {
	ref, err := manifest.ParseRef(text)
	if err != nil {
		return "", err
	}
	n, ok := ref.Number()
	if !ok || strings.Count(ref.Name, "/") == 2 { // an alias, or ENTITY/PROJECT/NAME
		return text, nil
	}
	if by == "" {
		by, err = dir.Numbering(ctx)
	}
	if errors.Is(err, fs.ErrNotExist) || err == nil && by == manifest.ByWandB {
		return text, nil
	}
	if err != nil {
		return "", err
	}
	all, err := dir.WandBVersions(ctx, ref.Name)
	if err != nil {
		return "", err
	}
	for _, v := range all {
		if w, err := dir.FromWandB(ctx, ref.Name, v); err == nil && w.Manifest == int(n) {
			return fmt.Sprintf("%s:v%d", w.Artifact, v), nil
		}
	}
	return "", fmt.Errorf("%s is not in W&B: %w", text, fs.ErrNotExist)
}
