package manifest

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"time"
)

// snapshot is an artifact as its directory had it at one time, whoever asked.
// It is not changed once it is kept.
type snapshot struct {
	at        time.Time
	verified  time.Time // since when all of ids have been looked at
	dir       stamp     // of the artifact's directory; zero if only the index has it
	mtime     time.Time
	complete  []int          // with a valid manifest.json, ascending; retired or not
	forbidden []int          // whose manifest.json whoever listed was not allowed to read
	claimed   []int          // ascending
	legacy    []int          // in the index and not complete, ascending
	retired   []int          // ascending
	aliases   map[string]int // of versions that exist
	ids       []fileID       // of the directories of complete, in its order
	bad       map[int]stamp  // of files that are no manifest, not to be parsed again
	warnings  []string
	latest    pointer
	below     packed // the names that go on from the artifact's; of a Catalog
	commit    string // of a store that has such
	trees     string // git's names of the artifact's directories there
	partial   bool   // more versions are there than could be read in one go
}

func (s *snapshot) exists(v int) bool {
	return contains(s.complete, v) || contains(s.legacy, v) || contains(s.forbidden, v)
}

func (s *snapshot) shows(v int) bool     { return s.exists(v) && !s.isRetired(v) }
func (s *snapshot) isRetired(v int) bool { return contains(s.retired, v) }

func contains(sorted []int, v int) bool {
	_, ok := slices.BinarySearch(sorted, v)
	return ok
}

// entries are the names in an artifact's directory, by what they may be.
type entries struct {
	versions []int // spelled as readers look for them, and not plain files
	claimed  []int
	links    []int    // those of versions that are links
	pointers []string // that may be aliases
}

// maxAliasFiles bounds how many plain files are read in case they are aliases.
const maxAliasFiles = 256

func readEntries(dir string) (e entries, err error) {
	files := 0
	err = readDir(dir, func(de fs.DirEntry) {
		name, typ := de.Name(), de.Type()
		v, canonical, isNumber := number(name)
		switch {
		case isNumber:
			e.claimed = append(e.claimed, v)
			if canonical && !typ.IsRegular() {
				e.versions = append(e.versions, v)
			}
			if canonical && typ&fs.ModeSymlink != 0 {
				e.links = append(e.links, v)
			}
		case CheckAlias(name) != nil:
		case typ&fs.ModeSymlink != 0:
			e.pointers = append(e.pointers, name)
		case typ.IsRegular() && files < maxAliasFiles:
			files++
			e.pointers = append(e.pointers, name)
		}
	})
	slices.Sort(e.versions)
	slices.Sort(e.links)
	slices.Sort(e.claimed)
	e.claimed = slices.Compact(e.claimed)
	return e, err
}

// scan reads an artifact. What old knows to be complete is not read again.
// To be called inside do.
func (d *Dir) scan(name string, old *snapshot) (*snapshot, error) {
	s := &snapshot{at: time.Now()}
	dir, fi, err := d.within(name)
	index := d.legacy()
	s.legacy = index.numbers(name)
	if index.warning != "" {
		s.warnings = append(s.warnings, index.warning)
	}
	if err == nil && !fi.IsDir() {
		err = fs.ErrNotExist
	}
	if err != nil && !absent(err) {
		return nil, err
	}
	if err == nil {
		err = d.scanDir(s, dir, fi, name, old)
	}
	if err != nil && (!absent(err) || len(s.legacy) == 0) {
		if there := d.rootThere(); there != nil {
			return nil, there
		}
		if !absent(err) {
			return nil, err
		}
		return nil, d.noArtifact(name)
	}
	s.claimed = append(s.claimed, s.legacy...)
	slices.Sort(s.claimed)
	s.claimed = slices.Compact(s.claimed)
	s.join(index, name)
	s.retired = d.retired(name)
	s.alias(index.names[name].aliases)
	return s, nil
}

// scanDir reads the directory of an artifact into s.
func (d *Dir) scanDir(s *snapshot, dir string, fi fs.FileInfo, name string, old *snapshot) error {
	s.dir, s.mtime, s.verified = stampOf(fi), fi.ModTime(), s.at
	// What latest names was complete before; the entries read after it have it.
	latest, err := readPointer(dir, Latest)
	if err != nil {
		return err
	}
	e, err := readEntries(dir)
	if err != nil {
		return err
	}
	s.latest, s.claimed = latest, e.claimed
	// Nothing was added or removed since old, and the clock that stamps the
	// directory has moved on since: what was complete still is.
	same := old != nil && old.dir == s.dir && old.at.Sub(old.mtime) > 3*time.Second
	// A listing that a change of our own made old is no reason to doubt, within the
	// TTL, what it found: with 2,000 versions and 16 writers that cost 34 ms each time.
	if old != nil && s.at.Sub(old.verified) < d.life() {
		same, s.verified = true, old.verified
	}
	for _, v := range e.versions {
		if time.Since(s.at) > 2*time.Second {
			s.partial = true
			break
		}
		if same && s.knows(old, v) {
			continue
		}
		vdir := dir + "/" + Version(v).String()
		if contains(e.links, v) {
			if vdir, _, err = d.within(name + "/" + Version(v).String()); isLost(err) {
				return err
			} else if err != nil {
				s.file(v, err)
				continue
			}
		}
		if err := d.scanVersion(s, vdir, v, old); err != nil {
			return err
		}
	}
	for _, entry := range e.pointers {
		p, err := readPointer(dir, entry)
		if err != nil {
			return err
		}
		if p.ok && s.exists(p.v) {
			s.name(entry, p.v)
		}
	}
	return nil
}

// knows takes over that v is complete, if old says so.
func (s *snapshot) knows(old *snapshot, v int) bool {
	i, ok := slices.BinarySearch(old.complete, v)
	if ok {
		s.add(v, old.ids[i])
	}
	return ok
}

// add notes that v, which is higher than all before it, is complete.
func (s *snapshot) add(v int, id fileID) {
	s.complete, s.ids = append(s.complete, v), append(s.ids, id)
}

// idOf returns the directory in which v was complete, the zero one if it was not.
func (s *snapshot) idOf(v int) fileID {
	if i, ok := slices.BinarySearch(s.complete, v); ok {
		return s.ids[i]
	}
	return fileID{}
}

// name notes an alias.
func (s *snapshot) name(alias string, v int) {
	if s.aliases == nil {
		s.aliases = make(map[string]int)
	}
	s.aliases[alias] = v
}

// scanVersion finds out whether v, in a real directory, exists for readers. A
// directory that had a record has it; a file that was no record is none until it
// has been changed.
func (d *Dir) scanVersion(s *snapshot, vdir string, v int, old *snapshot) error {
	id, err := identify(vdir)
	if err == nil && old != nil && old.idOf(v) == id && s.knows(old, v) {
		return nil
	}
	fi, err := os.Lstat(vdir + "/manifest.json")
	if err == nil {
		if now := stampOf(fi); old != nil && old.bad[v] == now {
			s.ruin(v, now)
			return nil
		}
		err = d.valid(vdir)
	}
	switch {
	case err == nil:
		s.add(v, id)
	case isLost(err):
		return err
	case fi != nil && absent(err):
		s.ruin(v, stampOf(fi))
	default:
		s.file(v, err)
	}
	return nil
}

// ruin notes a file that is no record.
func (s *snapshot) ruin(v int, file stamp) {
	if s.bad == nil {
		s.bad = make(map[int]stamp)
	}
	s.bad[v] = file
}

// file puts a version that cannot be read where it belongs.
func (s *snapshot) file(v int, err error) {
	switch {
	case errors.Is(err, errLeaves):
		s.warnings = append(s.warnings, Version(v).String()+" is a link that leaves the store")
	case errors.Is(err, fs.ErrPermission):
		s.forbidden = append(s.forbidden, v)
	}
}

// alias adds the index's aliases to those of the directory, which come first.
func (s *snapshot) alias(legacy map[string]int) {
	for alias, v := range legacy {
		if _, taken := s.aliases[alias]; !taken && s.exists(v) {
			s.name(alias, v)
		}
	}
}

// join adds the versions that only the index has.
func (s *snapshot) join(x *legacyIndex, name string) {
	s.legacy = slices.DeleteFunc(x.numbers(name), func(v int) bool { return contains(s.complete, v) })
}
