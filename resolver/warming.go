package resolver

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"artifactfs.dev/artifactfs/internal/store/cache"
)

// warmWide is how many requests a warming has under way, and how many files: a round
// trip of 20 ms leaves 44 small files a second to who asks for one after the other.
const warmWide = 16

// warming fetches files of a version into the cache. It ends when all of them are
// there, with the first error, or with stop; what is there then stays.
type warming struct {
	t      *Tree
	filler *cache.Filler
	begun  time.Time
	cancel context.CancelFunc
	done   chan struct{}

	mu    sync.Mutex // guards state, but what the filler counts
	state Warmed
}

// warmFile is one to be fetched.
type warmFile struct {
	path string
	size int64
	node Stored
}

// startWarming begins to fetch paths of a version, as the caller; all of it if there
// are none.
func (t *Tree) startWarming(ctx context.Context, v *Version, in Dir, paths []string) *warming {
	long, cancel := context.WithCancel(context.WithoutCancel(ctx))
	w := &warming{t: t, filler: cache.NewFiller(warmWide), begun: time.Now(), cancel: cancel, done: make(chan struct{})}
	w.state = Warmed{Name: v.Name, Version: v.N, Lane: "cache", Running: true}
	go func() {
		defer close(w.done)
		defer cancel()
		err := w.run(long, v, in, paths)
		w.mu.Lock()
		defer w.mu.Unlock()
		w.state.Running, w.state.Seconds = false, time.Since(w.begun).Seconds()
		if err != nil {
			w.state.Error = err.Error()
		}
		t.opt.Log.Info("warmed", "artifact", v.Name, "version", v.N, "files", w.state.Done, "fetched", w.filler.Fetched(), "err", err)
	}()
	return w
}

// stop gives up what is missing. It does not wait: what a hung disk does is not known.
func (w *warming) stop() { w.cancel() }

func (w *warming) now() Warmed {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.state
	s.Fetched = w.filler.Fetched()
	if s.Running {
		s.Seconds = time.Since(w.begun).Seconds()
	}
	return s
}

func (w *warming) note(fn func(s *Warmed)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	fn(&w.state)
}

func (w *warming) run(ctx context.Context, v *Version, in Dir, paths []string) error {
	if err := w.t.opt.Cache.Scanned(ctx); err != nil {
		return err
	}
	if len(paths) == 0 {
		paths = []string{""}
	}
	var files []warmFile
	for _, p := range paths {
		list, err := w.find(ctx, in, p)
		if err != nil {
			return fmt.Errorf("%s: %w", path.Join(v.String(), p), err)
		}
		files = append(files, list...)
	}
	if err := w.fits(v, files); err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(warmWide)
	for _, f := range files {
		g.Go(func() error {
			if err := w.fill(ctx, f); err != nil {
				return fmt.Errorf("%s: %w", path.Join(v.String(), f.path), err)
			}
			w.note(func(s *Warmed) { s.Done++ })
			return nil
		})
	}
	return g.Wait()
}

// fits looks whether the cache can hold all of the files at once.
func (w *warming) fits(v *Version, files []warmFile) error {
	c := w.t.opt.Cache
	room, kept, bytes := int64(0), int64(0), int64(0)
	for _, f := range files {
		room, bytes = room+c.Room(f.size), bytes+f.size
		open := c.Object(f.node.Object(), f.size)
		kept += open.Kept()
		open.Close()
	}
	w.note(func(s *Warmed) { s.Bytes, s.Kept = bytes, kept })
	if holds := c.Holds(); room > holds {
		return fmt.Errorf("%s takes %d bytes of the cache, which holds %d: name paths of it that fit, or make artifactfs.cache_size larger: %w", v, room, holds, syscall.ENOSPC)
	}
	return nil
}

func (w *warming) fill(ctx context.Context, f warmFile) error {
	open := w.t.opt.Cache.Object(f.node.Object(), f.size)
	defer open.Close()
	return w.filler.Fill(ctx, open)
}

// find returns the files at a path of a version and below. Those on this machine are
// read from there, and left out.
func (w *warming) find(ctx context.Context, in Dir, at string) ([]warmFile, error) {
	e := Entry{Node: in}
	for name := range strings.SplitSeq(at, "/") {
		d, ok := e.Node.(Dir)
		if !ok {
			return nil, syscall.ENOTDIR
		}
		if name == "" || name == "." {
			continue
		}
		var err error
		if e, err = d.Lookup(ctx, name); err != nil {
			return nil, err
		}
	}
	return w.below(ctx, e, at)
}

func (w *warming) below(ctx context.Context, e Entry, at string) ([]warmFile, error) {
	switch n := e.Node.(type) {
	case Stored:
		if err := n.Access(ctx, 4); err != nil {
			return nil, err
		}
		w.note(func(s *Warmed) { s.Files++ })
		return []warmFile{{at, e.Attr.Size, n}}, nil
	case Dir:
		return w.dir(ctx, n, at)
	}
	return nil, nil
}

func (w *warming) dir(ctx context.Context, d Dir, at string) ([]warmFile, error) {
	list, err := d.ReadDir(ctx)
	if err != nil {
		return nil, err
	}
	entries := make([]Entry, len(list))
	g, in := errgroup.WithContext(ctx)
	g.SetLimit(warmWide)
	for i, e := range list {
		g.Go(func() (err error) {
			entries[i], err = d.Lookup(in, e.Name)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	var files []warmFile
	for i, e := range list {
		if _, local := entries[i].Node.(*dataDir); local {
			continue
		}
		more, err := w.below(ctx, entries[i], path.Join(at, e.Name))
		if err != nil {
			return nil, err
		}
		files = append(files, more...)
	}
	return files, nil
}

// errNoCache is that there is nowhere to fetch to.
var errNoCache = errors.New("its data is behind a network, and there is no cache to fetch it into: artifactfs.cache_dir is not set, or status says why it is not used")
