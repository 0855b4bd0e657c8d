package resolver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	"artifactfs.dev/artifactfs/manifest"
)

// aliasFile is .manifest/NAME/ALIAS: a file that holds vN, as upstream's latest
// does. Writing vN into it moves it.
type aliasFile struct {
	t           *Tree
	name, alias string
}

var _ Control = (*aliasFile)(nil)

func (f *aliasFile) content(ctx context.Context) (string, error) {
	// As the store has it, whatever a job has pinned: upstream's writer counts on
	// from here.
	l, err := f.t.versions(ctx, f.name)
	if err != nil {
		return "", err
	}
	n, ok := l.Alias(f.alias)
	if !ok {
		return "", f.t.noVersion(f.name, f.alias, l)
	}
	return manifest.Version(n).String(), nil
}

func (f *aliasFile) entry(content string) Entry {
	e := f.t.controlEntry(f, manifestPath+"/"+f.name+"/"+f.alias, len(content))
	return e
}

func (f *aliasFile) Stat(ctx context.Context) (Entry, error) {
	text, err := f.content(ctx)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Entry{}, err
	}
	return f.entry(text), err
}

func (f *aliasFile) Open(ctx context.Context, flags int) (Handle, error) {
	if flags&syscall.O_ACCMODE != syscall.O_RDONLY {
		if _, err := f.t.claimer(".manifest"); err != nil {
			return nil, err
		}
	}
	text, err := f.content(ctx)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return &requestHandle{
		content: []byte(text),
		limit:   4096,
		appends: flags&syscall.O_APPEND != 0,
		whole:   func(p []byte) bool { return bytes.IndexByte(p, '\n') >= 0 },
		commit: func(ctx context.Context, text []byte, last bool) ([]byte, error) {
			if !last && bytes.IndexByte(bytes.TrimLeft(text, " \t\r\n"), '\n') < 0 {
				return nil, manifest.ErrIncomplete
			}
			if err := f.t.point(ctx, f.name, f.alias, text, false); err != nil {
				return nil, err
			}
			return bytes.TrimSpace(text), nil
		},
	}, nil
}

// point makes latest or an alias lead to the version that text names. latest only
// moves forward; upstream's rename of a lower number onto it succeeds and changes
// nothing, for its writer has merely been overtaken.
func (t *Tree) point(ctx context.Context, name, alias string, text []byte, rename bool) error {
	word := strings.TrimSpace(string(text))
	v, ok := manifest.ParseVersion(word)
	if !ok {
		return fmt.Errorf("%s of %s holds the name of a version, such as v2, not %q: %w", alias, name, clip(word), fs.ErrInvalid)
	}
	n := int(v)
	if _, err := t.version(ctx, name, n); err != nil {
		return fmt.Errorf("%s of %s: %w", alias, name, err)
	}
	if alias != manifest.Latest {
		if err := manifest.CheckAlias(alias); err != nil {
			return also{err, syscall.EPERM}
		}
		return t.setAlias(ctx, name, alias, n)
	}
	c, err := t.claimer(".manifest")
	if err != nil {
		return err
	}
	l, err := t.versions(ctx, name)
	if err != nil {
		return err
	}
	if n < l.Latest {
		if rename {
			t.wrote(ctx, name, alias, t.own(ctx, name, n))
			return nil
		}
		return fmt.Errorf("latest of %s is v%d and only moves forward; artifactfs retire moves it back: %w", name, l.Latest, syscall.EPERM)
	}
	if err := c.Advance(ctx, name, n); err != nil {
		return err
	}
	t.wrote(ctx, name, alias, t.own(ctx, name, n))
	return nil
}

func clip(s string) string {
	if len(s) > 40 {
		return s[:40] + "…"
	}
	return s
}
