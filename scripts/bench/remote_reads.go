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
	repeats   = 3 // in a turn, of what can be done again
)

// shots are one turn's measurements of one client, by row.
type shots map[string]float64

// The rows of a turn. A turn reads each object for the first time, but where the row is about the second.
const (
	rowListCold  = "ls -l, first"
	rowListWarm  = "ls -l, second"
	rowFirst     = "first byte"
	rowCold      = "sequential, cold"
	rowBeside    = "GETs into a file, a FUSE file beside"
	rowCPU       = "CPU seconds a GiB, cold"
	rowDisk      = ", a plain file of the same disk" // after the row's own name
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
	var again []float64
	for i := range 1 + repeats {
		start := time.Now()
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		out, err := exec.CommandContext(ctx, "ls", "-l", m.dir+"/small").CombinedOutput()
		cancel()
		if err != nil {
			return fmt.Errorf("ls: %w: %.500s", err, out)
		}
		if i == 0 {
			s[rowListCold] = time.Since(start).Seconds()
			continue
		}
		again = append(again, time.Since(start).Seconds())
	}
	s[rowListWarm] = median(again)
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
	freshen(2 * n.big)
	before := m.cpu()
	t, own, err := dd(m.path("big", 0))
	if err != nil {
		return err
	}
	s[rowCold] = float64(n.big) / t
	settleFor(500 * time.Millisecond)
	s[rowCPU] = (m.cpu() - before + own) / (float64(n.big) / (1 << 30))
	if m.start == nil {
		if err := m.copyOf(m.path("big", 0)); err != nil {
			return err
		}
	}
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
		paths := []string{m.path("big", 0)}
		if m.start == nil {
			paths = append(paths, m.home+"/copy")
		}
		rates, err := fromDisk(n, paths)
		if err != nil {
			return err
		}
		s[row] = rates[0]
		if len(rates) > 1 {
			s[row+rowDisk] = rates[1]
		}
	}
	return nil
}

// diskPace is how much of the disk is read in a second in the mean. The disk of a virtual machine may be held to a rate: of reads of 512 MiB one after another
// each fourth took four times as long (measured), and of those that keep this pace none.
const diskPace = 256 << 20

// fromDisk reads files from the disk in turns, and returns the median rate of each. What is read first after it was written does not count: below a virtual
// machine it may come from another disk, a quarter as fast (measured).
func fromDisk(n volume, paths []string) (medians []float64, err error) {
	rates := make([][]float64, len(paths))
	for i := range 1 + repeats {
		for of, path := range paths {
			time.Sleep(time.Duration(n.big) * time.Second / diskPace)
			if err := dropped(n); err != nil {
				return nil, err
			}
			t, _, err := dd(path)
			if err != nil {
				return nil, err
			}
			if i > 0 {
				rates[of] = append(rates[of], float64(n.big)/t)
			}
		}
	}
	for _, r := range rates {
		medians = append(medians, median(r))
	}
	return medians, nil
}

// copyOf puts a plain file beside what the client keeps: the disk's own speed differs from one minute to the next.
func (m *mounted) copyOf(path string) error {
	out, err := exec.Command("cp", path, m.home+"/copy").CombinedOutput()
	if err != nil {
		return fmt.Errorf("cp %s: %w: %s", path, err, out)
	}
	return nil
}

// dropped drops the page cache, and has memory for what is read then.
func dropped(n volume) error {
	if err := dropCaches(); err != nil {
		return err
	}
	freshen(n.big + n.big/4)
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
	freshen(2 * n.four * readers)
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
