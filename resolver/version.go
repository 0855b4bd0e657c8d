package resolver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"artifactfs.dev/artifactfs/manifest"
)

// Version is one version of an artifact. It is not changed once made.
type Version struct {
	Name     string
	N        int
	Record   *manifest.Record
	Base     string   // the real directory shown; "" before its data was needed
	Warnings []string // in words, for whoever resolved it

	file    string // the name in Base of the file that the record names, if it names one
	spelled string // Base as the record spells it; "" if it does not

	public bool // every user may read Record

	light bool // Record lacks what its data does not depend on

	in manifest.Numbering // whose number N is, where that is not the one that numbers the tree

	iter string    // the iteration directory that is shown of a checkpoint
	at   time.Time // when the record was read
}

// String is the version as a reference.
func (v *Version) String() string { return v.Ref().String() }

// Ref names this version and no other.
func (v *Version) Ref() manifest.Ref {
	return manifest.Ref{Name: v.Name, Version: manifest.Version(v.N).String(), In: v.in}
}

// Target is what an alias holds that names this version.
func (v *Version) Target() manifest.Target { return manifest.Target{Version: v.N, In: v.in} }

// Which returns what a version is accounted by: its name, below the view if its number
// is not the tree's.
func (v *Version) Which() (string, int) { return whose(v.in, v.Name), v.N }

// key is the version's part of an entry's identity. Two versions over one
// directory must not share inodes, or an open directory jumps between them.
func (v *Version) key() string { return placeOf(v.in, v.Name, v.N) }

// recheck is how long a record is taken for the same without asking the source.
const recheck = time.Second

// version reads a record, as the caller. What is known of its data comes along.
func (t *Tree) version(ctx context.Context, name string, n int) (*Version, error) {
	if err := t.disabled(); err != nil {
		return nil, err
	}
	v := &Version{Name: name, N: n, in: t.in}
	old, ok := t.shown.Get(v.key())
	now := t.opt.Now()
	if ok && !old.light && now.Sub(old.at) < recheck && old.public && t.publicVersion(ctx, name, n) {
		return old, nil
	}
	r, err := t.src.Manifest(ctx, name, n)
	if err != nil {
		return nil, err
	}
	if ok && sameData(old.Record, r) {
		*v = *old
	}
	v.Record, v.light, v.at = r, false, now
	v.public = t.publicVersion(ctx, name, n)
	if v.Base != "" {
		t.shown.Add(v.key(), v.kept())
	}
	return v, nil
}

// lightRecord is how much of a record stays in memory for as long as its version
// is shown, or the kernel remembers one of its files.
const lightRecord = 16 << 10

// kept returns v as what may be kept of it. Of a large record that is what its
// data depends on: hostile ones of megabytes would add up.
func (v *Version) kept() *Version {
	r := v.Record
	if len(r.Raw)+len(r.RawMeta) <= lightRecord {
		return v
	}
	short := func(s string) string { return strings.Clone(s[:min(len(s), 256)]) }
	m := &manifest.Manifest{
		Name: v.Name, Version: v.N, Type: short(r.Manifest.Type), Path: strings.Clone(r.Manifest.Path),
		CreatedAt: short(r.Manifest.CreatedAt), Producer: short(r.Manifest.Producer),
	}
	if n, ok := r.Iteration(); ok {
		m.Metadata = manifest.Object{{Key: "iteration", Value: manifest.Number(strconv.Itoa(n))}}
	}
	w := *v
	w.Record, w.light = &manifest.Record{Manifest: m, Dir: r.Dir, Legacy: r.Legacy}, true
	return &w
}

// sameData reports whether two records show the same data.
func sameData(a, b *manifest.Record) bool {
	i, checkpoint := a.Iteration()
	j, other := b.Iteration()
	return a.Manifest.Path == b.Manifest.Path && i == j && checkpoint == other
}

// versionEntry returns NAME/vN. Retired versions and those that are younger than
// the listing are found by their record.
func (t *Tree) versionEntry(ctx context.Context, l *manifest.Listing, name string, n int) (Entry, error) {
	if l == nil || t.opt.Lane == "symlink" || !slices.Contains(l.Versions, n) {
		if _, err := t.version(ctx, name, n); errors.Is(err, fs.ErrNotExist) {
			return Entry{}, t.noVersion(name, manifest.Version(n).String(), l)
		} else if err != nil {
			return Entry{}, err
		}
	}
	if target, link := t.versionTarget(ctx, name, n); link {
		return t.linkEntry(&versionLink{t, name, n}, "/"+name+"/"+manifest.Version(n).String(), len(target)), nil
	}
	return (&versionDir{t, name, n}).Stat(ctx)
}

// versionDir is NAME/vN: the data itself. Its own attributes are made up, so that
// looking it up does not touch the data.
type versionDir struct {
	t    *Tree
	name string
	n    int
}

var (
	_ Dir      = (*versionDir)(nil)
	_ Accesser = (*versionDir)(nil)
	_ Keeper   = (*versionDir)(nil)
)

func (d *versionDir) Which() (string, int) { return whose(d.t.in, d.name), d.n }

func (d *versionDir) Stat(ctx context.Context) (Entry, error) {
	return d.t.dirEntry(d, "/"+placeOf(d.t.in, d.name, d.n), d.t.kept(ctx, d.name)), nil
}

func (d *versionDir) Lookup(ctx context.Context, name string) (Entry, error) {
	var e Entry
	err := d.t.withData(ctx, d.name, d.n, func(s shownDir) (err error) {
		e, err = s.Lookup(ctx, name)
		return err
	})
	return e, err
}

func (d *versionDir) ReadDir(ctx context.Context) ([]DirEntry, error) {
	list, _, err := d.ReadListing(ctx)
	return list, err
}

// Listing is that of data that lies in a store.
func (d *versionDir) Listing(ctx context.Context) (name uint64) {
	err := d.t.withData(ctx, d.name, d.n, func(s shownDir) error {
		if k, ok := s.(Keeper); ok {
			name = k.Listing(ctx)
		}
		return nil
	})
	if err != nil {
		return 0
	}
	return name
}

func (d *versionDir) ReadListing(ctx context.Context) (list []DirEntry, name uint64, err error) {
	err = d.t.withData(ctx, d.name, d.n, func(s shownDir) (err error) {
		if k, ok := s.(Keeper); ok {
			list, name, err = k.ReadListing(ctx)
			return err
		}
		list, err = s.ReadDir(ctx)
		return err
	})
	return list, name, err
}

func (d *versionDir) Access(ctx context.Context, mask uint32) error {
	return d.t.withData(ctx, d.name, d.n, func(s shownDir) error { return s.Access(ctx, mask) })
}

// shownDir is what a version shows of its data: a directory, or one iteration of one.
type shownDir interface {
	Dir
	Accesser
}

// withData runs fn on the data of a version. Where that is gone, its path is
// resolved once more, and if that does not help the version is missing.
func (t *Tree) withData(ctx context.Context, name string, n int, fn func(shownDir) error) error {
	if t.opt.Remote != nil { // the record, the iteration, the listing: one deadline for all of it
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, t.data.Deadline())
		defer cancel()
	}
	if s, err := t.stored(ctx, name, n); s != nil || err != nil {
		if err == nil {
			err = fn(s)
		}
		return err
	}
	for try := 0; ; try++ {
		v, err := t.withBase(ctx, name, n)
		if err != nil {
			return err
		}
		// Of a checkpoint whose iteration is gone, the rest is nobody's.
		lost := v.iter != "" && t.gone(ctx, v)
		if !lost {
			err = fn(v.dir(t))
			lost = (errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)) && t.gone(ctx, v)
		}
		if lost && try > 0 && err == nil {
			return fmt.Errorf("data of %s, %s: %w", v, filepath.Join(v.Base, v.iter), fs.ErrNotExist)
		}
		if !lost || try > 0 {
			return err
		}
		t.shown.Remove(v.key())
	}
}

// gone reports whether what a version showed is no longer there.
func (t *Tree) gone(ctx context.Context, v *Version) bool {
	_, err := t.data.Lstat(ctx, filepath.Join(v.Base, v.iter))
	return errors.Is(err, fs.ErrNotExist)
}

// dir returns what v shows.
func (v *Version) dir(t *Tree) shownDir {
	d := &dataDir{t: t, v: v, in: &region{root: v.Base}, real: v.Base}
	if v.iter != "" {
		return &checkpointDir{d}
	}
	return d
}

// withBase returns a version with its base: the real directory that its record
// names, or that holds the file its record names. It is resolved once; from then
// on every access to it is checked as its caller.
func (t *Tree) withBase(ctx context.Context, name string, n int) (*Version, error) {
	v, err := t.version(ctx, name, n)
	if err != nil {
		return nil, err
	}
	if v = v.kept(); v.Base != "" {
		return v, nil
	}
	w := *v
	path, err := localPath(v)
	if err == nil {
		err = t.resolveBase(ctx, &w, path)
	}
	if errors.Is(err, fs.ErrNotExist) {
		t.lost.add(Missing{Name: name, Version: n, Path: path, Producer: v.Record.Manifest.Producer, CreatedAt: v.Record.Manifest.CreatedAt})
	}
	if err != nil {
		return nil, fmt.Errorf("data of %s, %s (logged by %s at %s): %w", v, path,
			v.Record.Manifest.Producer, v.Record.Manifest.CreatedAt, err)
	}
	t.lost.remove(&w)
	t.shown.Add(w.key(), &w)
	return &w, nil
}

func (t *Tree) resolveBase(ctx context.Context, v *Version, path string) error {
	if _, ok := v.Record.Iteration(); ok && iterName.MatchString(filepath.Base(path)) {
		path = filepath.Dir(path)
	}
	p, err := t.data.Resolve(ctx, path)
	v.spelled = path
	if err == nil && p.Attr.Mode&syscall.S_IFMT == syscall.S_IFREG {
		v.spelled, v.file = "", filepath.Base(p.Path)
		if p.Path == path {
			v.spelled = filepath.Dir(path)
		}
		p, err = t.data.Resolve(ctx, filepath.Dir(p.Path))
	}
	if err != nil {
		return err
	}
	if p.Attr.Mode&syscall.S_IFMT != syscall.S_IFDIR {
		return fmt.Errorf("%s is neither a file nor a directory: %w", p.Path, syscall.ENOTDIR)
	}
	v.Base = p.Path
	return t.findIteration(ctx, v)
}

// inside returns where a path of the record leads below the version's root. It
// compares text: what a record holds may name anything, and is not touched.
func (v *Version) inside(path string) (string, bool) {
	if recorded, err := localPath(v); err == nil && path == recorded && v.file != "" {
		return v.file, true
	}
	for _, dir := range []string{v.Base, v.spelled} {
		if dir != "" && within(path, dir) {
			return strings.TrimPrefix(strings.TrimPrefix(path, dir), "/"), true
		}
	}
	return "", false
}

const maxPath = 4096 // PATH_MAX: no system call takes a longer one

// What has no path on this machine: such a version is read from its store, and never bound.
var (
	errStored = fmt.Errorf("its files lie in the store, and in no directory: %w", syscall.EOPNOTSUPP)
	errRemote = fmt.Errorf("its data lies behind a URI, and in no directory: %w", syscall.EOPNOTSUPP)
)

// localPath returns the path that a record names on this machine's file systems.
func localPath(v *Version) (string, error) {
	path := v.Record.Manifest.Path
	if rest, ok := strings.CutPrefix(path, "file://"); ok {
		path = "/" + strings.TrimLeft(rest, "/")
	}
	if path == "" {
		return "", errStored
	}
	if manifest.IsURI(path) {
		return path, errRemote
	}
	if len(path) >= maxPath {
		return path[:100] + "…", fmt.Errorf("the recorded path has %d bytes: %w", len(path), syscall.ENAMETOOLONG)
	}
	if !filepath.IsAbs(path) {
		return path, fmt.Errorf("the recorded path is not absolute: %w", fs.ErrInvalid)
	}
	return filepath.Clean(path), nil
}
