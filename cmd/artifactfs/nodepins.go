package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"sync"
	"syscall"

	"artifactfs.dev/artifactfs/internal/store"
	"artifactfs.dev/artifactfs/manifest"
	"artifactfs.dev/artifactfs/resolver"
)

// nodePins keep the pins that neither the store nor state_root takes, as long as
// the mount is there: what a job reads as latest must not change under it because
// the daemon died. They lie in the run directory and are the daemon's own: it reads
// and writes them for its callers, each of whom sees his own job's only.
type nodePins struct {
	in  *manifest.Pins
	dir string
	job func(context.Context) (id string, seen bool)

	mu   sync.Mutex
	made map[string]map[nodePin]bool // by user
}

type nodePin struct{ id, name, alias string }

var (
	_ resolver.Pinner         = (*nodePins)(nil)
	_ resolver.SnapshotLister = (*nodePins)(nil)
)

const (
	// onThisNode is where such a pin says that it lies: who mounted can take it away.
	onThisNode = "this node"
	// maxNodePins bounds what one user has there: the run directory is the
	// machine's memory, and a job is whatever his environment says.
	maxNodePins = 2000
)

func openNodePins(dir, root string, job func(context.Context) (string, bool), log *slog.Logger) *nodePins {
	p := &nodePins{in: manifest.OpenPins(dir, root, store.NewLocal(nil), log), dir: dir, job: job, made: make(map[string]map[nodePin]bool)}
	ctx := context.Background()
	ids, _ := p.in.Snapshots(ctx) // of a daemon that died
	for _, id := range ids {
		pins, _ := p.in.Pins(ctx, id)
		for _, pin := range pins {
			p.count(nodePin{id, pin.Name, pin.Alias})
		}
	}
	return p
}

// nodePinsOf are those of this node's mounts of a store, for who mounted and for
// root: nobody else may enter where they lie.
func nodePinsOf(root string) (places []pinPlace) {
	for _, s := range states() {
		if _, err := os.ReadDir(s.pinsDir()); err == nil && s.Config.Root == root {
			places = append(places, manifest.OpenPins(s.pinsDir(), root, store.NewLocal(nil), quiet()))
		}
	}
	return places
}

func userOf(id string) string {
	uid, _, _ := strings.Cut(id, ".")
	return uid
}

// Pinned returns a pin; fs.ErrNotExist if there is none.
func (p *nodePins) Pinned(ctx context.Context, id, name, alias string) (*manifest.Pin, error) {
	return onNode(p.in.Pinned(ctx, id, name, alias))
}

// Pin pins a version unless there is a pin, and returns the one there is then.
func (p *nodePins) Pin(ctx context.Context, id, name, alias string, to manifest.Target) (*manifest.Pin, error) {
	if err := p.prepare(nodePin{id, name, alias}); err != nil {
		return nil, err
	}
	return onNode(p.in.Pin(ctx, id, name, alias, to))
}

// Move pins a version in place of what was pinned.
func (p *nodePins) Move(ctx context.Context, id, name, alias string, to manifest.Target, forward bool) error {
	if err := p.prepare(nodePin{id, name, alias}); err != nil {
		return err
	}
	return p.in.Move(ctx, id, name, alias, to, forward)
}

// prepare makes the directory, which nobody else may enter, and sees that there is
// room.
func (p *nodePins) prepare(k nodePin) error {
	if err := os.Mkdir(p.dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if !p.count(k) {
		return fmt.Errorf("uid %s has %d pins on this node; any more are kept in memory: %w", userOf(k.id), maxNodePins, syscall.EDQUOT)
	}
	return nil
}

// count counts a pin, once, and returns false if its user has too many.
func (p *nodePins) count(k nodePin) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	has := p.made[userOf(k.id)]
	if has == nil {
		has = make(map[nodePin]bool)
		p.made[userOf(k.id)] = has
	}
	if !has[k] && len(has) >= maxNodePins {
		return false
	}
	has[k] = true
	return true
}

// Snapshots names the caller's own, if it has one here.
func (p *nodePins) Snapshots(ctx context.Context) ([]string, error) {
	id, _ := p.job(ctx)
	if pins, err := p.Pins(ctx, id); err != nil || len(pins) == 0 {
		return nil, nil
	}
	return []string{id}, nil
}

// Pins returns the caller's own; fs.ErrNotExist of another's snapshot.
func (p *nodePins) Pins(ctx context.Context, id string) ([]*manifest.Pin, error) {
	if own, _ := p.job(ctx); own == "" || own != id {
		return nil, fs.ErrNotExist
	}
	pins, err := p.in.Pins(ctx, id)
	for _, pin := range pins {
		pin.Where = onThisNode
	}
	return pins, err
}

func onNode(p *manifest.Pin, err error) (*manifest.Pin, error) {
	if err == nil {
		p.Where = onThisNode
	}
	return p, err
}

// pinsDir is where the pins of a mount lie that no other place takes. A mount that
// replaces it, or is made after it died, has them too.
func (s *state) pinsDir() string { return strings.TrimSuffix(s.file, ".json") + ".pins" }

// unpin takes them away with the mount, unless there is another at its directory.
func (s *state) unpin() {
	now, err := readState(s.file)
	if errors.Is(err, fs.ErrNotExist) || err == nil && now.Started.Equal(s.Started) {
		_ = os.RemoveAll(s.pinsDir())
	}
}
