package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/moby/sys/mountinfo"
)

// What doctor looks at of mounts that are there, or are to be.

// points are the mount points to look at.
func (d *doctor) points() []string {
	if d.dir != "" {
		return []string{d.dir}
	}
	points, _ := mountPoints()
	for _, s := range states() {
		if s.held() {
			points = append(points, s.Dir)
		}
	}
	slices.Sort(points)
	return slices.Compact(points)
}

// mounts looks whether what is mounted answers, and who is behind it.
func (d *doctor) mounts(context.Context) {
	points := d.points()
	if len(points) == 0 {
		d.add("mounts", fine, "there are none", "", "")
	}
	for _, dir := range points {
		d.mount(dir)
	}
}

func (d *doctor) mount(dir string) {
	what, now := "mount "+dir, check(dir)
	s, _ := findState(dir)
	if s != nil && !s.held() {
		s = nil
	}
	if err := covered(dir); err != nil {
		d.add(what, fail, oneLine(err), "names in it are not found, or are those of another directory", "findmnt -T "+dir)
		return
	}
	if closed := closedTo(dir); closed != "" {
		d.add(what, fine, closed, "", "")
		return
	}
	switch {
	case now == notMounted && s != nil && s.elsewhere():
		d.add(what, warn, away, "names are not found here", "artifactfs mount "+dir)
		return
	case now == notMounted && s != nil:
		d.add(what, warn, "its supervisor is about to bring it back", "names are not found for a moment", "artifactfs status "+dir)
		return
	case now == notMounted:
		d.free(what, dir)
		return
	case now == dead && s != nil:
		d.add(what, warn, "its daemon is gone, and its supervisor is about to bring it back", "accesses fail for a moment", "artifactfs status "+dir)
		return
	case now == dead:
		d.add(what, fail, "its daemon is gone, and nobody brings it back", "every access is \"Transport endpoint is not connected\"", "artifactfs mount "+dir)
		return
	case now == hung:
		d.add(what, fail, "its daemon does not answer", "whatever enters it waits", "artifactfs umount --force "+dir)
		return
	}
	switch {
	case s == nil:
		d.add(what, warn, "it serves, and left no state in "+strings.Join(runDirs(), ", "), "nobody brings it back when it dies; another user's, or one whose run directory was emptied", "artifactfs umount "+dir)
	case s.Supervisor != 0 && !isOurs(s.Supervisor):
		d.add(what, warn, fmt.Sprintf("it serves, and its supervisor, pid %d, is gone", s.Supervisor), "nobody brings it back when it dies", "artifactfs mount --replace "+dir)
	default:
		d.add(what, fine, "it serves", "", "")
	}
	d.inside(what, dir)
}

// free looks whether a mount could be made at dir.
func (d *doctor) free(check, dir string) {
	err := inTime(dir, func() error {
		_, err := os.Stat(dir)
		return err
	})
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		err = mountable(dir)
	}
	if err != nil {
		d.add(check, fail, oneLine(err), "nothing is mounted there, nor can be", "")
		return
	}
	d.add(check, fine, "nothing is mounted there", "", "")
}

// inside reads what the mount says of itself.
func (d *doctor) inside(check, dir string) {
	var doc statusDoc
	if err := askStatus(dir, &doc); err != nil {
		d.add(check, warn, oneLine(err), "it may be another user's", "")
		return
	}
	for _, s := range doc.Stores {
		if s.State != "ok" {
			d.add(check, fail, fmt.Sprintf("its store %s is %s: %s", s.Root, s.State, s.Cause), "names give the last known answer, or Input/output error", "artifactfs status "+dir)
		}
	}
	lost := 0
	for _, v := range doc.Versions {
		if v.Missing != "" {
			lost++
		}
	}
	if lost > 0 {
		d.add(check, warn, fmt.Sprintf("the data of %d versions is missing", lost), "it was moved or deleted", "artifactfs verify")
	}
	if doc.Reload != nil && doc.Reload.Error != "" {
		d.add(check, warn, "its configuration could not be loaded again: "+doc.Reload.Error, "the old one is in force", "artifactfs reload "+dir)
	}
	for _, f := range doc.Refused {
		d.add(check, warn, fmt.Sprintf("no passthrough from device %d: %s", f.Dev, f.Why), "its files are read through the daemon", "")
	}
}

// propagation looks whether a mount that is made again reaches containers: they
// have to have the directory above it, and that has to be shared.
func (d *doctor) propagation(context.Context) {
	for _, dir := range d.points() {
		check := "propagation of " + dir
		infos, err := mountinfo.GetMounts(nil)
		if err != nil {
			d.add(check, warn, err.Error(), "", "")
			return
		}
		above := mountOf(infos, dir)
		if above == nil {
			continue
		}
		if strings.Contains(above.Optional, "shared:") {
			d.add(check, fine, above.Mountpoint+" is shared", "", "")
			continue
		}
		d.add(check, warn, above.Mountpoint+" is not shared",
			"containers that run already do not see a mount that is made, or made again, here", "mount --make-rshared "+above.Mountpoint)
	}
}

// mountOf is the mount that the directory which holds dir lies on.
func mountOf(infos []*mountinfo.Info, dir string) *mountinfo.Info {
	var best *mountinfo.Info
	for _, i := range infos {
		if i.Mountpoint != dir && below(dir, i.Mountpoint) && (best == nil || len(i.Mountpoint) >= len(best.Mountpoint)) {
			best = i
		}
	}
	return best
}
