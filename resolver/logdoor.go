package resolver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"artifactfs.dev/artifactfs/manifest"
)

// logDoor is the control file .artifactfs/log: a command whose paths are not the
// daemon's logs through it, and sets aliases. Unlike .log it takes any name, be it below
// an artifact or a prefix that is new, and can be told not to check. Reading the open file
// back gives the outcome, as .log does: what has become of it in W&B too.
type logDoor struct{ t *Tree }

var _ Control = logDoor{}

func (d logDoor) Open(context.Context, int) (Handle, error) {
	return &requestHandle{limit: manifest.MaxRequest + 1<<13, whole: new(braces).whole, commit: d.commit, fresh: d.t.sinceThen}, nil
}

// LogDoorText is what is to be written to .artifactfs/log.
func LogDoorText(artifact string, request []byte, o LogOptions) []byte {
	var b manifest.Object
	b.Set("artifact", artifact)
	b.Set("no_check", o.NoCheck)
	text := manifest.AppendJSON(nil, b, 0)
	text = append(bytes.TrimSuffix(text, []byte("}")), `, "request": `...)
	return append(append(text, request...), "}\n"...)
}

// AliasDoorText is the same for an alias of what ref names, or with remove one of the
// artifact that it names.
func AliasDoorText(ref manifest.Ref, alias string, remove bool) []byte {
	var b manifest.Object
	b.Set("artifact", ref.Which())
	b.Set("version", ref.Version)
	b.Set("alias", alias)
	b.Set("remove", remove)
	return append(manifest.AppendJSON(nil, b, 0), '\n')
}

// alias carries out what AliasDoorText says.
func (d logDoor) alias(ctx context.Context, name, version, alias string, remove bool) ([]byte, error) {
	var r *AliasResult
	ref, err := manifest.ParseRef(name + ":" + version)
	switch {
	case err != nil:
	case remove:
		r, err = d.t.RemoveAliasEverywhere(ctx, ref.Which(), alias)
	default:
		r, err = d.t.AliasEverywhere(ctx, ref, alias)
	}
	if err != nil {
		return failure(name, err), err
	}
	b, err := json.MarshalIndent(r, "", "  ")
	return append(b, '\n'), err
}

func (d logDoor) commit(ctx context.Context, text []byte, last bool) ([]byte, error) {
	v, err := manifest.ParseJSON(text)
	if err != nil && !last {
		return nil, manifest.ErrIncomplete
	}
	o, _ := v.(manifest.Object)
	name, named := field[string](o, "artifact")
	unchecked, _ := field[bool](o, "no_check")
	if alias, ok := field[string](o, "alias"); err == nil && named && ok {
		version, _ := field[string](o, "version")
		remove, _ := field[bool](o, "remove")
		return d.alias(ctx, name, version, alias, remove)
	}
	request, whole := field[manifest.Object](o, "request")
	if err != nil || !named || !whole {
		err := fmt.Errorf(".artifactfs/log takes a JSON object with artifact and request, from artifactfs log; others write to .log/NAME: %w", fs.ErrInvalid)
		return failure(name, err), err
	}
	req, err := manifest.FinishRequest(manifest.AppendJSON(nil, request, 0))
	var r *Result
	if err == nil {
		r, err = d.t.Log(ctx, name, req, LogOptions{NoCheck: unchecked})
	}
	return d.t.outcome(name, r, err)
}

func field[T any](o manifest.Object, key string) (T, bool) {
	v, _ := o.Get(key)
	t, ok := v.(T)
	return t, ok
}

// outcome is what a reader of a control file gets of a log.
func (t *Tree) outcome(name string, r *Result, err error) ([]byte, error) {
	if err != nil {
		t.opt.Log.Warn("not logged", "artifact", name, "err", err)
		return failure(name, err), err
	}
	b, err := json.MarshalIndent(r, "", "  ")
	return append(b, '\n'), err
}

// unborn is the host's path for one of the writer's that is not there yet: that of
// the nearest directory above it which is, and the rest.
func (t *Tree) unborn(ctx context.Context, path string) (string, error) {
	for up := filepath.Dir(path); ; up = filepath.Dir(up) {
		host, err := t.data.WriterPath(ctx, up)
		if err == nil {
			rest, err := filepath.Rel(up, path)
			return filepath.Join(host, rest), err
		}
		if !errors.Is(err, fs.ErrNotExist) || up == "/" {
			return "", err
		}
	}
}
