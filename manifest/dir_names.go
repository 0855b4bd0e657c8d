package manifest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// nameList is what lay below a prefix at one time. Dir.mu guards seenBy.
type nameList struct {
	at     time.Time // the state of the store; zero: a change of our own has come since
	names  packed
	seenBy audience

	// Of a bucket: when the answer was whole, and how long it had taken.
	listed time.Time
	took   time.Duration
}

// packed is a list of names in one piece: of 100,000 names, each by itself, most of
// the memory is headers.
type packed string

const packedBy = "/" // which no component holds

func pack(names []string) packed { return packed(strings.Join(names, packedBy)) }

func (p packed) list() []string {
	if p == "" {
		return nil
	}
	return strings.Split(string(p), packedBy)
}

// has reports whether name is in a list that is sorted.
func (p packed) has(name string) bool {
	for lo, hi := 0, len(p); lo < hi; { // the offsets where a name begins and ends
		at := lo + strings.LastIndex(string(p[lo:(lo+hi)/2]), packedBy) + 1
		end := hi
		if i := strings.Index(string(p[at:hi]), packedBy); i >= 0 {
			end = at + i
		}
		switch c := strings.Compare(name, string(p[at:end])); {
		case c == 0:
			return true
		case c < 0:
			hi = max(at-1, lo)
		default:
			lo = min(end+1, hi)
		}
	}
	return false
}

// Names returns the components below prefix that lead to artifacts, sorted; ""
// is the root. Below an artifact those are the names nested in it. It fails with
// fs.ErrNotExist if the root is readable and has no such prefix.
func (d *Dir) Names(ctx context.Context, prefix string) ([]string, error) {
	if prefix != "" {
		if err := CheckName(prefix); err != nil {
			return nil, err
		}
	}
	who, _ := identityOf(ctx)
	who.process = 0
	l, known := d.prefixes.Get(prefix)
	young := known && time.Since(l.at) < d.life()
	fresh, err := do(ctx, d, func() (*nameList, error) {
		if young {
			dir, _, err := d.within(prefix)
			if err == nil {
				err = readable(dir)
			}
			if _, hidden := openStat(d.root + "/" + indexFile); err == nil && !errors.Is(hidden, fs.ErrPermission) {
				return l, nil
			}
		}
		names, err := d.names(prefix)
		return &nameList{at: time.Now(), names: pack(names)}, err
	})
	var gone *unreachable
	if errors.As(err, &gone) && known {
		d.mu.Lock()
		defer d.mu.Unlock()
		if l.seenBy.has(who) {
			return l.names.list(), nil
		}
	}
	if err != nil {
		if prefix != "" && !errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("names below %s: %w", prefix, err)
		}
		return nil, err
	}
	d.mu.Lock()
	if known && fresh != l && fresh.names == l.names {
		fresh.seenBy = slices.Clone(l.seenBy) // nothing in it is new to them
	}
	fresh.seenBy.add(who)
	d.mu.Unlock()
	if fresh != l {
		d.prefixes.Add(prefix, fresh)
	}
	return fresh.names.list(), nil
}

// names reads the directory of prefix and the index. To be called inside do.
func (d *Dir) names(prefix string) ([]string, error) {
	names := d.legacy().below(prefix)
	err := d.rootThere()
	if err != nil {
		return nil, err
	}
	dir, _, err := d.within(prefix)
	if err == nil {
		mounts := d.local.OwnMounts()
		err = readDir(dir, func(e fs.DirEntry) {
			if CheckName(e.Name()) == nil && (e.IsDir() && !mountedIn(mounts, dir, e.Name()) || d.leadsToName(prefix, dir, e)) {
				names = append(names, e.Name())
			}
		})
	}
	if err != nil && !(absent(err) && len(names) > 0) {
		if absent(err) {
			return nil, d.noArtifact(prefix)
		}
		return nil, err
	}
	slices.Sort(names)
	return slices.Clip(slices.Compact(names)), nil
}

// mountedIn reports whether one of the mounts of artifactfs is a directory in dir:
// whoever mounts it inside the store does not have it for an artifact.
func mountedIn(mounts []string, dir, name string) bool {
	for _, m := range mounts {
		if path.Base(m) != name {
			continue
		}
		if real, err := filepath.EvalSymlinks(dir); err == nil && path.Dir(m) == real {
			return true
		}
	}
	return false
}

// leadsToName reports whether a link is another name of an artifact, and not an
// alias of a version.
func (d *Dir) leadsToName(prefix, dir string, e fs.DirEntry) bool {
	if e.Type()&fs.ModeSymlink == 0 {
		return false
	}
	target, err := os.Readlink(dir + "/" + e.Name())
	if err != nil {
		return false
	}
	if _, _, version := number(path.Base(target)); version {
		return false
	}
	real, fi, err := d.within(path.Join(prefix, e.Name()))
	if err != nil || !fi.IsDir() || d.encloses(real, prefix) {
		return false
	}
	_, _, version := number(path.Base(real))
	return !version
}

// encloses reports whether prefix, or a name on the way to it, lies in the real
// directory dir. Below a link to that, names would go on for ever, and so would
// whoever walks the tree.
func (d *Dir) encloses(dir, prefix string) bool {
	for {
		at, _, err := d.within(prefix)
		if _, in := cutDir(at, dir); err != nil || in {
			return true
		}
		if prefix == "" {
			return false
		}
		prefix = strings.TrimSuffix(path.Dir(prefix), ".")
	}
}

// below returns the components after prefix of the names in the index.
func (x *legacyIndex) below(prefix string) (out []string) {
	for name := range x.names {
		if prefix != "" {
			rest, ok := cutDir(name, prefix)
			if !ok || rest == "" {
				continue
			}
			name = rest
		}
		first, _, _ := strings.Cut(name, "/")
		out = append(out, first)
	}
	return out
}
