//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// inTurns measures every lane runs times, in turns, and starts each turn with another lane, so that what the machine does meanwhile
// falls on all of them. The result is each lane's median.
func (s *site) inTurns(before func(lane) error, measure func(l lane, run int) (float64, error)) ([]float64, error) {
	values := make([][]float64, len(s.lanes))
	for run := range s.runs {
		for i := range s.lanes {
			i = (i + run) % len(s.lanes)
			if before != nil {
				if err := before(s.lanes[i]); err != nil {
					return nil, err
				}
			}
			settle()
			v, err := measure(s.lanes[i], run)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", s.lanes[i].name, err)
			}
			values[i] = append(values[i], v)
		}
	}
	medians := make([]float64, len(values))
	for i := range values {
		medians[i] = median(values[i])
	}
	return medians, nil
}

// settle waits until the machine is idle, five seconds at most: what a lane's daemon still does after its turn (rclone closes files for
// seconds) would be counted against whoever comes next.
func settle() { settleFor(5 * time.Second) }

func settleFor(most time.Duration) {
	for end := time.Now().Add(most); time.Now().Before(end); {
		idle, all := cpu()
		time.Sleep(100 * time.Millisecond)
		idle2, all2 := cpu()
		if idle2-idle > (all2-all)*9/10 {
			return
		}
	}
}

// cpu returns how long the processors have been idle, and how long there are any, in the kernel's ticks.
func cpu() (idle, all float64) {
	text, _ := os.ReadFile("/proc/stat")
	line, _, _ := strings.Cut(string(text), "\n")
	for i, field := range strings.Fields(line)[1:] {
		var ticks float64
		fmt.Sscan(field, &ticks)
		if all += ticks; i == 3 {
			idle = ticks
		}
	}
	return idle, all
}

// addAll adds a row for each lane but the native one.
func (s *site) addAll(t *table, name, unit string, medians []float64, targets map[string]limit) {
	for i, l := range s.lanes[1:] {
		t.add(name, l.name, unit, medians[0], medians[i+1], targets[l.name])
	}
}

// What the bind lane is held to: 1.05 times the native time at the most.
var (
	nativeTime = limit{atMost: 1.05}
	nativeRate = limit{atLeast: 1 / 1.05}
)

func reads(s *site, t *table) error {
	dense := map[string]limit{"bind": nativeRate, "passthrough": {atLeast: 0.95}}
	parts := []struct {
		name, unit string
		before     func(lane) error
		measure    func(lane, int) (float64, error)
		targets    map[string]limit
	}{
		{fmt.Sprintf("cat of %d files of 4 KiB", s.small), "s", s.warmSmall,
			func(l lane, run int) (float64, error) { return s.hyperfine(l, "cat", run, "cat small/* >/dev/null") },
			map[string]limit{"bind": nativeTime, "passthrough": {atMost: 4}}},
		{"open, read, close of 64 KiB", "/s", s.warmSmall, func(l lane, _ int) (float64, error) { return openReadClose(l, s.medium) }, map[string]limit{"bind": nativeRate}},
		{"sequential 1 MiB, cold", "B/s", func(lane) error { return dropCaches() },
			func(l lane, run int) (float64, error) { return s.fio(l, "seq-cold", run, "read", "--bs=1M") },
			map[string]limit{"bind": nativeRate, "copy": {atLeast: 0.9}}},
		{"sequential 1 MiB, warm", "B/s", warm,
			func(l lane, run int) (float64, error) { return s.fio(l, "seq-warm", run, "read", "--bs=1M") },
			map[string]limit{"bind": nativeRate, "passthrough": {atLeast: 0.95}, "copy": {atLeast: 0.3}}},
		{"random 4 KiB, warm", "/s", warm,
			func(l lane, run int) (float64, error) {
				return s.fio(l, "rand", run, "randread", "--bs=4k", "--time_based", fmt.Sprint("--runtime=", s.seconds))
			}, dense},
		{"mmap random 4 KiB, warm", "/s", warm,
			func(l lane, run int) (float64, error) {
				return s.fio(l, "mmap", run, "randread", "--bs=4k", "--ioengine=mmap", "--time_based", fmt.Sprint("--runtime=", s.seconds))
			}, dense},
	}
	for _, p := range parts {
		for _, l := range s.lanes { // once unmeasured, so that nobody pays for being the first
			if _, err := p.measure(l, -1); err != nil {
				return fmt.Errorf("%s: %s: %w", p.name, l.name, err)
			}
		}
		medians, err := s.inTurns(p.before, p.measure)
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		s.addAll(t, p.name, p.unit, medians, p.targets)
	}
	return nil
}

// warmSmall reads the small files' own data: rclone has had the kernel drop what it read (FADV_DONTNEED).
func (s *site) warmSmall(lane) error {
	cmd := exec.Command("sh", "-c", "cat small/* medium/* >/dev/null")
	cmd.Dir = s.lanes[0].dir
	return cmd.Run()
}

// warm reads the big file once where it will be measured.
func warm(l lane) error {
	return exec.Command("cat", l.dir+"/big").Run()
}

// hyperfine times one run of a shell command in the lane's directory, in seconds.
func (s *site) hyperfine(l lane, what string, run int, command string) (float64, error) {
	file := filepath.Join(s.raw, fmt.Sprintf("hyperfine-%s-%s-%d.json", what, l.name, run))
	cmd := exec.Command("hyperfine", "--runs", "1", "--style", "none", "--export-json", file, "--shell=none", "--ignore-failure", "sh -c '"+command+"'")
	cmd.Dir = l.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("%w: %s", err, out)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	var result struct {
		Results []struct {
			Times     []float64
			ExitCodes []int `json:"exit_codes"`
		}
	}
	if err := json.Unmarshal(text, &result); err != nil {
		return 0, err
	}
	if r := result.Results[0]; r.ExitCodes[0] != 0 {
		return 0, fmt.Errorf("%s: exit status %d", command, r.ExitCodes[0])
	}
	return result.Results[0].Times[0], nil
}

// fio reads the big file, and returns bytes a second for mode read, operations a second for any other.
func (s *site) fio(l lane, what string, run int, mode string, args ...string) (float64, error) {
	argv := append([]string{"--name=" + what, "--filename=" + l.dir + "/big", "--readonly", "--rw=" + mode, "--invalidate=0", "--ioengine=psync",
		fmt.Sprint("--size=", s.big), "--output-format=json"}, args...)
	out, err := exec.Command("fio", argv...).Output()
	os.WriteFile(filepath.Join(s.raw, fmt.Sprintf("fio-%s-%s-%d.json", what, l.name, run)), out, 0o644)
	if err != nil {
		return 0, fmt.Errorf("fio %s: %w", strings.Join(argv, " "), err)
	}
	var result struct {
		Jobs []struct {
			Error int
			Read  struct {
				BW   float64 `json:"bw_bytes"`
				IOPS float64
			}
		}
	}
	if err := json.Unmarshal(out, &result); err != nil || len(result.Jobs) == 0 {
		return 0, fmt.Errorf("fio said %.200q: %w", out, err)
	}
	if j := result.Jobs[0]; j.Error != 0 {
		return 0, fmt.Errorf("fio: error %d", j.Error)
	}
	if mode == "read" {
		return result.Jobs[0].Read.BW, nil
	}
	return result.Jobs[0].Read.IOPS, nil
}

// openReadClose counts files a second.
func openReadClose(l lane, files int) (float64, error) {
	buffer := make([]byte, 64<<10)
	start := time.Now()
	for i := range files {
		f, err := os.Open(fmt.Sprintf("%s/medium/%05d", l.dir, i))
		if err != nil {
			return 0, err
		}
		n, err := f.Read(buffer)
		f.Close()
		if err != nil || n != len(buffer) {
			return 0, fmt.Errorf("read %d bytes: %w", n, err)
		}
	}
	return float64(files) / time.Since(start).Seconds(), nil
}

// listings: the first time nothing is cached, neither by the kernel for the data nor for the mount; the second time is right after.
func listings(s *site, t *table) error {
	for _, p := range []struct{ name, command string }{
		{"ls -l", "ls -l small >/dev/null"},
		{"find", "find small -size +1 >/dev/null"},
	} {
		again := make([][]float64, len(s.lanes))
		first, err := s.inTurns(func(lane) error { return dropCaches() }, func(l lane, run int) (float64, error) {
			v, err := s.hyperfine(l, p.name+"-first", run, p.command)
			if err != nil {
				return 0, err
			}
			second, err := s.hyperfine(l, p.name+"-second", run, p.command)
			for i := range s.lanes {
				if s.lanes[i].name == l.name {
					again[i] = append(again[i], second)
				}
			}
			return v, err
		})
		if err != nil {
			return err
		}
		second := make([]float64, len(again))
		for i := range again {
			second[i] = median(again[i])
		}
		s.addAll(t, fmt.Sprintf("%s of %d files, first", p.name, s.small), "s", first, map[string]limit{"bind": nativeTime})
		s.addAll(t, fmt.Sprintf("%s of %d files, second", p.name, s.small), "s", second,
			map[string]limit{"bind": nativeTime, "passthrough": {atMost: 1.1}, "copy": {atMost: 1.1}, "symlink": {atMost: 1.1}})
	}
	return nil
}

// pageCache is how many bytes the page cache grows by per byte of file read, by /proc/meminfo.
func pageCache(s *site, t *table) error {
	medians, err := s.inTurns(func(lane) error { return dropCaches() }, func(l lane, _ int) (float64, error) {
		before, err := cached()
		if err != nil {
			return 0, err
		}
		if err := warm(l); err != nil {
			return 0, err
		}
		after, err := cached()
		return (after - before) / float64(s.big), err
	})
	if err != nil {
		return err
	}
	s.addAll(t, "page cache per byte of file", "B", medians, map[string]limit{"passthrough": {atMost: 1.1, absolute: true}, "copy": {atMost: 2.1, absolute: true}})
	return nil
}

func cached() (float64, error) {
	text, err := os.ReadFile("/proc/meminfo")
	for line := range strings.Lines(string(text)) {
		var kb float64
		if n, _ := fmt.Sscanf(line, "Cached: %f kB", &kb); n == 1 {
			return kb * 1024, nil
		}
	}
	return 0, fmt.Errorf("no Cached in /proc/meminfo: %w", err)
}
