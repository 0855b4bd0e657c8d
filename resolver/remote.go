package resolver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"artifactfs.dev/artifactfs/internal/store"
	"artifactfs.dev/artifactfs/manifest"
)

// isRemote reports whether a version's data is read by its URI.
func (t *Tree) isRemote(v *Version) bool {
	path := v.Record.Manifest.Path
	return t.opt.Remote != nil && manifest.IsURI(path) && t.opt.Remote.Has(path)
}

// remote returns the data of a version whose record leads to a URI.
func (t *Tree) remote(ctx context.Context, v *Version, uri string) (shownDir, error) {
	files, iter, err := t.remoteFiles(ctx, v)
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

// remoteFiles returns what lies at a version's URI, and the name of the iteration in it
// that is shown, if it is one.
func (t *Tree) remoteFiles(ctx context.Context, v *Version) (files store.Files, iter string, err error) {
	n, checkpoint := v.Record.Iteration()
	at := v.Record.Manifest.Path
	if checkpoint {
		at = aboveIteration(at)
	}
	files, err = t.opt.Remote.Files(ctx, at)
	if err == nil {
		_, err = files.Stat(ctx, "")
	}
	if err == nil && checkpoint {
		iter, err = storedIteration(ctx, files, at, n)
	}
	return files, iter, err
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
