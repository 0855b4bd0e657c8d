//go:build linux

package main

import (
	"io"
	"net/http"
	"os"
	"time"

	"golang.org/x/sync/errgroup"
)

// A limit is what there is to be had: plain GETs of ranges, sixteen at a time, without a file system.
type gets struct {
	*servers
	link link
	home string
	http *http.Client
}

const streams = 16

// take measures what take of a client does, as far as it goes.
func (g *gets) take(n volume) (shots, error) {
	g.http = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true, ReadBufferSize: 64 << 10}}
	defer g.http.CloseIdleConnections()
	s := make(shots)
	for _, step := range []func(volume, shots) error{g.firstBytes, g.sequential, g.beside, g.fourReaders, g.mediumFiles, g.smallFiles, g.randomBlocks} {
		settleFor(500 * time.Millisecond)
		if err := step(n, s); err != nil {
			return s, err
		}
	}
	return s, nil
}

// ranges gets an object in ranges of a length, so many at a time.
func (g *gets) ranges(dir string, i int, size, length int64, at int, w func(off int64) io.Writer) error {
	url, err := g.presigned(g.link.s3, dir, i)
	if err != nil {
		return err
	}
	var group errgroup.Group
	group.SetLimit(at)
	for off := int64(0); off < size; off += length {
		group.Go(func() error {
			return get(g.http, url, off, min(length, size-off), w(off), make([]byte, 256<<10))
		})
	}
	return group.Wait()
}

func nowhere(int64) io.Writer { return io.Discard }

func (g *gets) firstBytes(_ volume, s shots) error {
	var all []float64
	for i := range firsts {
		start := time.Now()
		if err := g.ranges("first", i, 4096, 4096, 1, nowhere); err != nil {
			return err
		}
		all = append(all, time.Since(start).Seconds())
	}
	s[rowFirst] = median(all)
	return nil
}

func (g *gets) sequential(n volume, s shots) error {
	start := time.Now()
	if err := g.ranges("big", 0, n.big, 8<<20, streams, nowhere); err != nil {
		return err
	}
	s[rowNowhere] = float64(n.big) / time.Since(start).Seconds()
	settleFor(500 * time.Millisecond)
	freshen(2 * n.big)
	took, err := g.intoFile(n)
	s[rowCold] = float64(n.big) / took.Seconds()
	return err
}

// intoFile gets the big object into a new file, and returns how long that took.
func (g *gets) intoFile(n volume) (took time.Duration, err error) {
	f, err := os.CreateTemp(g.home, "big")
	if err != nil {
		return 0, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	start := time.Now()
	err = g.ranges("big", 0, n.big, 8<<20, streams, func(off int64) io.Writer { return io.NewOffsetWriter(f, off) })
	return time.Since(start), err
}

func (g *gets) fourReaders(n volume, s shots) error {
	freshen(2 * n.four * readers)
	start := time.Now()
	var group errgroup.Group
	for i := range readers {
		group.Go(func() error {
			f, err := os.CreateTemp(g.home, "four")
			if err != nil {
				return err
			}
			defer f.Close()
			return g.ranges("four", i, n.four, 8<<20, streams, func(off int64) io.Writer { return io.NewOffsetWriter(f, off) })
		})
	}
	err := group.Wait()
	s[rowFour] = float64(n.four*readers) / time.Since(start).Seconds()
	return err
}

// mediumFiles gets one after another: in one range where that is quick, in ten where each takes a round trip.
func (g *gets) mediumFiles(n volume, s shots) error {
	parts := int64(1)
	if g.link.sent != nil {
		parts = 10
	}
	start := time.Now()
	for i := range n.mediums {
		if err := g.ranges("medium", i, medium, medium/parts, streams, nowhere); err != nil {
			return err
		}
	}
	s[rowMedium] = float64(n.mediums) * medium / time.Since(start).Seconds()
	return nil
}

func (g *gets) smallFiles(n volume, s shots) error {
	count := min(n.smalls, 2000)
	start := time.Now()
	var group errgroup.Group
	group.SetLimit(streams)
	for i := range count {
		group.Go(func() error { return g.ranges("small", i, 4096, 4096, 1, nowhere) })
	}
	err := group.Wait()
	s[rowSmall] = float64(count) / time.Since(start).Seconds()
	return err
}

func (g *gets) randomBlocks(n volume, s shots) error {
	url, err := g.presigned(g.link.s3, "random", 0)
	if err != nil {
		return err
	}
	start := time.Now()
	for _, off := range n.offsets() {
		if err := get(g.http, url, off, block, io.Discard, make([]byte, block)); err != nil {
			return err
		}
	}
	s[rowRandom] = float64(n.randoms) * block / time.Since(start).Seconds()
	return nil
}
