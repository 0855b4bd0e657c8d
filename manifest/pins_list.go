package manifest

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"artifactfs.dev/artifactfs/internal/store"
)

// Pins returns what a snapshot holds, sorted: fs.ErrNotExist if there is none.
func (p *Pins) Pins(ctx context.Context, id string) ([]*Pin, error) {
	return runPin(ctx, p, func() ([]*Pin, error) {
		dir, err := p.snapshot(id, false)
		if err != nil {
			return nil, err
		}
		return p.list(dir, id)
	})
}

func (p *Pins) list(dir, id string) ([]*Pin, error) {
	var pins []*Pin
	err := readDir(dir, func(e fs.DirEntry) {
		if e.Name()[0] == '.' {
			return
		}
		pin, err := p.read(dir, id, e.Name())
		if err == nil {
			pins = append(pins, pin)
		} else if !errors.Is(err, fs.ErrNotExist) {
			p.log.Warn("not a pin", "err", err)
		}
	})
	slices.SortFunc(pins, func(a, b *Pin) int { return strings.Compare(a.Name+"\x00"+a.Alias, b.Name+"\x00"+b.Alias) })
	return pins, err
}

// Snapshots returns the ids of the snapshots that the caller may read, sorted.
func (p *Pins) Snapshots(ctx context.Context) ([]string, error) {
	return runPin(ctx, p, func() ([]string, error) {
		base, err := p.base(false)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		} else if err != nil {
			return nil, err
		}
		return p.readableIn(base)
	})
}

func (p *Pins) readableIn(base string) (ids []string, err error) {
	err = readDir(base, func(e fs.DirEntry) {
		if _, err := p.snapshot(e.Name(), false); err == nil && readable(base+"/"+e.Name()) == nil {
			ids = append(ids, e.Name())
		}
	})
	slices.Sort(ids)
	return ids, err
}

// expire removes, once an hour, the snapshots beside dir that the caller may remove
// and nobody has used for pinAge, and what killed writers left in any. To be called inside run.
func (p *Pins) expire(dir, id string) {
	now := time.Now()
	if last := p.last.Load(); now.Unix()-last < 3600 || !p.last.CompareAndSwap(last, now.Unix()) {
		return
	}
	base := filepath.Dir(dir)
	ids, _ := p.readableIn(base)
	for _, old := range ids {
		_ = removeAbandoned(base + "/" + old) // who may not leaves it to others
		if old != id && p.expired(base+"/"+old, now) {
			p.log.Info("snapshot expired", "id", old)
			os.RemoveAll(base + "/" + old)
		}
	}
}

// expired reports whether nothing in a snapshot was used lately. What cannot be
// read counts as in use.
func (p *Pins) expired(dir string, now time.Time) bool {
	fi, err := os.Lstat(dir)
	if err != nil || now.Sub(fi.ModTime()) < pinAge {
		return false
	}
	old := true
	err = readDir(dir, func(e fs.DirEntry) {
		_, a, err := store.ReadRegular(dir+"/"+e.Name(), maxPin)
		old = old && err == nil && now.Sub(used(a)) >= pinAge
	})
	return err == nil && old
}
