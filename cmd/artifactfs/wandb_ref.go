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
func wandbRef(ctx context.Context, records recordStore, by manifest.Numbering, text string) (string, error) {
	ref, err := manifest.ParseRef(text)
	if err != nil {
		return "", err
	}
	switch ref.In {
	case manifest.ByWandB: // as W&B calls it
		ref.In = ""
		return ref.String(), nil
	case manifest.ByManifest:
		by = manifest.ByManifest
	}
	n, ok := ref.Number()
	if !ok || ref.In == "" && strings.Count(ref.Name, "/") == 2 { // an alias, or ENTITY/PROJECT/NAME
		return text, nil
	}
	if by == "" {
		by, err = records.Numbering(ctx)
	}
	if errors.Is(err, fs.ErrNotExist) || err == nil && by == manifest.ByWandB {
		return text, nil
	}
	if err != nil {
		return "", err
	}
	w, err := inWandB(ctx, records, ref.Name, int(n))
	if err != nil {
		return "", err
	}
	if w == nil {
		return "", fmt.Errorf("%s is not in W&B: %w", text, fs.ErrNotExist)
	}
	return w.Name + ":" + w.Version, nil
}
