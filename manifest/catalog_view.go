package manifest

import (
	"context"
	"strconv"
	"time"

	"artifactfs.dev/artifactfs/internal/store/bucket"
)

// held is a store of commits as it was last seen.
type held struct {
	view *bucket.View
	at   time.Time
}

// view returns the store as it was at most a TTL ago, after this process's own changes:
// one request for all artifacts.
func (c *Catalog) view(ctx context.Context) (held, error) {
	c.mu.Lock()
	h, gen := c.held, c.moves
	c.mu.Unlock()
	if h.view != nil && time.Since(h.at) < c.life() {
		return h, nil
	}
	got, err, _ := c.views.Do(strconv.FormatUint(gen, 10), func() (any, error) {
		h := held{at: time.Now()}
		var err error
		if h.view, err = c.b.View(context.WithoutCancel(ctx)); err != nil {
			return nil, c.judge(err)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.moves == gen {
			c.held = h
		}
		return h, nil
	})
	if err != nil {
		return held{}, err
	}
	return got.(held), nil
}

// begin settles which commit is listed, and returns old if it has all there is: the
// store is at the same commit, or what the artifact has is the same by git's names of
// its directories, which are asked for at once.
func (sc *scanning) begin(ctx context.Context, old *snapshot) (*snapshot, error) {
	h, err := sc.c.view(ctx)
	if err != nil {
		return nil, err
	}
	sc.b, sc.s.at, sc.s.commit = h.view.Bucket, h.at, h.view.ID()
	same := old != nil && old.commit == sc.s.commit
	if !same {
		trees, err := h.view.Trees(ctx, sc.name, ownDir+"/log/"+sc.name, ownDir+"/retired/"+sc.name, indexFile)
		if err = sc.c.judge(err); err != nil {
			return nil, err
		}
		sc.s.trees = trees
		same = old != nil && trees != "" && old.trees == trees
	}
	if !same {
		return nil, nil
	}
	again := *old
	again.at, again.commit = sc.s.at, sc.s.commit
	return &again, nil
}
