package cache_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"artifactfs.dev/artifactfs/internal/store"
	"artifactfs.dev/artifactfs/internal/store/bucket/buckettest"
	"artifactfs.dev/artifactfs/internal/store/cache"
)

// Everything against what there is to be had in the same minute: sixteen ranges of
// 8 MiB at a time, into a file. Use the ratios.
func BenchmarkStore(b *testing.B) {
	const size = 512 << 20
	bk := openBucket(b, buckettest.S3(b).URI)
	if err := bk.Create(b.Context(), "x", content(size)); err != nil {
		b.Fatal(err)
	}
	src, err := bk.Stat(b.Context(), "x")
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		limit := clock(func() { parallelGets(b, src, size) })
		c, err := cache.Open(b.TempDir(), &cache.Options{Size: 2 * size})
		if err != nil {
			b.Fatal(err)
		}
		cold := clock(func() { sequential(b, c, src, size) })
		second := clock(func() { sequential(b, c, src, size) })
		c.Close()
		b.ReportMetric(size/limit.Seconds()/(1<<20), "limit-MiB/s")
		b.ReportMetric(limit.Seconds()/cold.Seconds(), "cold/limit")
		b.ReportMetric(limit.Seconds()/second.Seconds(), "second/limit")
		b.ReportMetric(random(b, src, size), "over-read")
	}
}

func clock(fn func()) time.Duration {
	start := time.Now()
	fn()
	return time.Since(start)
}

func parallelGets(b *testing.B, src store.Object, size int64) {
	f, err := os.CreateTemp(b.TempDir(), "")
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	var g errgroup.Group
	g.SetLimit(16)
	for off := int64(0); off < size; off += 8 << 20 {
		g.Go(func() error {
			r, err := src.ReadRange(context.Background(), off, 8<<20)
			if err != nil {
				return err
			}
			defer r.Close()
			_, err = io.CopyBuffer(io.NewOffsetWriter(f, off), struct{ io.Reader }{r}, make([]byte, 1<<20))
			return err
		})
	}
	if err := g.Wait(); err != nil {
		b.Fatal(err)
	}
}

func sequential(b *testing.B, c *cache.Cache, src store.Object, size int64) {
	f := c.Object(src, size)
	defer f.Close()
	p := make([]byte, 1<<20)
	for off := int64(0); off < size; off += int64(len(p)) {
		if _, err := f.ReadContext(context.Background(), p, off); err != nil {
			b.Fatal(err)
		}
	}
}

// random reads 256 KiB here and there as the kernel would, with four threads, and
// returns how many times that was fetched.
func random(b *testing.B, src store.Object, size int64) float64 {
	c, err := cache.Open(b.TempDir(), &cache.Options{Size: 2 * size})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	counted := &counting{Object: src}
	const threads, reads = 4, 64
	var wg sync.WaitGroup
	for i := range threads {
		wg.Go(func() {
			f := c.Object(counted, size)
			defer f.Close()
			rnd := rand.New(rand.NewPCG(uint64(i), 1))
			p := make([]byte, 128<<10)
			for range reads {
				off := rnd.Int64N(size>>12-64) << 12
				for half := range int64(2) {
					if _, err := f.ReadContext(context.Background(), p, off+half<<17); err != nil {
						panic(fmt.Sprint(err))
					}
				}
			}
		})
	}
	wg.Wait()
	return float64(counted.asked()) / (threads * reads * 256 << 10)
}

// counting counts the bytes that an object is asked for.
type counting struct {
	store.Object
	mu sync.Mutex
	n  int64
}

func (c *counting) ReadRange(ctx context.Context, off, n int64) (io.ReadCloser, error) {
	c.mu.Lock()
	c.n += n
	c.mu.Unlock()
	return c.Object.ReadRange(ctx, off, n)
}

func (c *counting) asked() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}
