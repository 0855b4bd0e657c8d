package store

import (
	"bytes"
	"path"
	"strconv"
	"strings"
)

// ownType is the file system type of every mount of artifactfs.
const ownType = "fuse.artifactfs"

// mount is one line of mountinfo, with what accesses below it share.
type mount struct {
	id, parent string
	dev        string // major:minor
	root       string // the directory of the file system that is mounted
	point      string
	fstype     string
	own        bool // is, or lies below, a mount of artifactfs
	prompt     bool // answers from this machine: it, and all that it is mounted on
	gate       *gate
}

// mountTable is the mounts of one namespace at one moment. It is not changed
// once made.
type mountTable struct {
	mounts []*mount
	under  map[mountKey]*mount // by parent and mount point
}

type mountKey struct{ parent, point string }

// parseMounts reads mountinfo(5). Lines it cannot read are left out.
func parseMounts(b []byte, gateOf func(dev string) *gate) *mountTable {
	t := &mountTable{under: make(map[mountKey]*mount)}
	ids := make(map[string]*mount)
	for line := range bytes.Lines(b) {
		f := strings.Fields(string(line))
		sep := 6
		for sep < len(f) && f[sep] != "-" {
			sep++
		}
		if sep+1 >= len(f) {
			continue
		}
		m := &mount{id: f[0], parent: f[1], dev: f[2], root: unescape(f[3]), point: unescape(f[4]), fstype: f[sep+1]}
		m.gate = gateOf(m.dev)
		t.mounts = append(t.mounts, m)
		ids[m.id] = m
	}
	for _, m := range t.mounts {
		if ids[m.parent] == nil || m.parent == m.id {
			m.parent = "" // the root, or mounted on what this root does not show
		}
		t.under[mountKey{m.parent, m.point}] = m
	}
	for _, m := range t.mounts {
		// Bounded, for a table read while mounts moved might have a cycle.
		for up, n := m, 0; up != nil && !m.own && n < len(t.mounts); up, n = ids[up.parent], n+1 {
			m.own = up.fstype == ownType
		}
		m.prompt = true
		for up, n := m, 0; up != nil && n < len(t.mounts); up, n = ids[up.parent], n+1 {
			m.prompt = m.prompt && onMachine[up.fstype]
		}
	}
	return t
}

// onMachine are the file systems that no server and no other process answers for.
var onMachine = map[string]bool{
	"btrfs": true, "ext2": true, "ext3": true, "ext4": true, "f2fs": true,
	"ramfs": true, "rootfs": true, "tmpfs": true, "xfs": true,
}

// at returns the mount that a clean absolute path lies on, nil if the table
// does not say. It walks down from the root as the kernel does: of mounts
// stacked on one point the last counts, and one that a later mount of an
// ancestor hides does not.
func (t *mountTable) at(name string) *mount {
	m := t.step(nil, "/")
	for i := 1; i < len(name); i++ {
		if name[i] == '/' {
			m = t.step(m, name[:i])
		}
	}
	if name != "/" {
		m = t.step(m, name)
	}
	return m
}

// step returns the mount that covers point, seen from m.
func (t *mountTable) step(m *mount, point string) *mount {
	for range t.mounts {
		parent := ""
		if m != nil {
			parent = m.id
		}
		next := t.under[mountKey{parent, point}]
		if next == nil {
			break
		}
		m = next
	}
	return m
}

// inFS returns where a path on m lies in m's file system.
func (m *mount) inFS(name string) string {
	return path.Join(m.root, strings.TrimPrefix(name, m.point))
}

// unescape undoes mountinfo's octal escapes: \040 for a space, and so on.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
