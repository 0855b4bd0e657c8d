package manifest

import (
	"context"
	"errors"
	"io/fs"
	"sync"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

type recordKey struct {
	name string
	v    int
}

// cachedRecord is a record and the version directory that it was read from: one
// that was removed and made anew is another version.
type cachedRecord struct {
	rec     *Record
	dir     fileID
	until   time.Time // zero: for ever
	visible bool      // there is a manifest.json to be asked whether a caller may read it
	partial bool      // its reader may not read metadata.json: another may
	cost    int64
}

const (
	maxRecords = 4096
	// maxRecordBytes bounds what the kept records take. A parsed value is larger
	// than its text, up to thirty times.
	maxRecordBytes = 16 << 20
)

// recordCache keeps records within a number and a size.
type recordCache struct {
	*lru.Cache[recordKey, cachedRecord]
	bytes atomic.Int64
}

func newRecordCache() *recordCache {
	c := &recordCache{}
	c.Cache, _ = lru.NewWithEvict(maxRecords, func(_ recordKey, r cachedRecord) { c.bytes.Add(-r.cost) })
	return c
}

func (c *recordCache) put(k recordKey, r cachedRecord) {
	r.cost = 1024 + 4*int64(len(r.rec.Raw)+len(r.rec.RawMeta))
	if r.cost > maxRecordBytes/16 {
		return
	}
	c.Remove(k)
	c.bytes.Add(r.cost)
	c.Add(k, r)
	for c.bytes.Load() > maxRecordBytes {
		if _, _, ok := c.RemoveOldest(); !ok {
			return
		}
	}
}

// verdict is that a caller was able to read a record.
type verdict struct {
	who identity
	recordKey
}

// Manifest returns the record of version v, complete or retired: fs.ErrNotExist
// if there is none, fs.ErrPermission if the caller may not read it. Of an index
// store it returns a Record with Legacy set, whose Path is the recorded one.
func (d *Dir) Manifest(ctx context.Context, name string, v int) (*Record, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	key := recordKey{name, v}
	if v < 0 {
		return nil, d.noVersion(name, v, nil)
	}
	if c, ok := d.records.Get(key); ok {
		rec, err := d.cached(ctx, key, c)
		if rec != nil || err != nil {
			return rec, err
		}
	}
	c, err := do(ctx, d, func() (cachedRecord, error) { return d.load(name, v) })
	if err != nil {
		return nil, d.noRecord(ctx, key, err)
	}
	if !c.partial {
		d.records.put(key, c)
		d.read(ctx, key)
	}
	return c.rec, nil
}

// cached returns a kept record if the caller may read it, or nothing if it has
// to be read again.
func (d *Dir) cached(ctx context.Context, key recordKey, c cachedRecord) (*Record, error) {
	stale := !c.until.IsZero() && time.Now().After(c.until)
	if !stale && d.mayRead(ctx, key, d.ttlOr1s()) {
		return c.rec, nil
	}
	same, err := do(ctx, d, func() (bool, error) { return d.check(key, c) })
	var gone *unreachable
	switch {
	case errors.As(err, &gone) && d.mayRead(ctx, key, 0):
		return c.rec, nil // records do not change: no worse than before
	case err != nil:
		return nil, d.refused(ctx, key.name, "read "+Version(key.v).String(), err)
	case same && !stale:
		d.read(ctx, key)
		return c.rec, nil
	}
	d.records.Remove(key)
	return nil, nil
}

// check opens the record as the caller, and tells whether it is the one we know.
func (d *Dir) check(key recordKey, c cachedRecord) (bool, error) {
	if !c.visible {
		return false, d.rootThere()
	}
	_, err := openStat(c.rec.Dir + "/manifest.json")
	if err == nil && c.rec.RawMeta != nil {
		if _, err := openStat(c.rec.Dir + "/metadata.json"); errors.Is(err, fs.ErrPermission) {
			return false, nil // to be read again, as this caller
		}
	}
	if err == nil {
		var id fileID
		if id, err = identify(c.rec.Dir); err == nil {
			return id == c.dir, nil
		}
	}
	if absent(err) {
		return false, d.rootThere()
	}
	return false, err
}

// mayRead reports whether the caller was able to read the record within age; 0
// is ever. Who has no identity is this process itself.
func (d *Dir) mayRead(ctx context.Context, key recordKey, age time.Duration) bool {
	who, foreign := identityOf(ctx)
	if foreign && who.process == 0 && age != 0 {
		return false // cannot be told from another process of another container
	}
	at, ok := d.verdicts.Get(verdict{who, key})
	return ok && (age == 0 || time.Since(at) < age)
}

func (d *Dir) read(ctx context.Context, key recordKey) {
	who, _ := identityOf(ctx)
	d.verdicts.Add(verdict{who, key}, time.Now())
}

func (d *Dir) ttlOr1s() time.Duration { return min(d.life(), time.Second) }

func (d *Dir) noRecord(ctx context.Context, key recordKey, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return d.refused(ctx, key.name, "read "+Version(key.v).String(), err)
}

// keyed gives one holder at a time a turn for each key.
type keyed struct {
	mu   sync.Mutex // guards held
	held map[string]chan struct{}
}

// take waits for key's turn; give ends it.
func (k *keyed) take(ctx context.Context, key string) (give func(), err error) {
	for {
		k.mu.Lock()
		ch, taken := k.held[key]
		if !taken {
			if k.held == nil {
				k.held = make(map[string]chan struct{})
			}
			ch = make(chan struct{})
			k.held[key] = ch
			k.mu.Unlock()
			return func() {
				k.mu.Lock()
				delete(k.held, key)
				k.mu.Unlock()
				close(ch)
			}, nil
		}
		k.mu.Unlock()
		select {
		case <-ch:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
