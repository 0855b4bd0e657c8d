//go:build linux

package nodes

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"artifactfs.dev/artifactfs/internal/store"
	"artifactfs.dev/artifactfs/resolver"
)

// lane is the way a data file's bytes travel.
type lane int

const (
	laneNone lane = iota
	laneCopy
	lanePassthrough
	laneStored // fetched from the store
)

func (l lane) String() string {
	return [...]string{"none", "copy", "passthrough", "fetch"}[l]
}

// data is what an inode of a data file, or data directory, has open and has shown.
type data struct {
	opens   int
	lane    lane  // of all that is open: the two do not mix on one inode (EIO)
	backing int32 // the kernel's id for the file, in the passthrough lane
	dev     uint64
	fileIno uint64
	shown   stamp
}

// stamp tells whether a file is as it was.
type stamp struct {
	mtime, ctime time.Time
	size         int64
	listing      uint64 // of a directory that names its listings
}

// unknown is the stamp of what nobody knows: no file is as it says.
var unknown = stamp{size: -1}

func stampOf(a store.Attr) stamp { return stamp{mtime: a.Mtime, ctime: a.Ctime, size: a.Size} }

// changed reports whether the file, now as the stamp says, was otherwise when the
// kernel was last given something of it to keep.
func (i *inode) changed(now stamp) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.data != nil && i.data.shown != now && i.data.shown != stamp{}
}

// unchanged reports whether the kernel has been given something of the file to
// keep, and it is as it was then.
func (i *inode) unchanged(now stamp) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.data != nil && i.data.shown == now
}

// show notes what the kernel is about to keep. After a change, that must be after
// the kernel has been told: a second open in between would find nothing changed,
// and read the pages of before.
func (i *inode) show(now stamp) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.made().shown = now
}

// made returns what is open and shown of the inode. The mutex is held.
func (i *inode) made() *data {
	if i.data == nil {
		i.data = &data{}
	}
	return i.data
}

func (i *inode) isOpen() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.data != nil && i.data.opens > 0
}

// open counts one more open of the file in fd, whose lane is decided by the first
// and kept until the last is released. The mutex is held across the backing ioctl,
// which reads no device: two first opens must not decide apart.
func (i *inode) open(fd int, a store.Attr, s *system, v *resolver.Version) (lane, int32, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if a.Dev != i.attr.Dev || a.Ino != i.attr.Ino {
		return 0, 0, syscall.ESTALE
	}
	d := i.made()
	if d.opens > 0 && (a.Dev != d.dev || a.Ino != d.fileIno) {
		return 0, 0, syscall.ESTALE
	}
	if d.opens == 0 {
		d.lane, d.backing, d.dev, d.fileIno = laneCopy, 0, a.Dev, a.Ino
		why := s.lanes.why
		if s.pass != nil {
			var id int32
			if id, why = s.pass.register(fd, a.Dev); why == "" {
				d.lane, d.backing = lanePassthrough, id
			}
		}
		s.lanes.note(v, d.lane, why)
	}
	// The lookup may have seen an earlier file with this inode number. The kernel
	// was shown that one; what Getattr answers is the open one's.
	if d.shown == (stamp{}) {
		d.shown = stampOf(*i.attr)
	}
	i.attr = &a
	d.opens++
	return d.lane, d.backing, nil
}

func (i *inode) close(p *Passthrough) {
	i.mu.Lock()
	defer i.mu.Unlock()
	d := i.data
	if d.opens--; d.opens == 0 && d.lane == lanePassthrough {
		p.release(d.backing)
		d.lane, d.backing = laneNone, 0
	}
}

// Lanes is the account of how versions are served. It is safe for concurrent use.
type Lanes struct {
	why  string // why the mount has no passthrough at all
	pass *Passthrough

	mu       sync.Mutex
	versions map[versionKey]*versionLanes
}

type versionKey struct {
	name string
	n    int
}

// versionLanes is how a version is served by FUSE, and whether it is by a bind.
type versionLanes struct {
	lane, why string
	dirs      int // directories that are open by way of FUSE
	users     users
	bound     bool
	unbound   string // why it is not
}

// VersionLane says how one version is served, and why not better.
type VersionLane struct {
	Name    string `json:"name"`
	Version int    `json:"version"`
	Lane    string `json:"lane"`
	Why     string `json:"why,omitempty"`
}

// Bound notes that a version is served by a bind mount or, with why, that it is
// not, or no longer.
func (l *Lanes) Bound(name string, version int, why string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	v := l.of(versionKey{name, version})
	v.bound, v.unbound = why == "", why
}

// OpenDirs returns how many directories of a version are open by way of FUSE.
func (l *Lanes) OpenDirs(name string, version int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if v := l.versions[versionKey{name, version}]; v != nil {
		return v.dirs
	}
	return 0
}

// dir counts a directory that is opened, 1, or closed, -1.
func (l *Lanes) dir(n resolver.Node, by int) {
	v, ok := n.(resolver.Versioned)
	if !ok {
		return
	}
	name, number := v.Which()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.of(versionKey{name, number}).dirs += by
}

// maxLanes bounds the account: a job that walks a store of millions is not to
// grow the daemon.
const maxLanes = 10_000

// of returns a version's account. The mutex is held.
func (l *Lanes) of(k versionKey) *versionLanes {
	if l.versions == nil {
		l.versions = make(map[versionKey]*versionLanes)
	}
	if l.versions[k] == nil {
		if len(l.versions) >= maxLanes {
			maps.DeleteFunc(l.versions, func(_ versionKey, v *versionLanes) bool { return !v.bound && v.dirs == 0 })
		}
		l.versions[k] = &versionLanes{}
	}
	return l.versions[k]
}

func (l *Lanes) note(v *resolver.Version, in lane, why string) {
	if v == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	name, n := v.Which()
	of := l.of(versionKey{name, n})
	of.lane, of.why = in.String(), why
}

// Versions lists the versions that have been read, by name and number.
func (l *Lanes) Versions() []VersionLane {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := make([]VersionLane, 0, len(l.versions))
	for k, of := range l.versions {
		if of.lane == "" && !of.bound && of.unbound == "" {
			continue // listed only
		}
		v := VersionLane{Name: k.name, Version: k.n, Lane: of.lane, Why: of.why}
		switch {
		case of.bound:
			v.Lane, v.Why = "bind", ""
		case of.unbound != "" && of.why != "":
			v.Why = "no bind: " + of.unbound + "; " + of.why
		case of.unbound != "":
			v.Why = "no bind: " + of.unbound
		}
		list = append(list, v)
	}
	slices.SortFunc(list, func(a, b VersionLane) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), a.Version-b.Version)
	})
	return list
}

// Default says how a version that nobody has read yet will be served at best.
func (l *Lanes) Default() (lane, why string) {
	if l.pass == nil {
		return laneCopy.String(), l.why
	}
	if why := l.pass.Off(); why != "" {
		return laneCopy.String(), why
	}
	return lanePassthrough.String(), ""
}
