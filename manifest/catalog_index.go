package manifest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"syscall"
	"time"

	"artifactfs.dev/artifactfs/internal/store/bucket"
)

// bucketIndex is upstream's older index as it was at one time.
type bucketIndex struct {
	legacyIndex
	at     time.Time
	commit string // of a store that has such
	tag    string // "": there is none
}

// legacy returns the index as it was at most a TTL ago: one request for all artifacts.
// A broken one is no index, as in a directory.
func (c *Catalog) legacy(ctx context.Context) (*bucketIndex, error) {
	if !c.b.Commits() {
		return c.legacyIn(ctx, c.b, "", time.Now())
	}
	h, err := c.view(ctx)
	if err != nil {
		return nil, err
	}
	return c.legacyIn(ctx, h.view.Bucket, h.view.ID(), h.at)
}

// legacyIn is legacy of the store as it is at one commit, if it has such.
func (c *Catalog) legacyIn(ctx context.Context, b *bucket.Bucket, commit string, at time.Time) (*bucketIndex, error) {
	x := &bucketIndex{at: at, commit: commit}
	c.mu.Lock()
	old, gen := c.index, c.moves
	c.mu.Unlock()
	if old != nil && (x.commit != "" && x.commit == old.commit || x.commit == "" && time.Since(old.at) < c.life()) {
		return old, nil
	}
	got, err, _ := c.views.Do("index "+x.commit+strconv.FormatUint(gen, 10), func() (any, error) {
		if err := c.readIndex(context.WithoutCancel(ctx), b, x, old); err != nil {
			return nil, err
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.moves == gen {
			c.index = x
		}
		return x, nil
	})
	if err != nil {
		return nil, err
	}
	return got.(*bucketIndex), nil
}

// readIndex fills in x.
func (c *Catalog) readIndex(ctx context.Context, in *bucket.Bucket, x, old *bucketIndex) error {
	b, tag, err := in.Read(ctx, indexFile, maxRecord)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil && !errors.Is(err, fs.ErrInvalid):
		return c.judge(err)
	case err == nil && old != nil && old.tag == tag:
		x.legacyIndex, x.tag = old.legacyIndex, tag
		return nil
	}
	if x.tag = tag; err == nil {
		x.names, err = parseIndex(b)
	}
	if err != nil {
		x.warning = fmt.Sprintf("%s is ignored: %v", indexFile, err)
		c.log.Warn("legacy index ignored", "store", c.b.String(), "err", err)
	}
	return nil
}

// legacyTop returns the highest number that name has in the index, as far as that is
// known: a log does not ask again for what nobody changes any more.
func (c *Catalog) legacyTop(ctx context.Context, in *bucket.Bucket, commit, name string) (int, error) {
	c.mu.Lock()
	x := c.index
	c.mu.Unlock()
	if x == nil {
		var err error
		if x, err = c.legacyIn(ctx, in, commit, time.Now()); err != nil {
			return 0, err
		}
	}
	return x.highest(name), nil
}

// seenIndex takes what a listing of the root says of the index: that there is none, or
// the same as before. That saves the request for it.
func (c *Catalog) seenIndex(at time.Time, commit, tag string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch old := c.index; {
	case old != nil && !at.After(old.at):
	case tag == "":
		c.index = &bucketIndex{at: at, commit: commit}
	case old != nil && old.tag == tag:
		again := *old
		again.at, again.commit = at, commit
		c.index = &again
	}
}

// IndexSize returns the size of the index; fs.ErrNotExist if the store had none a TTL
// ago.
func (c *Catalog) IndexSize(ctx context.Context) (int64, error) {
	x, err := c.legacy(ctx)
	if err == nil && x.tag == "" {
		err = fs.ErrNotExist
	}
	if err != nil {
		return 0, c.indexErr(err)
	}
	o, err := c.b.Stat(ctx, indexFile)
	if err != nil {
		return 0, c.indexErr(c.judge(err))
	}
	return o.Size, nil
}

// Index returns the index as it is.
func (c *Catalog) Index(ctx context.Context) ([]byte, error) {
	b, _, err := c.b.Read(ctx, indexFile, maxRecord)
	return b, c.indexErr(c.judge(err))
}

func (c *Catalog) indexErr(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s of store %s: %w", indexFile, c, err)
}

// SetIndex puts b in the place of the index that is there, and of no other: as
// Dir.SetIndex, with the same errors.
func (c *Catalog) SetIndex(ctx context.Context, b []byte) error {
	if c.readOnly {
		return c.indexErr(fmt.Errorf("the store is opened for reading only: %w", syscall.EROFS))
	}
	if len(b) > maxRecord {
		return c.indexErr(fmt.Errorf("it is longer than %d bytes: %w", maxRecord, syscall.EFBIG))
	}
	if err := checkIndex(b); err != nil {
		return c.indexErr(fmt.Errorf("%w: %w", err, fs.ErrInvalid))
	}
	give, err := c.turns.take(ctx, indexFile)
	if err != nil {
		return c.indexErr(err)
	}
	defer give()
	err = c.replaceIndex(context.WithoutCancel(ctx), b)
	c.mu.Lock()
	c.index, c.held, c.moves = nil, held{}, c.moves+1
	c.mu.Unlock()
	c.Refresh("")
	return c.indexErr(err)
}

func (c *Catalog) replaceIndex(ctx context.Context, b []byte) error {
	for range latestTries {
		was, tag, err := c.b.Read(ctx, indexFile, maxRecord)
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrInvalid) {
			return c.judge(err)
		}
		old := &legacyIndex{}
		if err == nil {
			old.names, _ = parseIndex(was) // what is broken has no versions to keep
		}
		if err := keepsVersions(old, b); err != nil {
			return err
		}
		if err := c.b.Replace(ctx, indexFile, b, tag); !errors.Is(err, bucket.ErrChanged) {
			return c.judge(err)
		}
	}
	return fmt.Errorf("it was changed by others %d times meanwhile: %w", latestTries, syscall.EAGAIN)
}

// loadLegacy makes the record of a version that only the index has, as Dir does:
// metadata.json beside the data is read only where that lies in the store.
func (c *Catalog) loadLegacy(ctx context.Context, name string, v int) (*Record, error) {
	x, err := c.legacy(ctx)
	if err != nil {
		return nil, err
	}
	l, ok := x.version(name, v)
	if !ok {
		return nil, fs.ErrNotExist
	}
	var meta []byte
	if dir, ok := strings.CutPrefix(l.path, c.b.String()+"/"); ok {
		meta, _, err = c.b.Read(ctx, strings.Trim(dir, "/")+"/metadata.json", largeRecord)
		if err = c.judge(err); err != nil && !absent(err) {
			return nil, err
		}
	}
	rec := l.record(name, v, meta)
	c.records.put(recordKey{name, v}, cachedRecord{rec: rec, until: time.Now().Add(max(c.life(), time.Second))})
	return rec, nil
}
