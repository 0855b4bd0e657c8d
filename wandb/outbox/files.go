package outbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"artifactfs.dev/artifactfs/manifest"
)

// The files of an outbox, of one user on one machine:
//
//	ID.json             a push: see item
//	ID.contents         what it holds, once its data was looked at
//	ID.DIGEST.entries   the entries that it speaks of
//	ID.look             locked while somebody looks at its data
//	X.intent            what is about to become a push: see Intend
//	done/ID.json        what became of it: a manifest.Push
//	broken/…            what could not be read, set aside
//	lock                held by whoever speaks to W&B
const (
	itemExt     = ".json"
	contentsExt = ".contents"
	entriesExt  = ".entries"
	lookExt     = ".look"
	keepDone    = 7 * 24 * time.Hour
	maxDone     = 1000
	maxItem     = 64 << 20
)

// box is the directory.
type box struct{ dir string }

// make makes the directory, of its owner alone: metadata may not be for all to read.
func (b box) make() error {
	for _, d := range []string{b.dir, b.path("done"), b.path("broken")} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return err
		}
	}
	return nil
}

func (b box) path(name ...string) string {
	return filepath.Join(append([]string{b.dir}, name...)...)
}

// write makes a file durable under its name before it returns. exclusive: fs.ErrExist
// if there is one.
func (b box) write(name string, v any, exclusive bool) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(b.dir, "tmp-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if _, err := f.Write(data); err != nil {
		return err
	}
	return b.keep(f, name, exclusive)
}

// keep gives a temporary file its name.
func (b box) keep(f *os.File, name string, exclusive bool) error {
	if err := f.Sync(); err != nil {
		return err
	}
	give := os.Rename
	if exclusive {
		give = os.Link
	}
	if err := give(f.Name(), b.path(name)); err != nil {
		return err
	}
	return syncDir(filepath.Dir(b.path(name)))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// item reads one push; fs.ErrNotExist if there is none.
func (b box) item(id string) (*item, error) {
	data, err := os.ReadFile(b.path(id + itemExt))
	if err != nil {
		return nil, err
	}
	it, err := parseItem(data)
	if err == nil && it.ID != id {
		err = fmt.Errorf("it is of push %s", it.ID)
	}
	if err != nil {
		return nil, &brokenError{b.path(id + itemExt), err}
	}
	return it, nil
}

// brokenError is a file that is there and cannot be read.
type brokenError struct {
	path string
	err  error
}

func (e *brokenError) Error() string { return fmt.Sprintf("%s cannot be read: %v", e.path, e.err) }
func (e *brokenError) Unwrap() error { return e.err }

// items returns all pushes, those asked for first at the front, and what could not
// be read.
func (b box) items() ([]*item, []error, error) {
	list, err := os.ReadDir(b.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil // nothing was pushed yet
	}
	if err != nil {
		return nil, nil, err
	}
	var all []*item
	var broken []error
	for _, e := range list {
		id, ok := strings.CutSuffix(e.Name(), itemExt)
		if !ok || e.IsDir() {
			continue
		}
		it, err := b.item(id)
		switch {
		case err == nil:
			all = append(all, it)
		case !errors.Is(err, fs.ErrNotExist):
			broken = append(broken, err)
		}
	}
	slices.SortFunc(all, func(x, y *item) int {
		if c := x.Created.Compare(y.Created); c != 0 {
			return c
		}
		return strings.Compare(x.ID, y.ID)
	})
	return all, broken, nil
}

// setAside moves a file that cannot be read out of the way. Nothing is deleted.
func (b box) setAside(err error) (string, bool) {
	var e *brokenError
	if !errors.As(err, &e) {
		return "", false
	}
	to, err := b.aside(e.path)
	return to, err == nil
}

// aside takes a file out of the outbox, and returns where it is then.
func (b box) aside(path string) (string, error) {
	to := b.path("broken", fmt.Sprintf("%s.%d", filepath.Base(path), time.Now().UnixNano()))
	return to, os.Rename(path, to)
}

// result reads what became of a push that is done; fs.ErrNotExist if it is not, or
// was long ago.
func (b box) result(id string) (*manifest.Push, error) {
	data, err := os.ReadFile(b.path("done", id+itemExt))
	if err != nil {
		return nil, err
	}
	var p manifest.Push
	if err := json.Unmarshal(data, &p); err != nil {
		return nil, &brokenError{b.path("done", id+itemExt), err}
	}
	return &p, nil
}

// finish keeps the result of a push, and then removes what is left of it.
func (b box) finish(it *item, p *manifest.Push) error {
	if err := b.write(filepath.Join("done", it.ID+itemExt), p, false); err != nil {
		return err
	}
	if err := os.Remove(b.path(it.ID + itemExt)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	b.drop(it.ID)
	return syncDir(b.dir)
}

// drop removes what lies beside a push.
func (b box) drop(id string) {
	beside, _ := filepath.Glob(b.path(id + ".*" + entriesExt))
	for _, p := range append(beside, b.path(id+contentsExt), b.path(id+lookExt)) {
		_ = os.Remove(p)
	}
}

// sweep removes old results, and what pushes that ended have left.
func (b box) sweep(now time.Time) {
	if list, err := os.ReadDir(b.path("done")); err == nil {
		b.sweepDone(list, now)
	}
	list, err := os.ReadDir(b.dir)
	if err != nil {
		return
	}
	for _, e := range list {
		id, rest, _ := strings.Cut(e.Name(), ".")
		temporary := strings.HasPrefix(e.Name(), "tmp-")
		if rest == "" && !temporary || rest == "json" || rest == "intent" || e.IsDir() {
			continue
		}
		if fi, err := e.Info(); err != nil || now.Sub(fi.ModTime()) < 24*time.Hour {
			continue
		}
		if _, err := os.Lstat(b.path(id + itemExt)); temporary || errors.Is(err, fs.ErrNotExist) {
			_ = os.Remove(b.path(e.Name()))
		}
	}
}

func (b box) sweepDone(list []fs.DirEntry, now time.Time) {
	type old struct {
		name string
		at   time.Time
	}
	var all []old
	for _, e := range list {
		if fi, err := e.Info(); err == nil {
			all = append(all, old{e.Name(), fi.ModTime()})
		}
	}
	slices.SortFunc(all, func(x, y old) int { return y.at.Compare(x.at) })
	for i, e := range all {
		if i >= maxDone || now.Sub(e.at) > keepDone {
			_ = os.Remove(b.path("done", e.name))
		}
	}
}
