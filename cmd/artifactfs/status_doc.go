package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"artifactfs.dev/artifactfs/fs"
	"artifactfs.dev/artifactfs/manifest"
)

// statusDoc is what .artifactfs/status holds and status prints.
type statusDoc struct {
	Mountpoint string           `json:"mountpoint"`
	State      string           `json:"state,omitempty"` // serving, dead, hung, hidden, starting, unmounted, unknown: seen from outside
	PID        int              `json:"pid,omitempty"`
	Supervisor int              `json:"supervisor,omitempty"`
	Started    time.Time        `json:"started,omitzero"`
	Restarts   int              `json:"restarts,omitempty"`
	LastDeath  string           `json:"last_death,omitempty"`
	LogFile    string           `json:"log_file,omitempty"`
	Reload     *reloadStatus    `json:"reload,omitempty"` // the last one
	Build      string           `json:"build,omitempty"`
	Kernel     string           `json:"kernel,omitempty"`
	Features   []fs.Feature     `json:"kernel_features,omitempty"` // what it can do, as probed
	Stores     []storeStatus    `json:"stores"`
	WandB      string           `json:"wandb,omitempty"`
	Outbox     []*manifest.Push `json:"outbox,omitempty"` // what is on its way to W&B; for root and who mounted
	Cache      *cacheStatus     `json:"cache,omitempty"`
	Metrics    *metricsStatus   `json:"metrics,omitempty"`
	Disabled   string           `json:"disabled,omitempty"`
	Place      string           `json:"place,omitempty"` // the daemon's mount namespace and root
	Shared     bool             `json:"shared"`
	DataRoots  []string         `json:"data_roots,omitempty"`
	Lane       string           `json:"lane,omitempty"`
	Why        string           `json:"why,omitempty"`
	Versions   []*versionStatus `json:"versions"`
	Job        *jobStatus       `json:"job,omitempty"`     // the one that asks
	Refused    []refusal        `json:"refused,omitempty"` // file systems that do not take passthrough
	Warnings   []string         `json:"warnings,omitempty"`
}

// reloadStatus is what became of a SIGHUP.
type reloadStatus struct {
	At      time.Time `json:"at"`
	Changed []string  `json:"changed,omitempty"` // what is in force now
	Remount []string  `json:"needs_remount,omitempty"`
	Error   string    `json:"error,omitempty"` // why the old configuration stays
}

// words is the outcome on one line.
func (r *reloadStatus) words() string {
	if r.Error != "" {
		return "refused, the old configuration stays: " + r.Error
	}
	s := "nothing has changed"
	if len(r.Changed) > 0 {
		s = strings.Join(r.Changed, ", ")
	}
	if len(r.Remount) > 0 {
		s += "; only after mount --replace: " + strings.Join(r.Remount, ", ")
	}
	return s
}

// kernel is what the kernel can do, on one line.
func (d *statusDoc) kernel() string {
	var have, lack []string
	for _, f := range d.Features {
		if f.Have {
			have = append(have, f.Name)
		} else {
			lack = append(lack, f.Name)
		}
	}
	s := d.Kernel + ": " + strings.Join(have, ", ")
	if len(lack) > 0 {
		s += "; not " + strings.Join(lack, ", ")
	}
	return s
}

// storeStatus is one store and whether it answers.
type storeStatus struct {
	Store    string    `json:"store"`
	Root     string    `json:"root"`
	ID       string    `json:"id,omitempty"` // of its directory, once it has been seen
	State    string    `json:"state"`        // ok, no project yet, or what is wrong in a word or two
	Since    time.Time `json:"since,omitzero"`
	Cause    string    `json:"cause,omitempty"`
	Embedded bool      `json:"embedded,omitempty"`
}

// unseen reports whether the daemon has not looked at its store's directory yet. A bucket and
// W&B have none.
func (d *statusDoc) unseen() bool {
	return slices.ContainsFunc(d.Stores, func(s storeStatus) bool {
		return s.Store == "manifest" && s.ID == "" && !manifest.IsURI(s.Root)
	})
}

// cacheStatus is what is kept of stores, and where.
type cacheStatus struct {
	Dir     string `json:"dir"`
	Objects int    `json:"objects"`
	Used    int64  `json:"used"` // bytes of
	Size    int64  `json:"size"`
	Trouble string `json:"trouble,omitempty"` // why nothing is kept for now
}

func (c *cacheStatus) String() string {
	s := fmt.Sprintf("%s: %s, %d of %d bytes", c.Dir, count(c.Objects, "object"), c.Used, c.Size)
	if c.Trouble != "" {
		s += "; nothing is kept for now: " + c.Trouble
	}
	return s
}

// metricsStatus is the port that metrics are served on.
type metricsStatus struct {
	URL   string `json:"url"`
	Error string `json:"error,omitempty"` // why they are not, for now
}

func (m *metricsStatus) words() string {
	switch {
	case m == nil:
		return ""
	case m.Error != "":
		return "not at " + m.URL + " for now: " + m.Error
	}
	return m.URL
}

// dirID tells a store's directory from others, by whatever path it is reached.
func dirID(dev, ino uint64) string { return fmt.Sprintf("%d:%d", dev, ino) }

// versionStatus is one version that was used since the mount.
type versionStatus struct {
	Name    string `json:"name"`
	Version int    `json:"version"`
	Lane    string `json:"lane,omitempty"`
	Why     string `json:"why,omitempty"`
	Missing string `json:"missing,omitempty"` // the recorded path, if nothing is there
}

type refusal struct {
	Dev uint64 `json:"dev"`
	Why string `json:"why"`
}

// version returns the entry of one version, made if it is not there.
func (d *statusDoc) version(name string, n int) *versionStatus {
	for _, v := range d.Versions {
		if v.Name == name && v.Version == n {
			return v
		}
	}
	v := &versionStatus{Name: name, Version: n}
	d.Versions = append(d.Versions, v)
	return v
}

func (v *versionStatus) lane(lane, why string) { v.Lane, v.Why = lane, why }
