package manifest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"
)

// An index store is upstream's older format: one .art_index.json names every
// artifact, its versions with their paths and its aliases. Upstream copies data to
// ROOT/NAME/vN, so the two formats may share a root. No log writes it. The
// manifest store comes first; where both have a number, its record counts.

const indexFile = ".art_index.json"

type legacyIndex struct {
	names   map[string]legacyArtifact
	stamp   stamp
	warning string // why there is none
}

type legacyArtifact struct {
	versions map[int]legacyVersion
	aliases  map[string]int
}

type legacyVersion struct {
	path, createdAt string
	metadata        Object
}

func (x *legacyIndex) version(name string, v int) (legacyVersion, bool) {
	l, ok := x.names[name].versions[v]
	return l, ok
}

// numbers returns the versions of name, ascending.
func (x *legacyIndex) numbers(name string) []int {
	var out []int
	for v := range x.names[name].versions {
		out = append(out, v)
	}
	slices.Sort(out)
	return out
}

// highest returns the highest number of name, 0 if there is none.
func (x *legacyIndex) highest(name string) (top int) {
	for v := range x.names[name].versions {
		top = max(top, v)
	}
	return top
}

// legacy returns the index, read again when it has changed. A broken one is no
// index: it must not stop the manifest store as it stops upstream's. One that
// the caller may not read is none for this caller, whoever has read it before.
// To be called inside do.
func (d *Dir) legacy() *legacyIndex {
	d.mu.Lock()
	old := d.index
	d.mu.Unlock()
	path := d.root + "/" + indexFile
	fi, err := openStat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return &legacyIndex{}
	}
	if errors.Is(err, fs.ErrPermission) {
		return &legacyIndex{warning: indexFile + " may not be read"}
	}
	if err == nil && old != nil && stampOf(fi) == old.stamp {
		return old
	}
	x := &legacyIndex{}
	if err == nil {
		x.stamp = stampOf(fi)
		x.names, err = d.readIndex(path)
	}
	if isLost(err) && old != nil {
		return old
	}
	if err != nil {
		x.warning = fmt.Sprintf("%s is ignored: %v", indexFile, err)
		d.log.Warn("legacy index ignored", "store", d.root, "err", err)
	}
	d.mu.Lock()
	d.index = x
	d.mu.Unlock()
	return x
}

// openStat opens a file as its reader would, and returns what it is.
func openStat(path string) (fs.FileInfo, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|oNoFollow|oNonblock, 0)
	if errors.Is(err, syscall.ENXIO) || errors.Is(err, syscall.ENODEV) {
		err = &fs.PathError{Op: "open", Path: path, Err: syscall.EINVAL} // a socket; the store is not lost
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Stat()
}

func (d *Dir) readIndex(path string) (map[string]legacyArtifact, error) {
	return withBig(d, func(max int64) (map[string]legacyArtifact, error) {
		b, err := readSmall(path, max)
		if err != nil {
			return nil, err
		}
		return parseIndex(b)
	})
}

// parseIndex reads an index. As upstream's reader it wants an object of objects
// that have a name, and a number in each version; unlike it, it leaves out what
// no version of ours could be.
func parseIndex(b []byte) (map[string]legacyArtifact, error) {
	v, err := ParseJSON(b)
	if err != nil {
		return nil, err
	}
	top, ok := v.(Object)
	if !ok {
		return nil, fmt.Errorf("it is %s, not an object", kind(v))
	}
	out := make(map[string]legacyArtifact, len(top))
	for _, m := range top {
		o, ok := m.Value.(Object)
		if _, named := o.Get("name"); !ok || !named {
			return nil, fmt.Errorf("%s has no name", quote(m.Key))
		}
		a, err := parseLegacy(o)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", quote(m.Key), err)
		}
		if CheckName(m.Key) == nil {
			out[m.Key] = a
		}
	}
	return out, nil
}

func parseLegacy(o Object) (legacyArtifact, error) {
	a := legacyArtifact{versions: make(map[int]legacyVersion), aliases: make(map[string]int)}
	versions, _ := o.Get("versions")
	list, _ := versions.([]any)
	for _, item := range list {
		o, _ := item.(Object)
		n, _ := o.Get("version")
		number, ok := n.(Number)
		if !ok {
			return a, errors.New("a version has no number")
		}
		v, ok := number.Int()
		path := fileName(o.text("path"))
		if !ok || v < 0 || path == "" {
			continue
		}
		metadata, _ := o.object("metadata")
		a.versions[v] = legacyVersion{path, o.text("created_at"), metadata}
	}
	aliases, _ := o.object("aliases")
	for _, m := range aliases {
		n, _ := m.Value.(Number)
		if v, ok := n.Int(); ok && CheckAlias(m.Key) == nil {
			a.aliases[m.Key] = v
		}
	}
	return a, nil
}

// loadLegacy makes the record of a version in the index. Type and fields are
// those of the metadata.json beside the data, which is read only where it lies
// in the store: an index may name any path.
func (d *Dir) loadLegacy(name string, v int, l legacyVersion) (cachedRecord, error) {
	var text []byte
	if rel, ok := d.below(strings.TrimPrefix(l.path, "file://")); ok {
		if dir, _, err := d.within(rel); err == nil {
			text, err = readSmall(dir+"/metadata.json", largeRecord)
			if err != nil && isLost(err) {
				return cachedRecord{}, err
			}
		}
	}
	return cachedRecord{rec: l.record(name, v, text), until: time.Now().Add(d.ttlOr1s())}, nil
}

// record is the one that such a version would have, with a metadata.json beside its
// data, nil if there is none.
func (l legacyVersion) record(name string, v int, text []byte) *Record {
	m := &Manifest{
		Name: name, Version: v, Path: l.path, CreatedAt: l.createdAt, Metadata: l.metadata,
		Inputs: []string{}, UsedArtifacts: []string{},
	}
	rec := &Record{Manifest: m, Dir: l.path, Legacy: true, RawMeta: text}
	if text != nil {
		meta, _ := ParseJSON(text)
		rec.Meta, _ = meta.(Object)
	}
	m.Type = rec.Meta.text("type")
	rec.Raw = m.Bytes()
	return rec
}
