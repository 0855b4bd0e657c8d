package cache

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

// ErrNoRoom is that content cannot be kept: it has no room, or the disk fails.
var ErrNoRoom = errors.New("the cache cannot keep it: everything in it is being read, or its disk fails")

// ErrUnnamed is that content cannot be kept, for nothing names it for certain.
var ErrUnnamed = errors.New("its store does not say what content it is, so it cannot be kept")

// Room returns what a file of size bytes takes of the cache's size at most.
func (c *Cache) Room(size int64) int64 {
	units := (size + unit - 1) / unit
	blocks := (units + int64(c.unitsPer) - 1) / int64(c.unitsPer)
	return objectCharge + blocks*blockCharge + (size+page-1)/page*page
}

// Holds returns how many bytes can be kept at a time.
func (c *Cache) Holds() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.limit - c.limit/spare
}

// Kept returns how many bytes of the file are there.
func (f *File) Kept() int64 {
	if f.o == nil {
		return 0
	}
	f.c.mu.Lock()
	defer f.c.mu.Unlock()
	n := int64(0)
	for _, b := range f.o.blocks {
		n += int64(b.have.count()) * unit
		if last := b.units() - 1; b.have.has(last) {
			n -= int64(unit - f.o.length(b.first()+int64(last)))
		}
	}
	return n
}

// Filler fetches whole files. All that use one have so many requests at a time.
type Filler struct {
	turns   chan struct{}
	fetched atomic.Int64
}

// NewFiller returns a Filler that has n requests under way at a time.
func NewFiller(n int) *Filler { return &Filler{turns: make(chan struct{}, n)} }

// Fetched returns how many bytes have come.
func (fl *Filler) Fetched() int64 { return fl.fetched.Load() }

// Fill fetches what is missing of a file, and then looks whether all of it is right: who
// opens it after that has it passed through. What a store does not answer is asked
// for again a few times. An error with ErrNoRoom or ErrUnnamed says why it cannot be kept.
func (fl *Filler) Fill(ctx context.Context, f *File) error {
	switch {
	case f.size == 0:
		return nil
	case f.o == nil:
		return ErrUnnamed
	}
	for range tries {
		if err := fl.fetch(ctx, f); err != nil {
			return err
		}
		file, err := f.Open(ctx)
		if err == nil {
			return file.Close()
		}
		if !errors.Is(err, ErrIncomplete) {
			return err
		}
	}
	return ErrNoRoom // it is driven out, or damaged, as soon as it is there
}

// fetch fetches the blocks that are not all there.
func (fl *Filler) fetch(ctx context.Context, f *File) error {
	per := int64(f.c.unitsPer) * unit
	g, ctx := errgroup.WithContext(ctx)
	for index := range (f.size + per - 1) / per {
		select {
		case fl.turns <- struct{}{}:
		case <-ctx.Done():
			if err := g.Wait(); err != nil {
				return err
			}
			return ctx.Err()
		}
		g.Go(func() error {
			defer func() { <-fl.turns }()
			return fl.patiently(ctx, f, index)
		})
	}
	return g.Wait()
}

// patiently fetches a block, anew after a pause when the store fails.
func (fl *Filler) patiently(ctx context.Context, f *File, index int64) error {
	for pause := 250 * time.Millisecond; ; pause *= 2 {
		err := fl.block(ctx, f, index)
		if err == nil || ctx.Err() != nil || pause > 2*time.Second {
			return err
		}
		for _, final := range []error{fs.ErrNotExist, fs.ErrPermission, syscall.EIO, ErrNoRoom} {
			if errors.Is(err, final) {
				return err
			}
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// block fetches what is missing of one. A unit is counted when it is passed: some of a request come
// while those before them are looked at.
func (fl *Filler) block(ctx context.Context, f *File, index int64) error {
	b, err := f.c.hold(ctx, f.o, index)
	if errors.Is(err, errHung) {
		return ErrNoRoom
	} else if err != nil {
		return err
	}
	defer f.c.release(b)
	r := reading{f: f, b: b}
	f.c.mu.Lock()
	had := b.have
	f.c.mu.Unlock()
	for i, last := 0, b.units()-1; i <= last; {
		f.c.mu.Lock()
		there, gap := b.run(i, last), 1
		for i+gap <= last && !b.have.has(i+gap) {
			gap++
		}
		f.c.mu.Unlock()
		for range there {
			if !had.has(i) {
				fl.fetched.Add(int64(f.o.length(b.first() + int64(i))))
			}
			i++
		}
		if there > 0 {
			continue
		}
		_, err := r.await(ctx, i, i+gap-1)
		if errors.Is(err, errNotKept) {
			return ErrNoRoom
		} else if err != nil {
			return fmt.Errorf("bytes from %d: %w", (b.first()+int64(i))*unit, err)
		}
	}
	return nil
}
