//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// largeStore mounts a store of many names and sees how soon the tree can be read, and what the daemon weighs: idle, and after everything was listed.
func largeStore(s *site, t *table) error {
	store := s.base + "/large"
	for i := range s.artifacts {
		name := fmt.Sprintf("artifact-%06d", i)
		for v := 1; v <= 3; v++ {
			if err := publish(store, name, v, s.base+"/data"); err != nil {
				return err
			}
		}
	}
	what := fmt.Sprintf("%d artifacts × 3 versions: ", s.artifacts)
	var ready []float64
	var l lane
	for range s.runs {
		if l.mnt != "" {
			l.umount()
		}
		if err := dropCaches(); err != nil {
			return err
		}
		start := time.Now()
		var err error
		if l, err = mountLane(s.base, "auto", "auto", store, s.base+"/data"); err != nil {
			return err
		}
		if _, err := os.Stat(l.mnt + "/artifact-000001/latest/big"); err != nil { // ready is when data can be reached
			return err
		}
		ready = append(ready, time.Since(start).Seconds())
	}
	defer l.umount()
	t.add(what+"ready", "auto", "s", 0, median(ready), limit{atMost: 0.1, absolute: true})
	time.Sleep(2 * time.Second) // idle is some time after
	if len(l.daemons()) == 0 {
		return errors.New("no daemon found to weigh")
	}
	t.add(what+"idle PSS", "auto", "MiB", 0, l.pss(), limit{atMost: 64, absolute: true})
	start := time.Now()
	entries, err := os.ReadDir(l.mnt)
	if err != nil || len(entries) != s.artifacts {
		return fmt.Errorf("the mount lists %d names: %w", len(entries), err)
	}
	listed := time.Since(start).Seconds()
	start = time.Now()
	if _, err = os.ReadDir(store); err != nil {
		return err
	}
	t.add(what+"ls", "auto", "s", time.Since(start).Seconds(), listed, limit{})
	if err := filepath.WalkDir(l.mnt, visitVersions); err != nil {
		return err
	}
	t.add(what+"PSS after find", "auto", "MiB", 0, l.pss(), limit{})
	return nil
}

// visitVersions walks down to the versions of each name, not into the data.
func visitVersions(path string, d os.DirEntry, err error) error {
	if err == nil && d.IsDir() && d.Name()[0] == 'v' {
		return filepath.SkipDir
	}
	return err
}

// pss is what all processes of the lane hold, in MiB: daemon and supervisor are one binary, whose pages count once.
func (l lane) pss() float64 {
	total := 0.0
	for _, pid := range l.daemons() {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		for line := range strings.Lines(string(text)) {
			var kib float64
			if n, _ := fmt.Sscanf(line, "Pss: %f kB", &kib); n == 1 {
				total += kib / 1024
			}
		}
	}
	return total
}

// logs measures a log through the control file against what it has to do at the least: the same files made, fsynced and renamed by hand.
func logs(s *site, t *table) error {
	l := s.lanes[1] // any: logging is the same in all
	for _, p := range []struct {
		writers, each int
	}{{1, s.logs}, {64, s.each}} {
		name := fmt.Sprintf("logged-by-%d", p.writers)
		through, err := timed(p.writers, p.each, func(int, int) error { return logOnce(l.mnt+"/.log/"+name, s.base+"/data") })
		if err != nil {
			return err
		}
		byHand, err := timed(p.writers, p.each, func(w, k int) error {
			return commitByHand(fmt.Sprintf("%s/by-hand/%d", s.base, w), k)
		})
		if err != nil {
			return err
		}
		t.write(name+".txt", fmt.Appendf(nil, "through %v\nby hand %v\n", through, byHand))
		what := fmt.Sprintf("log, %d at once on one name: ", p.writers)
		target := limit{}
		if p.writers == 1 {
			target = limit{atMost: 0.005, absolute: true}
		}
		t.add(what+"p50", "–", "s", percentile(byHand, 50), percentile(through, 50), target)
		t.add(what+"p99", "–", "s", percentile(byHand, 99), percentile(through, 99), limit{})
	}
	return nil
}

// timed runs each writer's calls one after another, the writers at once, and returns how long each call took.
func timed(writers, each int, call func(writer, k int) error) ([]float64, error) {
	var (
		mu     sync.Mutex
		all    []float64
		failed error
		group  sync.WaitGroup
	)
	for w := range writers {
		group.Go(func() {
			for k := range each {
				start := time.Now()
				err := call(w, k)
				mu.Lock()
				all = append(all, time.Since(start).Seconds())
				failed = errors.Join(failed, err)
				mu.Unlock()
			}
		})
	}
	group.Wait()
	return all, failed
}

func logOnce(control, path string) error {
	f, err := os.OpenFile(control, os.O_WRONLY|os.O_CREATE, 0o666)
	if err != nil {
		return err
	}
	_, err = f.WriteString(path + "\n")
	return errors.Join(err, f.Close())
}

// commitByHand does what a durable log cannot do without: a directory, three files fsynced and renamed, the directory fsynced after each.
func commitByHand(home string, k int) error {
	dir := fmt.Sprintf("%s/v%d", home, k+1)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, file := range []string{dir + "/metadata.json", dir + "/manifest.json", home + "/latest"} {
		f, err := os.Create(file + ".tmp")
		if err != nil {
			return err
		}
		_, err = f.WriteString(`{"name": "by-hand", "version": 1, "type": "Artifact", "path": "/data", "metadata": {}}`)
		if err := errors.Join(err, f.Sync(), f.Close(), os.Rename(file+".tmp", file), fsyncDir(filepath.Dir(file))); err != nil {
			return err
		}
	}
	return nil
}

func fsyncDir(dir string) error {
	fd, err := syscall.Open(dir, syscall.O_RDONLY|syscall.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer syscall.Close(fd)
	return syscall.Fsync(fd)
}
