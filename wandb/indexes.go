package wandb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/sync/singleflight"

	"artifactfs.dev/artifactfs/wandb/internal/gql"
)

// indexes reads manifests, and keeps the indexes of the last ones by artifact: a
// committed manifest never changes.
type indexes struct {
	s       *Source
	flights singleflight.Group

	mu      sync.Mutex // guards what follows
	kept    *lru.Cache[string, *index]
	entries int // of all that are kept
}

// The limits of what is kept. An entry takes eight bytes of memory, and those of small
// manifests as many more as they are long.
const (
	manyIndexes = 64
	manyEntries = 4 << 20
)

func newIndexes(s *Source) *indexes {
	x := &indexes{s: s}
	var err error
	if x.kept, err = lru.NewWithEvict(manyIndexes, func(_ string, old *index) { x.entries -= old.len() }); err != nil {
		panic(err) // the size is a constant
	}
	return x
}

// get returns the index of an artifact.
func (x *indexes) get(ctx context.Context, id string) (*index, error) {
	x.mu.Lock()
	known, ok := x.kept.Get(id)
	x.mu.Unlock()
	if ok {
		return known, nil
	}
	flight := x.flights.DoChan(id, func() (any, error) {
		// A manifest of millions takes minutes. Whoever asks again finds it then.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Minute)
		defer cancel()
		i, err := x.s.readManifest(ctx, id)
		if err == nil {
			x.keep(id, i)
		}
		return i, err
	})
	select {
	case got := <-flight:
		i, _ := got.Val.(*index)
		return i, got.Err
	case <-ctx.Done():
		return nil, x.s.health.late(ctx)
	}
}

func (x *indexes) keep(id string, i *index) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.kept.Add(id, i)
	x.entries += i.len()
	for x.entries > manyEntries && x.kept.Len() > 1 {
		x.kept.RemoveOldest()
	}
}

// trim forgets all but the last few.
func (x *indexes) trim() {
	x.mu.Lock()
	defer x.mu.Unlock()
	for x.kept.Len() > manyIndexes/kept {
		x.kept.RemoveOldest()
	}
}

// readManifest fetches a manifest, from a new address each time it fails.
func (s *Source) readManifest(ctx context.Context, id string) (*index, error) {
	const tries = 3
	for try := 1; ; try++ {
		x, err := s.tryManifest(ctx, id)
		var cut *cutError
		if err == nil || try == tries || !errors.As(err, &cut) {
			return x, err
		}
		if !awake(ctx, time.Duration(try)*500*time.Millisecond) {
			return nil, s.health.late(ctx)
		}
	}
}

// cutError is what went wrong while something was fetched, and need not again.
type cutError struct{ error }

func (c *cutError) Unwrap() error { return c.error }

func (s *Source) tryManifest(ctx context.Context, id string) (*index, error) {
	r, err := ask(ctx, func(ctx context.Context) (*gql.ManifestURLResponse, error) { return gql.ManifestURL(ctx, s.c, id) })
	switch {
	case err != nil:
		return nil, err
	case r.Artifact == nil || r.Artifact.State != gql.ArtifactStateCommitted || r.Artifact.CurrentManifest == nil:
		return nil, fmt.Errorf("a version's manifest is gone from W&B at %s: %w", s.c, fs.ErrNotExist)
	}
	ctx, silent := context.WithCancelCause(ctx)
	defer silent(nil)
	timer := time.AfterFunc(stall, func() { silent(context.DeadlineExceeded) })
	defer timer.Stop()
	res, err := s.c.fetch(ctx, s.c.files, r.Artifact.CurrentManifest.File.DirectUrl, nil)
	if context.Cause(ctx) == context.DeadlineExceeded {
		err = &cutError{s.c.fail(TimedOut, "manifest", "no answer within %v", stall)}
	}
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		e := s.c.refused(res, "manifest")
		if retryable(e.Kind, e.Status) || signedAway(res.StatusCode) {
			return nil, &cutError{e}
		}
		return nil, e
	}
	body := &watched{r: res.Body, timer: timer}
	x, err := readIndex(body, s.opt.Dir)
	if body.err != nil {
		_, words := networkError(body.err)
		if context.Cause(ctx) == context.DeadlineExceeded {
			words = "it stopped coming"
		}
		return nil, &cutError{s.c.fail(Unreachable, "manifest", "%s", words)}
	}
	if err != nil {
		return nil, s.c.fail(BadAnswer, "manifest", "the manifest cannot be used: %s", clean(err.Error()))
	}
	return x, nil
}

// watched is a reader that is broken when it is silent, and remembers what broke it.
type watched struct {
	r     io.Reader
	timer *time.Timer
	err   error
}

func (w *watched) Read(b []byte) (int, error) {
	w.timer.Reset(stall)
	n, err := w.r.Read(b)
	w.timer.Stop()
	if err != nil && err != io.EOF {
		w.err = err
	}
	return n, err
}
