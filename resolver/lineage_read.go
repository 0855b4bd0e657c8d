package resolver

import (
	"context"
	"sync"

	"artifactfs.dev/artifactfs/manifest"
)

const (
	lineageAhead = 128 // records that are read and not asked for yet
	lineageTries = 16  // versions that are asked for what is kept of them, before all are listed
)

// lineageReader reads the records of a graph, several at a time: those that the nodes at
// hand were made from, and along a chain those that come next if it goes on as it did, as
// files are read ahead. Whoever makes the graph asks for them in its own order.
type lineageReader struct {
	ctx   context.Context
	slots chan struct{}
	wg    sync.WaitGroup

	// Of the one that asks.
	begun  map[recordAt]*lineageRecord
	chains map[recordAt]*lineageChain // by name: the number is 0

	mu      sync.Mutex // guards what follows
	tries   int
	keeping map[*Tree]func() (map[string]bool, error)
}

// recordAt is a version of a side.
type recordAt struct {
	side *Tree
	name string
	n    int
}

// lineageRecord is a record that is being read. Its fields are for who has seen it done.
type lineageRecord struct {
	done chan struct{}
	v    *Version
	refs []string // what it was made from
	err  error
}

// lineageChain is what was asked of one name.
type lineageChain struct {
	last, stride int // the last number, and how far it was below the one before
	window       int // how many are read ahead
	next         int // the first that is not
}

// newLineageReader returns a reader; stop ends what it is reading ahead.
func newLineageReader(ctx context.Context) (r *lineageReader, stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	r = &lineageReader{
		ctx: ctx, slots: make(chan struct{}, lineageReads), begun: map[recordAt]*lineageRecord{}, chains: map[recordAt]*lineageChain{},
		keeping: map[*Tree]func() (map[string]bool, error){},
	}
	return r, func() {
		cancel()
		r.wg.Wait()
	}
}

// read returns a version, and what it was made from.
func (r *lineageReader) read(at recordAt) (*Version, []string, error) {
	rec := r.begin(at)
	r.ahead(at)
	<-rec.done
	delete(r.begun, at)
	return rec.v, rec.refs, rec.err
}

// begin begins to read a record, unless it is being read.
func (r *lineageReader) begin(at recordAt) *lineageRecord {
	if rec := r.begun[at]; rec != nil {
		return rec
	}
	rec := &lineageRecord{done: make(chan struct{})}
	r.begun[at] = rec
	r.wg.Go(func() {
		defer close(rec.done)
		select {
		case r.slots <- struct{}{}:
			defer func() { <-r.slots }()
			rec.v, rec.refs, rec.err = r.load(at)
		case <-r.ctx.Done():
			rec.err = r.ctx.Err()
		}
	})
	return rec
}

// expect begins to read a record that will be asked for. W&B is asked one by one.
func (r *lineageReader) expect(at recordAt) {
	if len(r.begun) < lineageAhead && !at.side.byWandB(r.ctx, at.name) {
		r.begin(at)
	}
}

// ahead begins to read the records that come next, if the numbers of a name go down evenly:
// more of them the longer that holds.
func (r *lineageReader) ahead(at recordAt) {
	name := recordAt{side: at.side, name: at.name}
	c := r.chains[name]
	if c == nil {
		c = &lineageChain{last: at.n}
		r.chains[name] = c
		return
	}
	stride := c.last - at.n
	c.last = at.n
	switch {
	case stride == 0:
		return
	case stride < 0 || stride != c.stride:
		c.stride, c.window, c.next = stride, 0, at.n
		return
	}
	c.window = min(max(4, 2*c.window), lineageAhead/2)
	for c.next = min(c.next, at.n-stride); c.next >= 0 && c.next >= at.n-stride*c.window; c.next -= stride {
		r.expect(recordAt{at.side, at.name, c.next})
	}
}

// load reads a record. Unlike Tree.version it does not look who else may read it.
func (r *lineageReader) load(at recordAt) (*Version, []string, error) {
	rec, err := at.side.src.Manifest(r.ctx, at.name, at.n)
	if err != nil {
		return nil, nil, err
	}
	v := &Version{Name: at.name, N: at.n, Record: rec, in: at.side.in}
	kept, err := r.keeps(v, at.side)
	if err != nil || !kept {
		return v, rec.Manifest.UsedArtifacts, err
	}
	refs, err := at.side.MadeFrom(r.ctx, v)
	return v, refs, err
}

// keeps reports whether more may be known of what a version was made from than its record
// says. To list once of which that is so takes less than to ask for many.
func (r *lineageReader) keeps(v *Version, side *Tree) (bool, error) {
	r.mu.Lock()
	r.tries++
	list := r.keeping[side]
	if list == nil {
		list = sync.OnceValues(func() (map[string]bool, error) { return side.keeping(r.ctx) })
		r.keeping[side] = list
	}
	few := r.tries <= lineageTries
	r.mu.Unlock()
	if few {
		return true, nil
	}
	all, err := list()
	return all[v.Name+":"+manifest.Version(v.N).String()], err
}
