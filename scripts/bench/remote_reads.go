//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"sync"
	"time"
)

// What lies in the bucket, besides what a scale says.
const (
	readers   = 4
	firsts    = 5       // objects whose first bytes are timed
	firstSize = 8 << 20 // of each
	medium    = 5 << 20
	block     = 256 << 10 // of a random read
	orderly   = 10 * time.Second
)

// shots are one turn's measurements of one client, by row.
type shots map[string]float64

// The rows of a turn. A turn reads each object for the first time, but where the row is about the second.
const (
	rowListCold  = "ls -l, first"
	rowListWarm  = "ls -l, second"
	rowFirst     = "first byte"
	rowCold      = "sequential, cold"
	rowCPU       = "CPU seconds a GiB, cold"
	rowSecond    = "second pass, page cache dropped"
	rowRemounted = "after a remount, page cache dropped"
	rowFour      = "four readers, cold"
	rowMedium    = "files of 5 MiB in order"
	rowSmall     = "files of 4 KiB in order"
	rowRandom    = "random 256 KiB"
	rowOver      = "random 256 KiB, bytes fetched a byte"
	rowPeak      = "peak RSS"
)

// take measures everything on one mount.
func (m *mounted) take(n volume) (shots, error) {
	s := make(shots)
	for _, step := range []func(volume, shots) error{m.lists, m.firstBytes, m.sequential, m.fourReaders, m.mediumFiles, m.smallFiles, m.randomBlocks} {
		settleFor(500 * time.Millisecond)
		if err := step(n, s); err != nil {
			return s, err
		}
	}
	s[rowPeak] = m.peak()
	return s, nil
}

func (m *mounted) lists(_ volume, s shots) error {
	for _, row := range []string{rowListCold, rowListWarm} {
		start := time.Now()
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		out, err := exec.CommandContext(ctx, "ls", "-l", m.dir+"/small").CombinedOutput()
		cancel()
		if err != nil {
			return fmt.Errorf("ls: %w: %.500s", err, out)
		}
		s[row] = time.Since(start).Seconds()
	}
	return nil
}

// path names an object of a directory, which is listed: who reads data has looked what there is.
func (m *mounted) path(dir string, i int) string { return fmt.Sprintf("%s/%s/%05d", m.dir, dir, i) }

func (m *mounted) list(dir string) error {
	_, err := os.ReadDir(m.dir + "/" + dir)
	return err
}

func (m *mounted) firstBytes(_ volume, s shots) error {
	if err := m.list("first"); err != nil {
		return err
	}
	var all []float64
	p := make([]byte, 4096)
	for i := firsts - 1; i >= 0; i-- { // not in the order in which they might be fetched ahead
		start := time.Now()
		f, err := os.Open(m.path("first", i))
		if err != nil {
			return err
		}
		_, err = io.ReadFull(f, p)
		all = append(all, time.Since(start).Seconds())
		f.Close()
		if err != nil {
			return err
		}
	}
	s[rowFirst] = median(all)
	return nil
}

// dd reads files at once, one process each, and returns how long that took, and the processes' own CPU time, both in seconds.
func dd(paths ...string) (seconds, cpu float64, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	var (
		wg sync.WaitGroup
		mu sync.Mutex
	)
	start := time.Now()
	for _, path := range paths {
		wg.Go(func() {
			cmd := exec.CommandContext(ctx, "dd", "if="+path, "of=/dev/null", "bs=1M", "status=none")
			out, e := cmd.CombinedOutput()
			mu.Lock()
			defer mu.Unlock()
			if e != nil {
				err = errors.Join(err, fmt.Errorf("dd %s: %w: %s", path, e, out))
				return
			}
			cpu += (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
		})
	}
	wg.Wait()
	return time.Since(start).Seconds(), cpu, err
}

func (m *mounted) sequential(n volume, s shots) error {
	if err := m.list("big"); err != nil {
		return err
	}
	before := m.cpu()
	t, own, err := dd(m.path("big", 0))
	if err != nil {
		return err
	}
	s[rowCold] = float64(n.big) / t
	settleFor(500 * time.Millisecond)
	s[rowCPU] = (m.cpu() - before + own) / (float64(n.big) / (1 << 30))
	for _, row := range []string{rowSecond, rowRemounted} {
		if row == rowRemounted {
			m.end()
			if err := m.again(); err != nil {
				return err
			}
			if err := m.list("big"); err != nil {
				return err
			}
		}
		settleFor(500 * time.Millisecond)
		if err := dropCaches(); err != nil {
			return err
		}
		if t, _, err = dd(m.path("big", 0)); err != nil {
			return err
		}
		s[row] = float64(n.big) / t
	}
	return nil
}

func (m *mounted) fourReaders(n volume, s shots) error {
	if err := m.list("four"); err != nil {
		return err
	}
	var paths []string
	for i := range readers {
		paths = append(paths, m.path("four", i))
	}
	t, _, err := dd(paths...)
	s[rowFour] = float64(n.four*readers) / t
	return err
}

func (m *mounted) mediumFiles(n volume, s shots) error {
	if err := m.list("medium"); err != nil {
		return err
	}
	k, t, err := inOrder(n.mediums, func(i int) string { return m.path("medium", i) })
	s[rowMedium] = float64(k) * medium / t
	return err
}

func (m *mounted) smallFiles(n volume, s shots) error {
	k, t, err := inOrder(n.smalls, func(i int) string { return m.path("small", i) })
	s[rowSmall] = float64(k) / t
	return err
}

// inOrder reads files one after another, for so long at most, and returns how many there were and how long it took.
func inOrder(count int, path func(int) string) (int, float64, error) {
	start := time.Now()
	buf := make([]byte, 1<<20)
	for i := range count {
		f, err := os.Open(path(i))
		if err != nil {
			return i, 1, err
		}
		_, err = io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{f}, buf)
		f.Close()
		if err != nil {
			return i, 1, err
		}
		if t := time.Since(start); t > orderly {
			return i + 1, t.Seconds(), nil
		}
	}
	return count, time.Since(start).Seconds(), nil
}

func (m *mounted) randomBlocks(n volume, s shots) error {
	if err := m.list("random"); err != nil {
		return err
	}
	f, err := os.Open(m.path("random", 0))
	if err != nil {
		return err
	}
	defer f.Close()
	before := int64(0)
	if m.link.sent != nil {
		before = m.link.sent()
	}
	start := time.Now()
	buf := make([]byte, block)
	for _, off := range n.offsets() {
		if _, err := f.ReadAt(buf, off); err != nil {
			return err
		}
	}
	total := float64(n.randoms) * block
	s[rowRandom] = total / time.Since(start).Seconds()
	settleFor(500 * time.Millisecond) // what was asked for ahead comes too
	if m.link.sent != nil {
		s[rowOver] = float64(m.link.sent()-before) / total
	}
	return nil
}

// offsets are where a turn reads at random: the same for all.
func (n volume) offsets() []int64 {
	random := rand.New(rand.NewPCG(1, 2))
	all := make([]int64, n.randoms)
	for i := range all {
		all[i] = random.Int64N((n.random-block)>>12) << 12
	}
	return all
}
