//go:build linux

// Bench measures the lanes of a mount against the data itself and prints ratios, never a bare time: every number stands beside the
// native one of the same run, taken in turns. Raw output stays in bench/. It judges nothing by its exit status.
//
// BENCH_QUICK=1 takes fewer and smaller samples: enough to see whether it works, not to quote. -only measures some parts.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A scale is how much is measured.
type scale struct {
	runs      int   // of each measurement; the median counts
	small     int   // files of 4 KiB
	medium    int   // files of 64 KiB
	big       int64 // bytes of the big file
	artifacts int   // names of the large store, three versions each
	logs      int   // by one writer
	each      int   // by each of 64
	seconds   int   // of random reads
	versions  int   // of the chain whose lineage is asked for
}

var (
	full  = scale{runs: 5, small: 20_000, medium: 4000, big: 1 << 30, artifacts: 100_000, logs: 400, each: 20, seconds: 3, versions: 10_000}
	quick = scale{runs: 3, small: 2000, medium: 400, big: 128 << 20, artifacts: 2000, logs: 50, each: 4, seconds: 1, versions: 1000}
)

func main() {
	if dir := os.Getenv(serveEnv); dir != "" {
		size, err := strconv.ParseUint(os.Getenv(serveEnv+"_SIZE"), 10, 64)
		if err == nil {
			err = serveBlanks(dir, size)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// A part is some rows of the table. Those on local lanes share their data and mounts; the others bring their own.
type part struct {
	name  string
	local bool
	run   func(*site, *table) error
}

var parts = []part{
	{"reads", true, reads}, {"listings", true, listings}, {"pagecache", true, pageCache}, {"binds", true, manyBinds},
	{"store", true, largeStore}, {"logs", true, logs}, {"lineage", false, lineages}, {"remote", false, remote}, {"buckets", false, buckets}, {"wandb", false, stored},
}

// chosen returns the parts that -only names, or all.
func chosen() ([]part, error) {
	var names []string
	for _, p := range parts {
		names = append(names, p.name)
	}
	flag.BoolVar(&alone, "alone", false, "measure data in buckets once, without the peers")
	only := flag.String("only", strings.Join(names, ","), "the parts to measure, with commas")
	flag.Parse()
	for name := range strings.SplitSeq(*only, ",") {
		if !slices.Contains(names, name) {
			return nil, fmt.Errorf("-only %s: there are the parts %s", name, strings.Join(names, ", "))
		}
	}
	wanted := strings.Split(*only, ",")
	return slices.DeleteFunc(slices.Clone(parts), func(p part) bool { return !slices.Contains(wanted, p.name) }), nil
}

func run() error {
	parts, err := chosen()
	if err != nil {
		return err
	}
	if os.Getuid() != 0 {
		return fmt.Errorf("needs root: it drops caches and mounts for others")
	}
	for _, tool := range []string{"fio", "hyperfine"} {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("%w: run `make deps`", err)
		}
	}
	// What an earlier build does is measured for nobody.
	if out, err := exec.Command("make", "-s", "build").CombinedOutput(); err != nil {
		return fmt.Errorf("make build: %w\n%s", err, out)
	}
	size := full
	if os.Getenv("BENCH_QUICK") != "" {
		size = quick
	}
	raw, err := filepath.Abs(filepath.Join("bench", time.Now().Format("20060102-150405")))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(raw, 0o755); err != nil {
		return err
	}
	s := &site{scale: size, raw: raw}
	if slices.ContainsFunc(parts, func(p part) bool { return p.local }) {
		if s, err = newSite(size, raw); err != nil {
			return err
		}
		defer s.remove()
	}

	t := &table{raw: raw}
	t.head(machine(size))
	for _, p := range parts {
		if err := p.run(s, t); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	t.foot()
	return nil
}

func machine(size scale) string {
	var u syscall.Utsname
	syscall.Uname(&u)
	release := ""
	for _, c := range u.Release {
		if c == 0 {
			break
		}
		release += string(rune(c))
	}
	return fmt.Sprintf("Linux %s, median of %d runs in turns, %d×4 KiB, %d×64 KiB, one file of %d MiB", release, size.runs, size.small, size.medium, size.big>>20)
}
