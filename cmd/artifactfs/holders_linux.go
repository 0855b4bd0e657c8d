package main

import (
	"bufio"
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/sys/mountinfo"
)

// holder is a process that keeps a mount busy.
type holder struct {
	PID     int    `json:"pid"`
	Command string `json:"command"`
	What    string `json:"what"` // "cwd", "fd 3", "mapped", … and where
}

func (h holder) String() string {
	return fmt.Sprintf("pid %d (%s): %s", h.PID, h.Command, h.What)
}

// here says whether the process is in our mount namespace: the path that another
// has open may be a mount of its own.
func (h holder) here() bool {
	own, err := os.Readlink("/proc/self/ns/mnt")
	its, err2 := os.Readlink(fmt.Sprintf("/proc/%d/ns/mnt", h.PID))
	return err == nil && err2 == nil && own == its
}

// holders finds who keeps dir busy. It reads the links in /proc as text: looking
// into the mount could hang, and is not needed.
func holders(dir string, except ...int) []holder {
	procs, _ := os.ReadDir("/proc")
	var out []holder
	for _, p := range procs {
		pid, err := strconv.Atoi(p.Name())
		if err != nil || pid == os.Getpid() || slices.Contains(except, pid) {
			continue
		}
		if what := holds(filepath.Join("/proc", p.Name()), dir); what != "" {
			comm, _ := os.ReadFile(filepath.Join("/proc", p.Name(), "comm"))
			out = append(out, holder{pid, strings.TrimSpace(string(comm)), what})
		}
	}
	slices.SortFunc(out, func(a, b holder) int { return cmp.Compare(a.PID, b.PID) })
	return out
}

// elsewhere finds who has a mount's file system mounted in another mount
// namespace than ours: one process of each.
func elsewhere(m *mountinfo.Info) []string {
	own, _ := os.Readlink("/proc/self/ns/mnt")
	seen := map[string]bool{own: true, "": true}
	dev := fmt.Sprintf(" %d:%d ", m.Major, m.Minor)
	procs, _ := filepath.Glob("/proc/[0-9]*")
	var out []string
	for _, p := range procs {
		ns, _ := os.Readlink(p + "/ns/mnt")
		if seen[ns] {
			continue
		}
		seen[ns] = true
		if table, _ := os.ReadFile(p + "/mountinfo"); strings.Contains(string(table), dev) {
			comm, _ := os.ReadFile(p + "/comm")
			out = append(out, fmt.Sprintf("pid %s (%s)", filepath.Base(p), strings.TrimSpace(string(comm))))
		}
	}
	return out
}

// holds says how one process, named by its directory in /proc, holds dir.
func holds(proc, dir string) string {
	for _, link := range []string{"cwd", "root", "exe"} {
		if target, err := os.Readlink(filepath.Join(proc, link)); err == nil && below(target, dir) {
			return link + " " + target
		}
	}
	fds, _ := os.ReadDir(filepath.Join(proc, "fd"))
	for _, fd := range fds {
		if target, err := os.Readlink(filepath.Join(proc, "fd", fd.Name())); err == nil && below(target, dir) {
			return "fd " + fd.Name() + " " + target
		}
	}
	maps, err := os.Open(filepath.Join(proc, "maps"))
	if err != nil {
		return ""
	}
	defer maps.Close()
	for s := bufio.NewScanner(maps); s.Scan(); {
		if i := strings.IndexByte(s.Text(), '/'); i >= 0 && below(s.Text()[i:], dir) {
			return "mapped " + s.Text()[i:]
		}
	}
	return ""
}
