package resolver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"
	"syscall"

	"artifactfs.dev/artifactfs/manifest"
)

// What upstream's writer does, system call by system call: mkdir NAME, mkdir
// NAME/vN, then manifest.json, metadata.json and latest, each written under a
// temporary name and renamed. The numbers it has been given it keeps: it has
// already told its own caller.

var (
	recordTemp = regexp.MustCompile(`^(manifest|metadata)\.json\.tmp\.[0-9]+$`)
	latestTemp = regexp.MustCompile(`^\.latest_tmp_[0-9]+$`)
)

func (t *Tree) claimer(what string) (Claimer, error) {
	if err := t.disabled(); err != nil {
		return nil, also{err, syscall.EOPNOTSUPP}
	}
	c, ok := t.src.(Claimer)
	if !ok {
		return nil, fmt.Errorf("%s: the store takes no new versions this way: %w", what, syscall.EROFS)
	}
	return c, nil
}

// Mkdir of vN takes that number for the process; of another name, it lets an
// artifact be logged under it, and leaves no trace if that does not happen.
func (d *manifestDir) Mkdir(ctx context.Context, name string) (Entry, error) {
	c, err := d.t.claimer(".manifest")
	if err != nil {
		return Entry{}, err
	}
	full := d.full(name)
	if n, ok := canonical(name); ok && d.name != "" {
		return d.claim(ctx, c, n)
	}
	if err := manifest.CheckNew(full); err != nil {
		return Entry{}, err
	}
	if _, err := d.Lookup(ctx, name); err == nil {
		return Entry{}, fmt.Errorf(".manifest/%s: %w", full, fs.ErrExist)
	}
	if err := d.t.drafts.makeName(full, ownerOf(ctx).uid, d.t.opt.Now()); err != nil {
		return Entry{}, err
	}
	return (&manifestDir{d.t, full}).Stat(ctx)
}

func (d *manifestDir) claim(ctx context.Context, c Claimer, n int) (Entry, error) {
	by := ownerOf(ctx)
	if by.process == 0 {
		return Entry{}, fmt.Errorf("%s: this daemon cannot see the writer's process, so it could not keep others out of v%d; log through .log: %w", d.name, n, syscall.EPERM)
	}
	err := c.Claim(ctx, d.name, n)
	if err == nil {
		d.t.drafts.claim(d.name, n, by)
		d.t.hollow.add(d.name) // unless it holds more: a listing looks
	}
	d.t.drafts.pass(d.name, by)
	if err != nil {
		return Entry{}, err
	}
	return (&recordDir{d.t, d.name, n}).Stat(ctx)
}

// Create in NAME begins latest under upstream's temporary name, or an alias, under
// its own name or an editor's temporary one.
func (d *manifestDir) Create(ctx context.Context, name string, _ bool) (Entry, Handle, error) {
	if d.name == "" {
		return d.createIndex(ctx, name)
	}
	if _, err := d.t.claimer(".manifest"); err != nil {
		return Entry{}, nil, err
	}
	if latestTemp.MatchString(name) || editorName(name) {
		return d.t.drafts.create(ctx, d.t, d.full(name))
	}
	if name != manifest.Latest {
		if err := manifest.CheckAlias(name); err != nil {
			return Entry{}, nil, also{err, syscall.EPERM}
		}
	}
	f := &aliasFile{d.t, d.name, name}
	h, err := f.Open(ctx, 0)
	if err != nil {
		return Entry{}, nil, err
	}
	return f.entry(""), h, nil
}

// refused tells of a change that upstream's writer does not get: its rename has but an
// errno for it, and there is no file in which it could read why.
func (t *Tree) refused(artifact string, err error) error {
	if err != nil && !errors.Is(err, context.Canceled) {
		t.opt.Log.Warn("not logged", "artifact", artifact, "err", err)
	}
	return err
}

// Rename puts a temporary file, or an alias, in the place of latest or an alias.
func (d *manifestDir) Rename(ctx context.Context, old string, to Mutable, name string) error {
	return d.t.refused(cmp.Or(d.name, indexFile), d.rename(ctx, old, to, name))
}

func (d *manifestDir) rename(ctx context.Context, old string, to Mutable, name string) error {
	dst, ok := to.(*manifestDir)
	if ok && dst.name == "" && d.name == "" {
		return d.renameIndex(ctx, old, name)
	}
	if !ok || dst.name != d.name {
		return fmt.Errorf("rename of .manifest/%s out of its directory: %w", d.full(old), syscall.EROFS)
	}
	if _, err := d.t.claimer(".manifest"); err != nil {
		return err
	}
	if _, version := canonical(old); version {
		return fmt.Errorf("rename of %s %s: a version is never moved: %w", d.name, old, syscall.EROFS)
	}
	x := d.t.drafts.temp(ctx, d.full(old))
	var text []byte
	if x != nil {
		text = x.bytes()
	} else if l, err := d.t.versions(ctx, d.name); err != nil {
		return err
	} else if n, ok := l.Alias(old); ok && old != manifest.Latest {
		text = []byte(manifest.Version(n).String())
	} else {
		return fmt.Errorf("rename of .manifest/%s: %w", d.full(old), syscall.EROFS)
	}
	if err := d.t.point(ctx, d.name, name, text, true); err != nil {
		return err
	}
	if x != nil {
		d.t.drafts.remove(x)
		return nil
	}
	return d.t.RemoveAlias(ctx, d.name, old)
}

// Unlink removes an alias, or a temporary file.
func (d *manifestDir) Unlink(ctx context.Context, name string) error {
	if x := d.t.drafts.temp(ctx, d.full(name)); x != nil {
		d.t.drafts.remove(x)
		return nil
	}
	if d.name == "" {
		return fmt.Errorf(".manifest/%s: %w", name, syscall.EROFS)
	}
	if _, err := d.t.claimer(".manifest"); err != nil {
		return err
	}
	return d.t.RemoveAlias(ctx, d.name, name)
}

func (d *manifestDir) Rmdir(_ context.Context, name string) error {
	if d.t.drafts.removeName(d.full(name)) {
		return nil
	}
	return fmt.Errorf(".manifest/%s: artifacts are not removed; artifactfs retire hides a version: %w", d.full(name), syscall.EROFS)
}

// Symlink is how an alias is made in a directory store: ln -s v2 prod.
func (d *manifestDir) Symlink(ctx context.Context, name, target string) (Entry, error) {
	if _, ok := canonical(strings.TrimSuffix(target, "/")); !ok || d.name == "" || name == manifest.Latest {
		return Entry{}, fmt.Errorf("link %s -> %s: an alias links to vN in its own directory: %w", name, target, syscall.EPERM)
	}
	if _, err := d.t.claimer(".manifest"); err != nil {
		return Entry{}, err
	}
	if err := d.t.point(ctx, d.name, name, []byte(target), false); err != nil {
		return Entry{}, err
	}
	// The kernel wants a link for what it made; the next lookup finds the file.
	return d.t.linkEntry(constLink(target), d.path()+"/"+name+"\x00link", len(target)), nil
}

func (d *recordDir) notYours() error {
	return fmt.Errorf(".manifest/%s belongs to the process that made it, until it is whole: %w", d.key(), syscall.EROFS)
}

// Create begins manifest.json or metadata.json under upstream's temporary name.
func (d *recordDir) Create(ctx context.Context, name string, _ bool) (Entry, Handle, error) {
	if !d.t.drafts.owns(ctx, d.key()) {
		return Entry{}, nil, d.notYours()
	}
	if !recordTemp.MatchString(name) {
		return Entry{}, nil, fmt.Errorf(".manifest/%s takes manifest.json.tmp.PID and metadata.json.tmp.PID, not %q: %w", d.key(), name, syscall.EPERM)
	}
	return d.t.drafts.create(ctx, d.t, d.key()+"/"+name)
}

// Rename puts a file of the record in place, once.
func (d *recordDir) Rename(ctx context.Context, old string, to Mutable, name string) error {
	return d.t.refused(d.name, d.rename(ctx, old, to, name))
}

func (d *recordDir) rename(ctx context.Context, old string, to Mutable, name string) error {
	dst, ok := to.(*recordDir)
	if !ok || dst.key() != d.key() || !d.t.drafts.owns(ctx, d.key()) {
		return d.notYours()
	}
	c, err := d.t.claimer(".manifest")
	if err != nil {
		return err
	}
	x := d.t.drafts.temp(ctx, d.key()+"/"+old)
	if x == nil {
		return fmt.Errorf(".manifest/%s/%s: %w", d.key(), old, fs.ErrNotExist)
	}
	if name != manifestFile && name != metadataFile {
		return fmt.Errorf(".manifest/%s takes manifest.json and metadata.json, not %q: %w", d.key(), name, syscall.EPERM)
	}
	b := x.bytes()
	if name == manifestFile {
		if _, err := manifest.ParseManifest(b); err != nil {
			return fmt.Errorf(".manifest/%s: %w", d.key(), err)
		}
	}
	if !d.t.drafts.begin(d.key(), name) {
		return fmt.Errorf(".manifest/%s/%s is in place, and a record does not change: %w", d.key(), name, syscall.EROFS)
	}
	if name == manifestFile { // before it is a version: none is seen without
		d.t.keepUsed(ctx, d.name, d.n, b)
	}
	err = c.Put(context.WithoutCancel(ctx), d.name, d.n, name, b)
	d.t.drafts.finish(d.key(), name, err == nil)
	if err == nil {
		d.t.shown.Remove(d.key())
		d.t.drafts.remove(x)
	}
	return err
}

func (d *recordDir) Unlink(ctx context.Context, name string) error {
	if x := d.t.drafts.temp(ctx, path.Join(d.key(), name)); x != nil && d.t.drafts.owns(ctx, d.key()) {
		d.t.drafts.remove(x)
		return nil
	}
	return d.notYours()
}

func (d *recordDir) Mkdir(_ context.Context, name string) (Entry, error) {
	return Entry{}, fmt.Errorf(".manifest/%s holds no directory %q: %w", d.key(), name, syscall.EROFS)
}
func (d *recordDir) Rmdir(context.Context, string) error { return d.notYours() }
func (d *recordDir) Symlink(context.Context, string, string) (Entry, error) {
	return Entry{}, d.notYours()
}
