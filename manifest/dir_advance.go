package manifest

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// lockPatience is how long a change of latest waits for others. Then it goes
// ahead: the lock keeps our own writers from passing each other, but latest is
// looked at again afterwards in any case, because upstream's take no locks.
const lockPatience = 5 * time.Second

// Advance makes version v latest, unless a higher one is. v must be complete,
// else fs.ErrNotExist.
func (d *Dir) Advance(ctx context.Context, name string, v int) error {
	if err := d.changes(name); err != nil {
		return err
	}
	err := d.advance(ctx, name, v, false)
	d.changed(name)
	if errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return d.refused(ctx, name, "move latest", err)
}

// advance moves latest to v or to what is higher; back too, if back is set, for
// a v that has been retired.
func (d *Dir) advance(ctx context.Context, name string, v int, back bool) error {
	give, err := d.turns.take(ctx, name)
	if err != nil {
		return err
	}
	defer give()
	for wait := newPatience(d.patience); ; {
		busy, err := change(ctx, d, func() (bool, error) { return d.tryAdvance(name, v, back, wait.over()) })
		if err != nil || !busy {
			return err
		}
		wait.sleep()
	}
}

// tryAdvance moves latest durably, unless another writer is about to.
// To be called inside do.
func (d *Dir) tryAdvance(name string, v int, back, impatient bool) (busy bool, err error) {
	moved, busy, err := d.moveLatest(name, v, back, impatient, nil)
	if err != nil || !moved {
		return busy, err
	}
	dir, _, err := d.within(name)
	if err != nil {
		return false, err
	}
	return false, syncDirs(dir)
}

// moveLatest moves latest, unless another writer is about to. ready is a latest
// for v that is written and durable, or nil. The name is not durable yet.
func (d *Dir) moveLatest(name string, v int, back, impatient bool, ready *temporary) (moved, busy bool, err error) {
	dir, _, err := d.within(name)
	if err != nil {
		return false, false, err
	}
	if !back && !d.complete(name, v) {
		return false, false, d.noVersion(name, v, nil)
	}
	lock, err := d.lockLatest(dir, name)
	if errors.Is(err, errBusy) && !impatient {
		return false, true, nil
	}
	if lock != nil {
		defer lock.Close()
	}
	d.step("latest locked")
	moved, err = d.settle(dir, name, v, back, ready)
	d.step("latest named")
	return moved, false, err
}

// settle writes latest until it names what it should. Upstream's writers may put
// a lower version there at any time, also between our look and our rename: after
// each write it is looked at again, for the highest version that is complete.
func (d *Dir) settle(dir, name string, v int, back bool, ready *temporary) (moved bool, err error) {
	for range 10 {
		now, err := readPointer(dir, Latest)
		if err != nil {
			return moved, err
		}
		retired := d.retired(name)
		good := now.ok && !now.absent && !contains(retired, now.v) && d.complete(name, now.v)
		to := NoVersion
		switch {
		case !back && contains(retired, v), back && good:
			return moved, nil
		case !back:
			to = v
		}
		if back || moved {
			highest, err := d.highestComplete(dir, name, retired)
			if err != nil {
				return moved, err
			}
			to = max(to, highest)
		}
		if good && now.v >= to {
			return moved, nil
		}
		if to == NoVersion {
			return true, removeLatest(dir)
		}
		if ready == nil || to != v {
			ready, err = newLatest(dir, to)
			if err == nil {
				err = syncAll(ready)
			}
			if err != nil {
				ready.discard()
				return moved, err
			}
		}
		d.step("latest written")
		if err := ready.keepLatest(); err != nil {
			return moved, err
		}
		moved, ready = true, nil
	}
	return moved, nil
}

// highestComplete returns the highest version that exists for readers.
func (d *Dir) highestComplete(dir, name string, retired []int) (int, error) {
	e, err := readEntries(dir)
	if err != nil {
		return 0, err
	}
	for i := len(e.versions) - 1; i >= 0; i-- {
		if v := e.versions[i]; !contains(retired, v) && d.complete(name, v) {
			return v, nil
		}
	}
	return NoVersion, nil
}

// newLatest is a latest that names v, under a temporary name.
func newLatest(dir string, v int) (*temporary, error) {
	t, err := createTemporary(dir+"/.latest_tmp_"+unique("_"), dir+"/"+Latest, []byte(Version(v).String()))
	if err == nil {
		t.forReaders()
	}
	return t, err
}

// keepLatest puts t in the place of latest, whatever that is: a link is not
// followed, and a directory that somebody made is moved out of the way, with
// what is in it.
func (t *temporary) keepLatest() error {
	return t.named(func(from, to string) error {
		err := os.Rename(from, to)
		if !errors.Is(err, syscall.EISDIR) && !errors.Is(err, fs.ErrExist) {
			return err
		}
		if os.Remove(to) != nil {
			aside := filepath.Join(filepath.Dir(to), ".latest-was-a-directory-"+unique("-"))
			if err := os.Rename(to, aside); err != nil {
				return err
			}
		}
		return os.Rename(from, to)
	})
}

func removeLatest(dir string) error {
	err := os.Remove(dir + "/" + Latest)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// lockLatest takes the lock that covers name's latest on all nodes: one of 256
// files in .artifactfs, or where this caller cannot have those, the artifact's
// directory itself. It fails with errBusy, or with nil and nil where the file
// system has no locks.
func (d *Dir) lockLatest(dir, name string) (*os.File, error) {
	h := fnv.New32a()
	h.Write([]byte(name))
	f, err := (*os.File)(nil), error(nil)
	if locks, err := d.own("locks", ""); err == nil {
		f, _ = openShared(fmt.Sprintf("%s/%02x", locks, h.Sum32()&0xff), 0o666)
	}
	if f == nil {
		if f, err = openDir(dir); err != nil {
			return nil, err
		}
	}
	err = flock(f)
	if err == nil {
		return f, nil
	}
	f.Close()
	if errors.Is(err, errBusy) {
		return nil, err
	}
	d.log.Debug("no locks on this file system", "store", d.root, "err", err)
	return nil, nil
}
