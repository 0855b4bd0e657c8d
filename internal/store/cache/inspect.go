package cache

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Kept is an object in a cache's directory.
type Kept struct {
	Key   string
	Size  int64     // of the object
	Bytes int64     // that are there
	Used  time.Time // when it was last closed; of one that is open, opened
	InUse bool      // a process has the cache, if not the object, open

	dir string
}

// List returns what lies in the directory of a cache, whoever has it open, the longest
// unused first.
func List(dir string) ([]Kept, error) {
	dirs, err := slotDirs(dir)
	if err != nil {
		return nil, err
	}
	all := []Kept{}
	for _, d := range dirs {
		names, err := os.ReadDir(d)
		if err != nil {
			return nil, err
		}
		inUse := isLocked(d)
		for _, n := range names {
			name, isSums := strings.CutSuffix(n.Name(), sumsSuffix)
			if !isSums {
				continue
			}
			if k, err := look(d, name); err == nil {
				k.InUse = inUse
				all = append(all, k)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b Kept) int { return a.Used.Compare(b.Used) })
	return all, nil
}

// slotDirs are the directories of all processes that use or used a cache.
func slotDirs(dir string) ([]string, error) {
	names, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var list []string
	for _, n := range names {
		if i, err := strconv.Atoi(n.Name()); err == nil && i >= 0 && i < slots && n.IsDir() {
			list = append(list, filepath.Join(dir, n.Name()))
		}
	}
	return list, nil
}

func isLocked(dir string) bool {
	s, err := lockSlot(dir)
	if err != nil {
		return errors.Is(err, syscall.EWOULDBLOCK)
	}
	s.release()
	return false
}

// look reads what there is of one object.
func look(dir, name string) (Kept, error) {
	d, err := openNamed(dir, name)
	if err != nil {
		return Kept{}, err
	}
	defer d.close()
	fi, err := d.sums.Stat()
	if err != nil {
		return Kept{}, err
	}
	is, err := d.present()
	k := Kept{Key: d.key, Size: d.size, Used: fi.ModTime(), dir: dir}
	for u, there := range is {
		if there {
			k.Bytes += int64(d.length(int64(u)))
		}
	}
	return k, err
}

// Verify reads all that is there of an object, and returns how many units are not
// what was written. They are marked as missing, so that they are fetched again.
func Verify(ctx context.Context, k Kept) (damaged int, err error) {
	d, err := openNamed(k.dir, fileName(k.Key, k.Size))
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil // evicted meanwhile
	} else if err != nil {
		return 0, err
	}
	defer d.close()
	is, err := d.present()
	if err != nil {
		return 0, err
	}
	b := make([]byte, unit)
	for u, there := range is {
		if err := ctx.Err(); err != nil {
			return damaged, err
		}
		if n := d.length(int64(u)); there && d.read(readWait, b[:n], int64(u)*unit) < n {
			damaged++
			if _, err := d.sums.WriteAt(make([]byte, sumSize), header+int64(u)*sumSize); err != nil {
				return damaged, err
			}
		}
	}
	return damaged, nil
}

// Prune removes an object. One in a cache that is in use is left, and false.
func Prune(k Kept) (bool, error) {
	s, err := lockSlot(k.dir)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	defer s.release()
	return true, removeDisk(k.dir, fileName(k.Key, k.Size))
}
