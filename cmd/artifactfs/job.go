package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"artifactfs.dev/artifactfs/internal/store"
	"artifactfs.dev/artifactfs/internal/store/bucket"
	"artifactfs.dev/artifactfs/manifest"
	"artifactfs.dev/artifactfs/resolver"
)

// callerJob is the job of who asks the daemon. What the daemon does of its own is
// in none, wherever it was started.
func callerJob(ctx context.Context) (string, bool) {
	if c, ok := store.CallerOf(ctx); ok && c.PID == 0 {
		return "", false
	}
	j, ok := store.JobOf(ctx)
	if !ok {
		return "", true
	}
	return j.ID(), true
}

// ownJob is the job that a command runs in: it sees what a mount would show it.
func ownJob(context.Context) (string, bool) { return ownID(), true }

var ownID = sync.OnceValue(func() string {
	j, ok := store.OwnJob()
	if !ok {
		return ""
	}
	return j.ID()
})

// openPins returns where the pins of jobs are kept: in the store, and where that
// does not take them, below state_root.
func (c *core) openPins(o coreOptions) []pinPlace {
	var pins []pinPlace
	switch s := c.store.(type) {
	case *manifest.Dir:
		pins = append(pins, s.Pins())
	case *guarded:
		pins = append(pins, s.Pins())
	}
	if c.cfg.StateRoot == "" {
		return pins
	}
	p := manifest.OpenPins(c.cfg.StateRoot, c.cfg.Root, c.root, o.Log)
	if o.AsCaller { // the daemon may make there what its callers may not
		if err := p.Prepare(context.Background()); err != nil && o.Log != nil {
			o.Log.Warn("state_root takes no pins", "err", err)
		}
	}
	return append(pins, p)
}

// jobStatus is what the job that asks sees.
type jobStatus struct {
	ID      string      `json:"id"`
	Source  string      `json:"source"` // a variable, or cgroup
	Pins    []pinStatus `json:"pins"`
	Used    []string    `json:"used"`              // versions, as references
	Refused string      `json:"refused,omitempty"` // why pins are on this node only, or in state_root
	Kept    string      `json:"kept,omitempty"`    // where else than in the store they are, for all nodes
}

// pinStatus is one pin, and why it is not the newest.
type pinStatus struct {
	Name    string    `json:"name"`
	Alias   string    `json:"alias"`
	Version int       `json:"version"`
	Since   time.Time `json:"since"`
	Newest  *int      `json:"newest,omitempty"`
	Where   string    `json:"where"`
	Unpin   string    `json:"unpin,omitempty"`
}

// job is the part of the status that depends on who asks.
func (c *core) job(ctx context.Context, doc *statusDoc) {
	if c.tree.Blind() {
		doc.Warnings = append(doc.Warnings, "callers' processes cannot be seen from here (a pid namespace without hostPID): their jobs are not known, and they read the newest latest")
	}
	s := c.tree.Snapshot(ctx)
	if s == nil {
		return
	}
	if s.Refused == "" && slices.ContainsFunc(s.Pins, func(p resolver.PinnedAlias) bool { return p.Where == onThisNode }) {
		s.Refused = "it did not take them when they were made" // which an earlier daemon was told
	}
	j, _ := store.JobOf(ctx)
	doc.Job = &jobStatus{ID: s.ID, Source: j.Source, Pins: []pinStatus{}, Used: s.Used, Refused: s.Refused}
	for _, p := range s.Pins {
		doc.Job.Pins = append(doc.Job.Pins, newPinStatus(p))
	}
	here := slices.ContainsFunc(s.Pins, func(p resolver.PinnedAlias) bool { return !onAllNodes(p.Where) })
	if s.Refused != "" && !here && c.cfg.StateRoot != "" {
		doc.Job.Kept = "state_root, " + c.cfg.StateRoot
	} else if s.Refused != "" {
		doc.Warnings = append(doc.Warnings, "pins of this job are not kept in the store, and another node may have others: "+s.Refused)
	}
}

func newPinStatus(p resolver.PinnedAlias) pinStatus {
	s := pinStatus{Name: p.Name, Alias: p.Alias, Version: p.Version, Since: p.Since, Newest: orNil(p.Newest), Where: p.Where}
	if onAllNodes(p.Where) || p.Where == onThisNode {
		s.Unpin = fmt.Sprintf("artifactfs snapshot rm %s %s", p.ID, quoteArg(p.Name+"@"+p.Alias))
	}
	return s
}

// onAllNodes reports whether a pin lies in a file of the store or of state_root, or is an
// object: others are this daemon's.
func onAllNodes(where string) bool { return strings.HasPrefix(where, "/") || bucket.Is(where) }

// words say why an alias is not the newest.
func (p pinStatus) words() string {
	s := fmt.Sprintf("pinned at %s since %s", vN(p.Version), p.Since.Local().Format(time.DateTime))
	switch {
	case p.Newest == nil:
	case *p.Newest == p.Version:
		return s + ", the newest"
	default:
		s += "; newest is " + vN(*p.Newest)
	}
	if onAllNodes(p.Where) {
		return s + "; to unpin: " + p.Unpin
	}
	s += "; on this node only, until the mount ends"
	if p.Unpin != "" {
		s += ", or who mounted runs " + p.Unpin
	}
	return s
}

// quoteArg spells an argument for a shell.
func quoteArg(s string) string {
	if strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./@+=:,%") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
