package manifest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"

	"artifactfs.dev/artifactfs/internal/store"
)

// Pins are the snapshots of jobs in one place that nodes share: a directory that
// all may add to (as /tmp), in it one for each snapshot, which is its user's alone,
// in it a file NAME@ALIAS for each pin, which holds vN.
//
// A pin is made by link(2), so that it is whole when it is seen and one of any
// number of makers wins, on any node. What does not belong to the snapshot's user
// is ignored with a warning: a stranger can keep a job from pinning here, and no
// more. Every access is made as the caller in the context.
type Pins struct {
	dir  string // in words
	run  func(ctx context.Context, fn func() error) error
	base func(create bool) (string, error) // to be called inside run
	step func(string)
	log  *slog.Logger
	last atomic.Int64 // when old ones were looked for, Unix seconds
}

// Pins returns the snapshots kept in the store: in .artifactfs/snapshots.
func (d *Dir) Pins() *Pins {
	p := &Pins{dir: d.root + "/" + ownDir + "/snapshots", step: func(string) {}, log: d.log}
	p.run = func(ctx context.Context, fn func() error) error {
		_, err := do(ctx, d, func() (struct{}, error) { return struct{}{}, fn() })
		return err
	}
	p.base = func(create bool) (string, error) {
		if create && d.readOnly {
			return "", fmt.Errorf("store %s is opened for reading only: %w", d.root, syscall.EROFS)
		}
		if create {
			return d.own("snapshots", "")
		}
		return p.dir, realDirs(d.root+"/"+ownDir, p.dir)
	}
	return p
}

// OpenPins returns the snapshots kept below a state directory, for stores that
// refuse them: in snapshots/HASH, of the store's root.
func OpenPins(state, root string, local *store.Local, log *slog.Logger) *Pins {
	if log == nil {
		log = slog.Default()
	}
	sum := sha256.Sum256([]byte(root))
	top := filepath.Join(state, "snapshots")
	p := &Pins{dir: filepath.Join(top, hex.EncodeToString(sum[:8])), step: func(string) {}, log: log}
	p.run = func(ctx context.Context, fn func() error) error { return local.Do(ctx, state, fn) }
	p.base = func(create bool) (string, error) {
		if !create {
			return p.dir, realDirs(top, p.dir)
		}
		for _, dir := range []string{top, p.dir} {
			if _, err := makeOwn(dir, state, sticky); err != nil {
				return "", err
			}
		}
		return p.dir, nil
	}
	return p
}

// String returns the directory.
func (p *Pins) String() string { return p.dir }

// realDirs checks that paths are directories and no links.
func realDirs(paths ...string) error {
	for _, path := range paths {
		fi, err := os.Lstat(path)
		if err != nil {
			return err
		}
		if !fi.IsDir() {
			return &badPin{path, "it is no directory"}
		}
	}
	return nil
}

// runPin runs fn as the caller. Its value is handed over only if it ended in time.
func runPin[T any](ctx context.Context, p *Pins, fn func() (T, error)) (T, error) {
	var out atomic.Pointer[T]
	err := p.run(context.WithoutCancel(ctx), func() error {
		v, err := fn()
		if err == nil {
			out.Store(&v)
		}
		return err
	})
	if err != nil {
		var zero T
		return zero, err
	}
	return *out.Load(), nil
}

// snapshot returns the directory of a snapshot, which must be its user's.
// To be called inside run.
func (p *Pins) snapshot(id string, create bool) (string, error) {
	uid, err := pinUID(id)
	if err != nil {
		return "", err
	}
	base, err := p.base(create)
	if err != nil {
		return "", err
	}
	dir := base + "/" + id
	if create {
		err := os.Mkdir(dir, 0o700)
		if err == nil && uint32(os.Geteuid()) != uid {
			_ = os.Lchown(dir, int(uid), -1) // root acting for the user; a thread's ids are seen below
		}
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return "", err
		}
	}
	fi, err := os.Lstat(dir)
	if err != nil {
		return "", err
	}
	if owner, _ := ownerOf(fi); !fi.IsDir() || owner != uid {
		return "", &badPin{dir, fmt.Sprintf("it is no directory of uid %d", uid)}
	}
	return dir, nil
}

// Pinned returns what a snapshot has for an alias: fs.ErrNotExist if nothing.
func (p *Pins) Pinned(ctx context.Context, id, name, alias string) (*Pin, error) {
	return runPin(ctx, p, func() (*Pin, error) {
		dir, err := p.snapshot(id, false)
		if err != nil {
			return nil, err
		}
		file, _ := pinFile(name, alias)
		return p.read(dir, id, file)
	})
}

// read reads one pin by opening it: NFS clients keep for long that a file is not
// there when they are asked by stat. To be called inside run.
func (p *Pins) read(dir, id, file string) (*Pin, error) {
	path := dir + "/" + file
	uid, err := pinUID(id)
	if err != nil {
		return nil, err
	}
	b, a, err := store.ReadRegular(path, maxPin)
	switch {
	case errors.Is(err, syscall.EFBIG), errors.Is(err, syscall.EINVAL), errors.Is(err, syscall.ELOOP):
		return nil, &badPin{path, "it is no small regular file"}
	case err != nil:
		return nil, err
	case a.UID != uid:
		return nil, &badPin{path, fmt.Sprintf("it belongs to uid %d", a.UID)}
	}
	name, alias, to, ok := parsePin(file, b)
	if !ok {
		return nil, &badPin{path, "it does not name a version, as v2"}
	}
	if time.Since(used(a)) > pinTouch {
		_ = os.Chtimes(path, time.Now(), a.Mtime)
	}
	return &Pin{ID: id, Name: name, Alias: alias, Target: to, Since: a.Mtime, Used: used(a), Where: path}, nil
}

// write makes a file that holds a target, durable, under a temporary name.
func (p *Pins) write(dir, id, file, text string, to Target) (*temporary, error) {
	t, err := createTemporary(dir+"/.pin_tmp_"+unique("_"), dir+"/"+file, []byte(to.String()+text))
	if err != nil {
		return nil, err
	}
	if fi, err := t.Stat(); err == nil {
		uid, _ := pinUID(id)
		if owner, ok := ownerOf(fi); ok && owner != uid {
			err = t.Chown(int(uid), -1)
		}
		if err != nil {
			t.discard()
			return nil, err
		}
	}
	if err := t.Sync(); err != nil {
		t.discard()
		return nil, err
	}
	return t, nil
}

// Pin makes to what a snapshot has for an alias, unless it has something: it
// returns what it has in the end.
func (p *Pins) Pin(ctx context.Context, id, name, alias string, to Target) (*Pin, error) {
	return runPin(ctx, p, func() (*Pin, error) {
		dir, err := p.snapshot(id, true)
		if err != nil {
			return nil, err
		}
		p.expire(dir, id)
		file, text := pinFile(name, alias)
		t, err := p.write(dir, id, file, text, to)
		if err != nil {
			return nil, err
		}
		defer t.discard()
		p.step("pin written")
		if err := os.Link(t.Name(), t.final); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
		p.step("pin linked")
		return p.read(dir, id, file)
	})
}

// Move makes to what a snapshot has for an alias, in place of what it had; only
// forward, if forward is set. It does not return before no other mover can undo it.
func (p *Pins) Move(ctx context.Context, id, name, alias string, to Target, forward bool) error {
	_, err := runPin(ctx, p, func() (struct{}, error) {
		dir, err := p.snapshot(id, true)
		if err != nil {
			return struct{}{}, err
		}
		if lock, err := lockPins(dir); err == nil { // else somebody's, or no file system for locks
			defer lock.Close()
		}
		file, text := pinFile(name, alias)
		if now, err := p.read(dir, id, file); err == nil && (now.Target == to || forward && now.In == to.In && now.Version > to.Version) {
			return struct{}{}, nil
		}
		p.step("pin compared")
		t, err := p.write(dir, id, file, text, to)
		if err != nil {
			return struct{}{}, err
		}
		defer t.discard()
		return struct{}{}, os.Rename(t.Name(), t.final)
	})
	return err
}

// lockPins keeps a job's movers apart. One that does not let go within two seconds
// is not waited for: what is lost then is the order of two logs at one moment.
func lockPins(dir string) (*os.File, error) {
	f, err := os.OpenFile(dir+"/.lock", os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0o600)
	if err != nil {
		return nil, err
	}
	for end := time.Now().Add(2 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); !errors.Is(err, syscall.EWOULDBLOCK) {
			break // held, or a file system without locks
		}
	}
	return f, nil
}

// Unpin takes pins away: one alias, all of a name (alias ""), or the whole
// snapshot (name ""). fs.ErrNotExist if there is nothing.
func (p *Pins) Unpin(ctx context.Context, id, name, alias string) error {
	_, err := runPin(ctx, p, func() (struct{}, error) {
		var none struct{}
		uid, err := pinUID(id)
		if err != nil {
			return none, err
		}
		base, err := p.base(false)
		if err != nil {
			return none, err
		}
		dir := base + "/" + id
		fi, err := os.Lstat(dir)
		if err != nil {
			return none, err
		}
		if owner, _ := ownerOf(fi); !fi.IsDir() || owner != uid {
			return none, &badPin{dir, fmt.Sprintf("it is no directory of uid %d, and is left alone", uid)}
		}
		switch {
		case name == "":
			return none, os.RemoveAll(dir)
		case alias != "":
			file, _ := pinFile(name, alias)
			return none, os.Remove(dir + "/" + file)
		}
		pins, err := p.list(dir, id)
		gone := false
		for _, pin := range pins {
			if err == nil && pin.Name == name {
				err, gone = os.Remove(pin.Where), true
			}
		}
		if err == nil && !gone {
			err = fs.ErrNotExist
		}
		return none, err
	})
	return err
}

// Prepare makes the directory that callers add their snapshots to.
func (p *Pins) Prepare(ctx context.Context) error {
	_, err := runPin(ctx, p, func() (string, error) { return p.base(true) })
	return err
}
