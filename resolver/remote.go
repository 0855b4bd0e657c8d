package resolver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"artifactfs.dev/artifactfs/internal/store"
)

// remote returns the data of a version whose record leads to a URI.
func (t *Tree) remote(ctx context.Context, v *Version, uri string) (shownDir, error) {
	n, checkpoint := v.Record.Iteration()
	at := uri
	if checkpoint {
		at = aboveIteration(uri)
	}
	files, err := t.opt.Remote.Files(ctx, at)
	if err == nil {
		_, err = files.Stat(ctx, "")
	}
	iter := ""
	if err == nil && checkpoint {
		iter, err = storedIteration(ctx, files, at, n)
	}
	if errors.Is(err, fs.ErrNotExist) {
		t.lost.add(Missing{Name: v.Name, Version: v.N, Path: uri, Producer: v.Record.Manifest.Producer, CreatedAt: v.Record.Manifest.CreatedAt})
	}
	if err != nil {
		return nil, fmt.Errorf("data of %s, %s: %w", v, uri, err)
	}
	t.lost.remove(v)
	d := t.storedRoot(v, files)
	if iter != "" {
		return &storedCheckpoint{d, iter}, nil
	}
	return d, nil
}

// aboveIteration is the directory of all iterations, of a URI that may name one's.
func aboveIteration(uri string) string {
	plain, query, found := strings.Cut(uri, "?")
	plain = strings.TrimRight(plain, "/")
	if !iterName.MatchString(path.Base(plain)) {
		return uri
	}
	plain = strings.TrimSuffix(plain, "/"+path.Base(plain))
	if found {
		plain += "?" + query
	}
	return plain
}

// storedIteration is iterationIn of what lies in a store.
func storedIteration(ctx context.Context, files store.Files, at string, n int) (string, error) {
	list, err := files.ReadDir(ctx, "")
	if err != nil {
		return "", err
	}
	var names []string
	for _, f := range list {
		names = append(names, f.Name)
	}
	return pickIteration(names, at, n)
}
