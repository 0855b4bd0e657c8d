package manifest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"artifactfs.dev/artifactfs/internal/store"
)

// Retire hides a version from listings and moves latest back if it named it, the
// one way in which it moves back. The version goes on resolving by its number.
// undo brings it back. fs.ErrNotExist: there is no such version, or, to undo, it
// is not retired.
func (d *Dir) Retire(ctx context.Context, name string, v int, why string, undo bool) error {
	if err := d.changes(name); err != nil {
		return err
	}
	if _, err := d.Manifest(ctx, name, v); err != nil {
		return err
	}
	mark := d.mark
	if undo {
		mark = d.unmark
	}
	_, err := change(ctx, d, func() (struct{}, error) { return struct{}{}, mark(ctx, name, v, why) })
	d.changed(name)
	if errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err != nil {
		return d.refused(ctx, name, "retire "+Version(v).String(), err)
	}
	err = d.advance(ctx, name, v, !undo)
	d.changed(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // of an index store, which has no latest
	}
	return d.refused(ctx, name, "move latest", err)
}

func (d *Dir) mark(ctx context.Context, name string, v int, why string) error {
	if err := d.mayWrite(name); err != nil {
		return err
	}
	dir, err := d.own("retired", name)
	if err != nil {
		return err
	}
	d.sweep(dir)
	uid := os.Geteuid()
	if c, ok := store.CallerOf(ctx); ok {
		uid = int(c.UID)
	}
	note := Object{{"why", why}, {"who", uid}, {"when", isoTime(time.Now())}}
	t, err := newTemporary(dir+"/"+Version(v).String()+".json", append(AppendJSON(nil, note, 2), '\n'))
	if err != nil {
		return err
	}
	defer t.discard()
	if err := syncAll(t); err != nil {
		return err
	}
	if err := t.keep(); err != nil {
		return err
	}
	d.step("retired")
	return syncDirs(dir)
}

func (d *Dir) unmark(_ context.Context, name string, v int, _ string) error {
	if err := d.mayWrite(name); err != nil {
		return err
	}
	dir := d.root + "/" + ownDir + "/retired/" + name
	err := os.Remove(dir + "/" + Version(v).String() + ".json")
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("artifact %s: v%d is not retired: %w", name, v, fs.ErrNotExist)
	}
	if err != nil {
		return err
	}
	return syncDirs(dir)
}

// mayWrite proves that the caller may write the artifact's directory, where
// there is one, by doing so: a mode says nothing of ACLs and servers.
func (d *Dir) mayWrite(name string) error {
	dir, _, err := d.within(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	t, err := createTemporary(dir+"/.latest_tmp_"+unique("_"), "", nil)
	t.discard()
	return err
}

// retired returns the retired versions of name, ascending. Who cannot read the
// list sees none: it hides nothing that its own rights do not.
func (d *Dir) retired(name string) (out []int) {
	readDir(d.root+"/"+ownDir+"/retired/"+name, func(e fs.DirEntry) {
		base, ok := strings.CutSuffix(e.Name(), ".json")
		v, canonical, _ := number(base)
		if ok && canonical && e.Type().IsRegular() {
			out = append(out, v)
		}
	})
	slices.Sort(out)
	return out
}

// Retirement is why a version is retired.
type Retirement struct {
	Why  string
	Who  int // uid
	When string
}

// String is "WHY (uid N, WHEN)", as much of it as there is.
func (r Retirement) String() string {
	why := r.Why
	if why == "" {
		why = "no reason was given"
	}
	return fmt.Sprintf("%s (uid %d, %s)", why, r.Who, r.When)
}

// Retirement returns why v is retired; fs.ErrNotExist if it is not.
func (d *Dir) Retirement(ctx context.Context, name string, v int) (Retirement, error) {
	if err := CheckName(name); err != nil {
		return Retirement{}, err
	}
	return do(ctx, d, func() (r Retirement, err error) {
		b, err := readSmall(d.root+"/"+ownDir+"/retired/"+name+"/"+Version(v).String()+".json", largeRecord)
		if err != nil {
			return r, err
		}
		return parseRetirement(b), nil
	})
}

func parseRetirement(b []byte) (r Retirement) {
	v, _ := ParseJSON(b)
	o, _ := v.(Object)
	r.Why, r.When = o.text("why"), o.text("when")
	who, _ := o.Get("who")
	n, _ := who.(Number)
	r.Who, _ = n.Int()
	return r
}
