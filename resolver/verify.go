package resolver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"artifactfs.dev/artifactfs/manifest"
)

// Recaller is a Source that keeps what was known of a version when it was logged,
// beside its record.
type Recaller interface {
	// Recall returns the sidecar of a version; fs.ErrNotExist if it has none.
	Recall(ctx context.Context, name string, version int) (manifest.Object, error)
	// Broken returns why the record that a taken number has cannot be read; nil
	// if there is none at all.
	Broken(ctx context.Context, name string, version int) error
}

// Noter is a Recaller that lets something be added to what it keeps.
type Noter interface {
	// Note sets one key of a version's sidecar, as the caller.
	Note(ctx context.Context, name string, version int, key string, value any) error
}

// RecordContent looks at the whole of a version's data, however large, and records
// what it is now, for Verify to compare it with.
func (t *Tree) RecordContent(ctx context.Context, name string, n int) error {
	t, name = t.named(name)
	k, ok := t.src.(Noter)
	if !ok {
		return fmt.Errorf("the store keeps nothing of %s:v%d beside its record: %w", name, n, syscall.EOPNOTSUPP)
	}
	o, err := t.contentNow(ctx, name, n)
	if err != nil {
		return err
	}
	o.Set("recorded_at", t.opt.Now().UTC().Format(time.RFC3339))
	return k.Note(ctx, name, n, "data", o)
}

// contentNow looks at all of a version's data, as its sidecar keeps that.
func (t *Tree) contentNow(ctx context.Context, name string, n int) (manifest.Object, error) {
	v, err := t.version(ctx, name, n)
	if err != nil {
		return nil, err
	}
	if t.isRemote(v) {
		l, err := t.list(ctx, v, verifyEntries)
		if err != nil {
			return nil, err
		}
		return l.object(), nil
	}
	if v, err = t.withBase(ctx, name, n); err != nil {
		return nil, err
	}
	c, err := t.content(ctx, v, 0, verifyEntries)
	if err != nil {
		return nil, err
	}
	if c.partial {
		return nil, fmt.Errorf("%s has more than %d files: %w", v, verifyEntries, syscall.EFBIG)
	}
	return c.object(), nil
}

// Verdict is what Verify finds.
type Verdict string

const (
	OK          Verdict = "ok"          // the data is what was logged
	Unknown     Verdict = "unknown"     // it is there; nothing was recorded to compare it with
	Gone        Verdict = "missing"     // it is not where its record says
	Changed     Verdict = "changed"     // it is not what was logged
	Broken      Verdict = "broken"      // the record cannot be read
	Incomplete  Verdict = "incomplete"  // a number that a log took and did not come to an end
	Unreachable Verdict = "unreachable" // nothing can be said: no answer, or no permission
)

// Wrong reports whether somebody has to do something.
func (v Verdict) Wrong() bool { return v != OK && v != Unknown && v != Incomplete }

// Verified is the outcome for one version.
type Verified struct {
	Name    string   `json:"name"`
	Version int      `json:"version"`
	State   Verdict  `json:"state"`
	Path    string   `json:"path,omitempty"` // as recorded
	What    []string `json:"what,omitempty"` // in words
	Files   int      `json:"files,omitempty"`
	Bytes   int64    `json:"bytes,omitempty"`
	Digests int      `json:"digests,omitempty"` // files that were read and are what was recorded
}

// VerifyOptions say how closely Verify looks.
type VerifyOptions struct {
	Digests bool              // read every file of which a digest is recorded
	Read    func(bytes int64) // is told of what was read; nil is allowed
}

// verifyEntries bounds what is walked of one version's data.
const verifyEntries = 10_000_000

// Verify compares a version with what is recorded of it, as the caller: that its
// record can be read, that its data is there, that it is the directory that was
// logged with the files that were in it, and that what its record names is there.
// A name may be one below its view.
func (t *Tree) Verify(ctx context.Context, name string, n int, o VerifyOptions) *Verified {
	s, bare := t.named(name)
	r := s.verify(ctx, bare, n, o)
	r.Name = name
	return r
}

func (t *Tree) verify(ctx context.Context, name string, n int, o VerifyOptions) *Verified {
	if o.Read == nil {
		o.Read = func(int64) {}
	}
	r := t.verifyData(ctx, name, n)
	if r.State == Broken || r.State == Incomplete || r.State == Gone || r.State == Unreachable && r.Path == "" {
		return r // nothing more is to be found
	}
	if s := t.sums(ctx, name, n, o); s != nil {
		s.judge(r)
	}
	return r
}

// verifyData is Verify without what a store has recorded of each file.
func (t *Tree) verifyData(ctx context.Context, name string, n int) *Verified {
	r := &Verified{Name: name, Version: n}
	rec, err := t.src.Manifest(ctx, name, n)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return t.noRecord(ctx, r)
	case err != nil:
		return r.is(Unreachable, err.Error())
	}
	r.Path = rec.Manifest.Path
	v := &Version{Name: name, N: n, Record: rec}
	if t.isRemote(v) {
		return t.verifyRemote(ctx, r, v)
	}
	path, err := localPath(v)
	if errors.Is(err, syscall.EOPNOTSUPP) {
		return r.is(Unknown, err.Error())
	} else if err != nil {
		return r.is(Broken, err.Error())
	}
	logged := contentOf(t.recall(ctx, name, n))
	err = t.resolveBase(ctx, v, path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return r.is(Gone, append([]string{err.Error()}, t.movedTo(ctx, logged)...)...)
	case err != nil:
		return r.is(Unreachable, err.Error())
	}
	return t.compare(ctx, r, v, logged)
}

func (r *Verified) is(s Verdict, what ...string) *Verified {
	r.State, r.What = s, append(r.What, what...)
	return r
}

func (t *Tree) noRecord(ctx context.Context, r *Verified) *Verified {
	if k, ok := t.src.(Recaller); ok {
		if err := k.Broken(ctx, r.Name, r.Version); err != nil {
			return r.is(Broken, err.Error())
		}
	}
	return r.is(Incomplete, "the number was taken and nothing was logged under it")
}

// recall returns what was kept of a version when it was logged, nil if nothing was.
func (t *Tree) recall(ctx context.Context, name string, n int) manifest.Object {
	k, ok := t.src.(Recaller)
	if !ok {
		return nil
	}
	side, err := k.Recall(ctx, name, n)
	if err != nil {
		return nil
	}
	return side
}

// LoggedIn returns the snapshot's id of the job that logged a version; "" if it was none, or
// that is not known.
func (t *Tree) LoggedIn(ctx context.Context, v *Version) string {
	k, ok := t.sideOf(v).src.(Recaller)
	if !ok {
		return ""
	}
	side, err := k.Recall(ctx, v.Name, v.N)
	if err != nil {
		return ""
	}
	job, _ := side.Get("job")
	id, _ := job.(string)
	return id
}

// movedTo looks for a directory that is gone in the one that it was in: a rename
// keeps the inode.
func (t *Tree) movedTo(ctx context.Context, logged *content) []string {
	if logged == nil {
		return nil
	}
	list, err := t.data.ReadDir(ctx, filepath.Dir(logged.path))
	if err != nil {
		return nil
	}
	for _, e := range list {
		if e.Ino == logged.ino && e.Type == syscall.S_IFDIR {
			return []string{"it is at " + filepath.Join(filepath.Dir(logged.path), e.Name) + " now"}
		}
	}
	return nil
}

// compare looks at data that is there.
func (t *Tree) compare(ctx context.Context, r *Verified, v *Version, logged *content) *Verified {
	if lost := t.lostFiles(ctx, v); len(lost) > 0 {
		r.is(Gone, lost...)
	}
	limit := verifyEntries
	if logged == nil || logged.partial {
		limit = 1 // the directory itself
	}
	now, err := t.content(ctx, v, 0, limit)
	if err != nil {
		return r.is(Unreachable, err.Error())
	}
	if !now.partial {
		r.Files, r.Bytes = now.files, now.bytes
	}
	var what []string
	switch {
	case logged != nil:
		what = logged.changedTo(now)
	default:
		what = t.savedLater(ctx, v)
	}
	switch {
	case len(what) > 0 && r.State == "":
		return r.is(Changed, what...)
	case r.State != "":
		return r.is(r.State, what...)
	case logged == nil:
		return r.is(Unknown, "it is there; what it was when it was logged is not recorded (verify --record records what it is now)")
	case logged.partial:
		return r.is(Unknown, "it is the directory that was logged, with the same names in it; the rest was too much to record (verify --record does)")
	}
	return r.is(OK)
}

// named are the fields in which upstream's records name files of the data.
var named = []string{"train", "val", "test", "training_path", "validation_path", "test_path", "blend_path"}

// lostFiles are the files that the record, or its blend.json, names and that are
// not there. Records hold nothing else of the data: sizes and counts in them are
// of the datasets it was made from.
func (t *Tree) lostFiles(ctx context.Context, v *Version) []string {
	var lost []string
	for _, field := range named {
		value, err := v.Record.Field(field, "")
		path, ok := value.(string)
		if err != nil || !ok || !strings.HasPrefix(path, "/") {
			continue
		}
		if _, err := t.data.Resolve(ctx, path); errors.Is(err, fs.ErrNotExist) {
			lost = append(lost, fmt.Sprintf("%s: %s is not there", field, path))
		}
	}
	for _, prefix := range t.blended(ctx, v) {
		for _, suffix := range []string{".bin", ".idx"} {
			if _, err := t.data.Resolve(ctx, prefix+suffix); errors.Is(err, fs.ErrNotExist) {
				lost = append(lost, fmt.Sprintf("blend.json: %s is not there", prefix+suffix))
			}
		}
	}
	return few(lost)
}

// maxBlend bounds the blend.json and metadata.json in the data that are read.
const maxBlend = 1 << 20

// blended are the absolute prefixes of tokenized data that blend.json names:
// [weight, prefix] pairs, in lists by split or in one.
func (t *Tree) blended(ctx context.Context, v *Version) []string {
	if !strings.Contains(v.Record.Manifest.Type, "Blends") && !strings.Contains(v.Record.Manifest.Type, "Pretrain") {
		return nil
	}
	return pairs(t.dataJSON(ctx, filepath.Join(v.Base, "blend.json")))
}

func pairs(v any) []string {
	var out []string
	switch v := v.(type) {
	case manifest.Object:
		for _, m := range v {
			out = append(out, pairs(m.Value)...)
		}
	case []any:
		if len(v) == 2 {
			if p, ok := v[1].(string); ok && strings.HasPrefix(p, "/") {
				return []string{p}
			}
		}
		for _, e := range v {
			out = append(out, pairs(e)...)
		}
	}
	return out
}

// savedLater compares the metadata.json that upstream saves into the data with
// the one in the store: another time of creation means that another artifact was
// saved over this one.
func (t *Tree) savedLater(ctx context.Context, v *Version) []string {
	o, _ := t.dataJSON(ctx, filepath.Join(v.Base, "metadata.json")).(manifest.Object)
	here, _ := o.Get("created_at")
	then, _ := v.Record.Meta.Get("created_at")
	a, ok := here.(string)
	b, ok2 := then.(string)
	if !ok || !ok2 || a == b {
		return nil
	}
	return []string{fmt.Sprintf("the metadata.json in the data is of an artifact created at %s, and this one was created at %s", a, b)}
}

// dataJSON reads a small JSON file of the data; nil if there is none.
func (t *Tree) dataJSON(ctx context.Context, real string) any {
	f, a, err := t.data.OpenWith(ctx, real, nil)
	if err != nil {
		return nil
	}
	defer f.Close()
	if a.Size > maxBlend {
		return nil
	}
	b := make([]byte, a.Size)
	if n, err := f.ReadAt(b, 0); err != nil && int64(n) < a.Size {
		return nil
	}
	v, err := manifest.ParseJSON(b)
	if err != nil {
		return nil
	}
	return v
}
