package resolver

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"artifactfs.dev/artifactfs/manifest"
)

// lineageReads is how many records are read at a time: enough to hide the latency of a
// bucket.
const lineageReads = 32

// scan returns, for each version that some record of the store says was used, the
// versions that were made from it, sorted; by ID. W&B is asked node by node instead.
func (g *lineage) scan(ctx context.Context) (map[string][]*LineageNode, error) {
	out := map[string][]*LineageNode{}
	side := g.t
	if g.t.manifest != nil {
		side = g.t.manifest
	} else if g.t.wandb != nil {
		return out, nil // W&B alone
	}
	uses, names, err := g.everyUse(ctx, side)
	if err != nil {
		return nil, err
	}
	for _, u := range uses {
		in, ref, err := g.parse(side, u.ref)
		if err != nil {
			continue
		}
		n, number := ref.Number()
		if in != g.t.wandb && !names[ref.Name] && g.t.runs() != nil && strings.Count(ref.Name, "/") == 2 {
			in = g.t.wandb // another project's
		}
		if d, other := ref.Dashed(); other && !names[ref.Name] && names[d.Name] {
			ref = d
		}
		if number {
			from := g.twins.id(ctx, in, ref.Name, int(n))
			out[from] = append(out[from], u.by)
		}
	}
	for id, list := range out {
		slices.SortFunc(list, func(a, b *LineageNode) int { return byVersion(a.ID, b.ID) })
		out[id] = slices.Compact(list)
	}
	return out, nil
}

// lineageUse is a reference in a record, and the version whose record that is.
type lineageUse struct {
	ref string
	by  *LineageNode
}

// everyUse reads every record of a side: what they say was used, and the names there are.
// Of a version only that is kept.
func (g *lineage) everyUse(ctx context.Context, t *Tree) ([]lineageUse, map[string]bool, error) {
	keeping, err := t.keeping(ctx)
	if err != nil {
		return nil, nil, err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(lineageReads)
	s := &useScan{lineage: g, t: t, ctx: ctx, g: group, keeping: keeping, names: map[string]bool{}}
	group.Go(func() error { return s.below("") })
	err = group.Wait()
	return s.uses, s.names, err
}

// useScan is everyUse on its way.
type useScan struct {
	lineage *lineage
	t       *Tree
	ctx     context.Context
	g       *errgroup.Group
	keeping map[string]bool // of what more than its record is to be read

	mu    sync.Mutex // guards what follows
	uses  []lineageUse
	names map[string]bool
}

// do runs fn beside this, or if enough is running, here.
func (s *useScan) do(fn func() error) error {
	if s.g.TryGo(fn) {
		return nil
	}
	return fn()
}

// below visits the names below prefix.
func (s *useScan) below(prefix string) error {
	names, err := s.t.names(s.ctx, prefix)
	if err != nil {
		return err
	}
	for _, n := range names {
		full := strings.TrimPrefix(prefix+"/"+n, "/")
		if err := s.do(func() error { return s.name(full) }); err != nil {
			return err
		}
	}
	return nil
}

// name visits an artifact, if it is one, and what is below its name.
func (s *useScan) name(name string) error {
	l, err := s.t.versions(s.ctx, name)
	if err != nil && !unknown(err) {
		return err
	}
	if err != nil {
		l = nil
	} else {
		s.mu.Lock()
		s.names[name] = true
		s.mu.Unlock()
	}
	// What is below it first: its listing may have said that, and be old once its records are read.
	if err := s.below(name); err != nil || l == nil {
		return err
	}
	for _, n := range slices.Concat(l.Versions, l.Retired) {
		if err := s.do(func() error { return s.version(name, n) }); err != nil {
			return err
		}
	}
	return nil
}

func (s *useScan) version(name string, n int) error {
	r, err := s.t.src.Manifest(s.ctx, name, n)
	if unknown(err) {
		return nil
	} else if err != nil {
		return err
	}
	used := r.Manifest.UsedArtifacts
	if s.keeping[name+":"+manifest.Version(n).String()] {
		if used, err = s.t.MadeFrom(s.ctx, &Version{Name: name, N: n, Record: r, in: s.t.in}); err != nil {
			return err
		}
	}
	if len(used) == 0 {
		return nil
	}
	by := s.lineage.node(s.ctx, s.t, name, n, r.Manifest)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, ref := range used {
		s.uses = append(s.uses, lineageUse{strings.Clone(ref), by})
	}
	return nil
}

// unknown: there is no such thing, or it is not for the caller.
func unknown(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission)
}

// byVersion orders IDs by name and number.
func byVersion(a, b string) int {
	i, j := strings.LastIndexByte(a, ':'), strings.LastIndexByte(b, ':')
	if c := strings.Compare(a[:i], b[:j]); c != 0 {
		return c
	}
	m, _ := manifest.ParseVersion(a[i+1:])
	n, _ := manifest.ParseVersion(b[j+1:])
	return int(m - n)
}
