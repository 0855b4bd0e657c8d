package manifest

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"artifactfs.dev/artifactfs/internal/store/bucket"
)

// scanParallel is how many requests one listing of an artifact makes at a time.
const scanParallel = 16

// scanning is one listing of an artifact.
type scanning struct {
	c    *Catalog
	b    *bucket.Bucket // the store, as it is at one commit if it has such
	name string
	s    *snapshot

	versions []int          // with objects of their own, spelled as readers look for them
	ours     map[int]bool   // claimed by their sidecar
	below    []string       // names that go on from this one
	pointers []bucket.Entry // latest, and what may be aliases
	index    *bucketIndex
	mu       sync.Mutex // guards what the parallel part fills in
}

// scan reads an artifact: three listings, and of versions that are new their record,
// or one listing of all objects where they are many. What old knows to be complete is
// not read again. Where the store has commits, one request tells whether there is
// anything new.
func (c *Catalog) scan(ctx context.Context, name string, old *snapshot) (*snapshot, error) {
	sc := &scanning{c: c, b: c.b, name: name, ours: make(map[int]bool), s: &snapshot{at: time.Now()}}
	if c.b.Commits() {
		if same, err := sc.begin(ctx, old); err != nil || same != nil {
			return same, err
		}
	}
	return sc.read(ctx, old)
}

func (sc *scanning) read(ctx context.Context, old *snapshot) (*snapshot, error) {
	c, name := sc.c, sc.name
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return sc.b.List(gctx, name+"/", "/", sc.entry) })
	g.Go(func() error { return eachOwn(gctx, sc.b, "log", name, func(v int) { sc.ours[v] = true }) })
	g.Go(func() error {
		return eachOwn(gctx, sc.b, "retired", name, func(v int) { sc.s.retired = append(sc.s.retired, v) })
	})
	g.Go(func() (err error) { sc.index, err = c.legacyIn(gctx, sc.b, sc.s.commit, sc.s.at); return err })
	if err := c.judge(g.Wait()); err != nil {
		return nil, err
	}
	s := sc.s
	s.legacy = sc.index.numbers(name)
	s.claimed = append(s.claimed, s.legacy...)
	sc.below = append(sc.below, sc.index.below(name)...)
	for v := range sc.ours {
		s.claimed = append(s.claimed, v)
	}
	if len(s.claimed) == 0 && len(sc.pointers) == 0 {
		return nil, c.noArtifact(name)
	}
	slices.Sort(s.claimed)
	s.claimed = slices.Compact(s.claimed)
	slices.Sort(s.retired)
	slices.Sort(sc.below)
	s.below = pack(slices.Compact(sc.below))
	if err := sc.findComplete(ctx, old); err != nil {
		return nil, c.judge(err)
	}
	s.join(&sc.index.legacyIndex, name)
	if err := sc.readPointers(ctx); err != nil {
		return nil, c.judge(err)
	}
	s.alias(sc.index.names[name].aliases)
	return s, nil
}

// entry takes one name that lies directly below the artifact.
func (sc *scanning) entry(e bucket.Entry) error {
	base := path.Base(e.Key)
	v, canonical, isNumber := number(base)
	switch {
	case isNumber:
		sc.s.claimed = append(sc.s.claimed, v)
		if canonical && e.Dir {
			sc.versions = append(sc.versions, v)
		}
	case e.Dir && CheckName(base) == nil:
		sc.below = append(sc.below, base)
	case mayPoint(e, len(sc.pointers)):
		sc.pointers = append(sc.pointers, e)
	}
	if e.ModTime.After(sc.s.mtime) {
		sc.s.mtime = e.ModTime
	}
	return nil
}

// eachOwn calls fn with every version that has an object of ours of this kind.
func eachOwn(ctx context.Context, b *bucket.Bucket, kind, name string, fn func(v int)) error {
	return b.List(ctx, ownDir+"/"+kind+"/"+name+"/", "/", func(e bucket.Entry) error {
		base, ok := strings.CutSuffix(path.Base(e.Key), ".json")
		if v, canonical, _ := number(base); ok && canonical && !e.Dir {
			fn(v)
		}
		return nil
	})
}

// findComplete settles which versions exist for readers. An object in a bucket is
// whole when it is seen, so that of a version we have claimed manifest.json need only
// be there; what others wrote is read.
func (sc *scanning) findComplete(ctx context.Context, old *snapshot) error {
	var unknown []int
	for _, v := range sc.versions {
		if old != nil && contains(old.complete, v) {
			sc.s.complete = append(sc.s.complete, v)
		} else {
			unknown = append(unknown, v)
		}
	}
	there := map[int]bool(nil)
	if len(unknown) > scanParallel {
		var err error
		if there, err = sc.withManifest(ctx); err != nil {
			return err
		}
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(scanParallel)
	for _, v := range unknown {
		if there != nil && (sc.ours[v] || !there[v]) {
			if there[v] {
				sc.found(v)
			}
			continue
		}
		g.Go(func() error {
			ok, err := sc.c.complete(gctx, sc.name, v)
			if ok {
				sc.found(v)
			}
			return err
		})
	}
	err := g.Wait()
	slices.Sort(sc.s.complete)
	return err
}

func (sc *scanning) found(v int) {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	sc.s.complete = append(sc.s.complete, v)
}

// withManifest returns the versions that have an object manifest.json.
func (sc *scanning) withManifest(ctx context.Context) (map[int]bool, error) {
	there := make(map[int]bool)
	err := sc.b.List(ctx, sc.name+"/v", "", func(e bucket.Entry) error {
		dir, file := path.Split(e.Key)
		v, canonical, _ := number(path.Base(dir))
		if canonical && file == "manifest.json" && path.Dir(path.Clean(dir)) == sc.name {
			there[v] = true
		}
		return nil
	})
	return there, err
}

// readPointers finds out what latest and what may be aliases name.
func (sc *scanning) readPointers(ctx context.Context) error {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(scanParallel)
	sc.s.latest = pointer{absent: true}
	for _, e := range sc.pointers {
		if p, ok := listedPointer(e, sc.s.complete); ok {
			sc.s.point(e, p)
			continue
		}
		g.Go(func() error {
			p, _, err := pointerIn(gctx, sc.b, sc.name, path.Base(e.Key))
			if err == nil {
				sc.mu.Lock()
				defer sc.mu.Unlock()
				sc.s.point(e, p)
			}
			return err
		})
	}
	return g.Wait()
}

// mayPoint reports whether an object is latest, or may be an alias beside so many.
func mayPoint(e bucket.Entry, beside int) bool {
	base := path.Base(e.Key)
	return !e.Dir && (base == Latest || CheckAlias(base) == nil && e.Size <= maxPointer && beside < maxAliasFiles)
}

// point notes what latest or an alias names.
func (s *snapshot) point(e bucket.Entry, p pointer) {
	if alias := path.Base(e.Key); alias == Latest {
		s.latest = p
	} else if p.ok && s.exists(p.v) {
		s.name(alias, p.v)
	}
}

// guesses is how many versions an object is compared with that may name one.
const guesses = 1000

// listedPointer returns which of versions an object names, if its listing says so: a
// digest of a few bytes is as good as the bytes.
func listedPointer(e bucket.Entry, versions []int) (pointer, bool) {
	for _, v := range slices.Backward(versions[max(0, len(versions)-guesses):]) {
		text := Version(v).String()
		if e.Holds([]byte(text)) || e.Holds([]byte(text+"\n")) {
			return textPointer([]byte(text)), true
		}
	}
	return pointer{}, false
}

// pointerIn reads latest or an alias, and the tag of what it says.
func pointerIn(ctx context.Context, in *bucket.Bucket, name, entry string) (pointer, string, error) {
	b, tag, err := in.Read(ctx, name+"/"+entry, maxPointer)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return pointer{absent: true}, "", nil
	case errors.Is(err, fs.ErrInvalid):
		return pointer{text: "a long text"}, tag, nil
	case err != nil:
		return pointer{}, "", err
	}
	return textPointer(b), tag, nil
}
