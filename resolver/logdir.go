package resolver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"syscall"

	"artifactfs.dev/artifactfs/manifest"
)

// logDir is .log, or a prefix of nested names below it: a control file for each
// artifact, and for each name that is yet to be one.
//
// A name that is an artifact is a file here even where names go on from it; those
// are logged by the other doors. Nothing distinguishes a lookup on the way to a
// new nested name from the lookup of a new name itself, so a prefix that no
// artifact has yet is made with mkdir.
type logDir struct {
	t      *Tree
	prefix string
}

var (
	_ Dir     = (*logDir)(nil)
	_ Mutable = (*logDir)(nil)
	_ Lister  = (*logDir)(nil)
)

const logPath = "/.log"

func (d *logDir) full(name string) string { return strings.TrimPrefix(d.prefix+"/"+name, "/") }

func (d *logDir) Stat(context.Context) (Entry, error) {
	valid := long
	if d.prefix != "" {
		valid = 0 // it may become an artifact, which is a file here
	}
	return d.t.dirEntry(d, path.Join(logPath, d.prefix), valid), nil
}

// isFile reports whether a name is a control file: an artifact, or what is not
// the prefix of any. Of what is neither it is fs.ErrNotExist. logged is set if it has
// versions.
func (d *logDir) isFile(ctx context.Context, full string) (file, logged bool, err error) {
	l, err := d.t.versions(ctx, full)
	if err == nil && !empty(l) || err != nil && !errors.Is(err, fs.ErrNotExist) {
		return true, err == nil && len(l.Versions)+len(l.Retired) > 0, err
	}
	below, err2 := d.t.names(ctx, full)
	if err2 != nil || len(below) > 0 {
		return false, false, err2
	}
	return l != nil, false, err
}

func (d *logDir) Lookup(ctx context.Context, name string) (Entry, error) {
	full := d.full(name)
	if err := manifest.CheckName(full); err != nil {
		return Entry{}, also{err, fs.ErrNotExist}
	}
	file, logged, err := d.isFile(ctx, full)
	absent := errors.Is(err, fs.ErrNotExist)
	switch {
	case err != nil && !absent:
		return Entry{}, err
	case file, d.t.logs.known(full, ownerOf(ctx).uid):
		return (&logFile{t: d.t, name: full, logged: logged}).Stat(ctx)
	case absent && !d.t.logs.madeDir(full):
		return Entry{}, err
	}
	return (&logDir{d.t, full}).Stat(ctx)
}

func (d *logDir) ReadDir(ctx context.Context) ([]DirEntry, error) {
	names, err := d.t.names(ctx, d.prefix)
	if err != nil {
		return nil, err
	}
	var list []DirEntry
	for _, n := range names {
		mode := uint32(0) // whoever wants to know asks: of 100,000 names that takes seconds
		if len(names) <= typedNames {
			mode = syscall.S_IFDIR
			if file, _, err := d.isFile(ctx, d.full(n)); file || err != nil && !errors.Is(err, fs.ErrNotExist) {
				mode = syscall.S_IFREG
			}
		}
		list = append(list, DirEntry{Name: n, Mode: mode, Key: path.Join(logPath, d.full(n))})
	}
	return list, nil
}

// typedNames is how many names are looked at for a listing of .log.
const typedNames = 1024

// Listed is Lookup; that there is such a method keeps a long listing from looking
// at every name.
func (d *logDir) Listed(ctx context.Context, e DirEntry) (Entry, error) { return d.Lookup(ctx, e.Name) }

// Create opens the control file of a name that is not an artifact yet. The name
// comes into being by the write.
func (d *logDir) Create(ctx context.Context, name string, _ bool) (Entry, Handle, error) {
	if editorName(name) {
		return Entry{}, nil, fmt.Errorf("%q is an editor's temporary name; write the request to .log/NAME itself: %w", name, syscall.EPERM)
	}
	if err := loggable(d.full(name)); err != nil {
		return Entry{}, nil, err
	}
	f := &logFile{t: d.t, name: d.full(name)}
	h, err := f.Open(ctx, 0)
	if err != nil {
		return Entry{}, nil, err
	}
	e, err := f.Stat(ctx)
	return e, h, err
}

// editorName reports whether editors and sed -i try this name beside the file
// they mean to change.
func editorName(name string) bool {
	for _, pattern := range []string{"sed??????", "*.sw?", "*~", ".#*", "#*#"} {
		if ok, _ := path.Match(pattern, name); ok {
			return true
		}
	}
	return strings.HasPrefix(name, ".")
}

// Mkdir lets names nest that no artifact has yet: mkdir -p .log/embed.
func (d *logDir) Mkdir(ctx context.Context, name string) (Entry, error) {
	full := d.full(name)
	if editorName(name) {
		return Entry{}, fmt.Errorf("no artifact's name starts like %q: %w", name, syscall.EPERM)
	}
	if err := loggable(full); err != nil {
		return Entry{}, err
	}
	if _, err := d.Lookup(ctx, name); err == nil {
		return Entry{}, fmt.Errorf(".log/%s: %w", full, fs.ErrExist)
	}
	if err := d.t.logs.makeDir(full); err != nil {
		return Entry{}, err
	}
	return (&logDir{d.t, full}).Stat(ctx)
}

func (d *logDir) refuse(what string) error {
	return fmt.Errorf("%s in .log: its files are doors, not files; artifactfs retire hides a version: %w", what, syscall.EPERM)
}

func (d *logDir) Rename(context.Context, string, Mutable, string) error { return d.refuse("rename") }
func (d *logDir) Unlink(context.Context, string) error                  { return d.refuse("unlink") }
func (d *logDir) Symlink(context.Context, string, string) (Entry, error) {
	return Entry{}, d.refuse("symlink")
}

// Rmdir undoes a Mkdir that no artifact came of.
func (d *logDir) Rmdir(_ context.Context, name string) error {
	if d.t.logs.removeDir(d.full(name)) {
		return nil
	}
	return d.refuse("rmdir")
}
