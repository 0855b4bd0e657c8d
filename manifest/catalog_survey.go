package manifest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"artifactfs.dev/artifactfs/internal/store/bucket"
)

// A survey goes on as long as it is cheaper than to list each artifact by itself,
// which takes four requests: other objects may lie in the bucket, any number of them.
const (
	surveyAtLeast = 16 * 1000 // objects
	surveyForEach = 4 * 1000  // the same, for each artifact
)

// Survey calls fn with every artifact at prefix and below, "" being all, in no order
// and one at a time. It lists all objects there are, a thousand with each request, and
// reads none whose listing tells what it holds. So it takes the word of others that
// their manifest.json is one, and returns only numbers of versions that have it. It
// fails with errors.ErrUnsupported, having called fn or not, if too much else lies there.
func (c *Catalog) Survey(ctx context.Context, prefix string, fn func(name string, l *Listing)) error {
	sv := &survey{c: c, b: c.b, fn: fn, retired: make(map[string][]int)}
	below := ""
	if prefix != "" {
		if err := CheckName(prefix); err != nil {
			return err
		}
		below = prefix + "/"
	}
	if c.b.Commits() {
		h, err := c.view(ctx)
		if err != nil {
			return err
		}
		sv.b = h.view.Bucket
	}
	index, err := c.legacy(ctx)
	if err != nil {
		return err
	}
	sv.old = maps.Clone(index.names)
	err = sv.run(ctx, below)
	if errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return c.judge(err)
}

// survey is a listing of all objects. Their keys are sorted, so that an artifact is
// known when a key comes that is not below it.
type survey struct {
	c       *Catalog
	b       *bucket.Bucket
	fn      func(string, *Listing)
	retired map[string][]int
	open    []*surveyed // each below the one before it
	objects int
	found   int
	old     map[string]legacyArtifact // of the index, which have not come yet
	reads   *errgroup.Group
	mu      sync.Mutex // held to call fn
}

// surveyed is an artifact as far as its objects have come.
type surveyed struct {
	name     string
	s        snapshot
	pointers []bucket.Entry
}

func (sv *survey) run(ctx context.Context, below string) error {
	err := sv.b.List(ctx, ownDir+"/retired/"+below, "", func(e bucket.Entry) error {
		name, file := path.Split(strings.TrimPrefix(e.Key, ownDir+"/retired/"))
		base, isOurs := strings.CutSuffix(file, ".json")
		if v, canonical, _ := number(base); isOurs && canonical {
			name = strings.TrimSuffix(name, "/")
			sv.retired[name] = append(sv.retired[name], v)
		}
		return nil
	})
	if err != nil {
		return err
	}
	sv.reads, ctx = errgroup.WithContext(ctx)
	sv.reads.SetLimit(scanParallel)
	err = sv.b.List(ctx, below, "", func(e bucket.Entry) error {
		if strings.HasPrefix(e.Key, ownDir+"/") {
			return nil
		}
		if sv.objects++; sv.objects > surveyAtLeast+surveyForEach*sv.found {
			return fmt.Errorf("%s holds more than %d objects, and %d artifacts: %w", sv.c, surveyAtLeast, sv.found, errors.ErrUnsupported)
		}
		sv.add(ctx, e)
		return nil
	})
	for len(sv.open) > 0 {
		sv.close(ctx)
	}
	for name := range sv.old { // of which there are no objects
		if below == "" || strings.HasPrefix(name+"/", below) {
			sv.open = append(sv.open, &surveyed{name: name, s: snapshot{latest: pointer{absent: true}}})
			sv.close(ctx)
		}
	}
	if err2 := sv.reads.Wait(); err2 != nil {
		err = err2
	}
	return err
}

// add takes an object that says something of an artifact.
func (sv *survey) add(ctx context.Context, e bucket.Entry) {
	for len(sv.open) > 0 && !strings.HasPrefix(e.Key, sv.last().name+"/") {
		sv.close(ctx)
	}
	dir, file := path.Split(e.Key)
	dir = strings.TrimSuffix(dir, "/")
	if v, canonical, _ := number(path.Base(dir)); canonical {
		if a := sv.at(path.Dir(dir)); a != nil && file == "manifest.json" && e.Size > 1 {
			if len(a.s.complete) == 0 {
				sv.found++
			}
			a.s.complete = append(a.s.complete, v)
		}
		return
	}
	if a := sv.at(dir); a != nil && mayPoint(e, len(a.pointers)) {
		a.pointers = append(a.pointers, e)
		if e.ModTime.After(a.s.mtime) {
			a.s.mtime = e.ModTime
		}
	}
}

func (sv *survey) last() *surveyed { return sv.open[len(sv.open)-1] }

// at returns the artifact of a name; nil for what can be none.
func (sv *survey) at(name string) *surveyed {
	if len(sv.open) > 0 && sv.last().name == name {
		return sv.last()
	}
	for _, a := range sv.open {
		if a.name == name { // its own objects go on behind those of a longer name
			return a
		}
	}
	if CheckName(name) != nil {
		return nil
	}
	sv.open = append(sv.open, &surveyed{name: name, s: snapshot{latest: pointer{absent: true}}})
	return sv.last()
}

// close hands the last of open over, and reads what its listing does not tell.
func (sv *survey) close(ctx context.Context) {
	a := sv.last()
	sv.open = sv.open[:len(sv.open)-1]
	x := &legacyIndex{names: map[string]legacyArtifact{a.name: sv.old[a.name]}}
	delete(sv.old, a.name)
	slices.Sort(a.s.complete)
	if a.s.join(x, a.name); len(a.s.complete)+len(a.s.legacy) == 0 {
		return
	}
	a.s.retired = sv.retired[a.name]
	slices.Sort(a.s.retired)
	var unread []bucket.Entry
	for _, e := range a.pointers {
		if p, ok := listedPointer(e, a.s.complete); ok {
			a.s.point(e, p)
		} else {
			unread = append(unread, e)
		}
	}
	old := x.names[a.name].aliases
	if len(unread) == 0 {
		a.s.alias(old)
		sv.hand(a)
		return
	}
	sv.reads.Go(func() error {
		for _, e := range unread {
			p, _, err := pointerIn(ctx, sv.b, a.name, path.Base(e.Key))
			if err != nil {
				return err
			}
			a.s.point(e, p)
		}
		a.s.alias(old)
		sv.hand(a)
		return nil
	})
}

func (sv *survey) hand(a *surveyed) {
	l := a.s.listing(NoVersion)
	sv.mu.Lock()
	defer sv.mu.Unlock()
	sv.fn(a.name, l)
}
