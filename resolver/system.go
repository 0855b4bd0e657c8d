package resolver

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"syscall"
)

// systemDir is .artifactfs: what the mount says of itself.
type systemDir struct{ t *Tree }

var _ Dir = (*systemDir)(nil)

const systemPath = "/.artifactfs"

func (d *systemDir) Stat(context.Context) (Entry, error) {
	return d.t.dirEntry(d, systemPath, long), nil
}

func (d *systemDir) Lookup(_ context.Context, name string) (Entry, error) {
	path := systemPath + "/" + name
	switch name {
	case "status":
		return d.t.textEntry(statusText{d.t}, path, 0), nil
	case "config":
		return d.t.textEntry(configText{d.t}, path, 0), nil
	case "metrics":
		return d.t.textEntry(report(d.t.opt.Metrics), path, 0), nil
	case "events":
		return d.t.textEntry(report(d.t.opt.Events), path, 0), nil
	case "log":
		return d.t.controlEntry(logDoor{d.t}, path, 0), nil
	case "refresh":
		return d.t.controlEntry(refresh{d.t}, path, 0), nil
	case "warm":
		return d.t.controlEntry(warm{d.t}, path, 0), nil
	}
	return Entry{}, fmt.Errorf(".artifactfs has status, config, metrics, events, log, refresh and warm, not %s: %w", name, fs.ErrNotExist)
}

func (d *systemDir) ReadDir(context.Context) ([]DirEntry, error) {
	var list []DirEntry
	for _, n := range []string{"config", "events", "log", "metrics", "refresh", "status", "warm"} {
		list = append(list, DirEntry{Name: n, Mode: syscall.S_IFREG, Key: systemPath + "/" + n})
	}
	return list, nil
}

// statusText is the status as JSON, made when it is read.
type statusText struct{ t *Tree }

func (s statusText) Read(ctx context.Context) ([]byte, error) {
	var v any = struct{}{}
	if s.t.opt.Status != nil {
		v = s.t.opt.Status(ctx)
	}
	b, err := json.MarshalIndent(v, "", "  ")
	return append(b, '\n'), err
}

// configText is the configuration in force.
type configText struct{ t *Tree }

func (c configText) Read(context.Context) ([]byte, error) {
	if c.t.opt.Config == nil {
		return nil, nil
	}
	return c.t.opt.Config(), nil
}

// Refresh forgets what is cached: where versions' data lies, and what the source
// remembers.
func (t *Tree) Refresh() {
	for _, s := range []*Tree{t, t.manifest, t.wandb} {
		if s != nil {
			s.shown.Purge()
			s.snap.expire()
		}
	}
	if r, ok := t.src.(Refresher); ok {
		r.Refresh("")
	}
}

// keptShown is how many versions keep their resolved data path in a pause.
const keptShown = shownVersions / 8

// Trim gives memory back: it is for when nothing is asked for, and costs whoever
// comes next a look at the store.
func (t *Tree) Trim() {
	for _, s := range []*Tree{t, t.manifest, t.wandb} {
		for s != nil && s.shown.Len() > keptShown {
			s.shown.RemoveOldest()
		}
	}
	if s, ok := t.src.(Trimmer); ok {
		s.Trim()
	}
	t.data.Trim()
}
