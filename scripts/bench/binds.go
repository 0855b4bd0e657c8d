//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"time"
)

// manyBinds sees what a node pays for as many binds as there may be: each is copied into every mount namespace that is made, and taken away again.
func manyBinds(s *site, t *table) error {
	const n = 512
	store, data := s.base+"/many", s.base+"/many-data"
	for i := range n {
		dir := fmt.Sprintf("%s/%03d", data, i)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		if err := publish(store, fmt.Sprintf("n%03d", i), 1, dir); err != nil {
			return err
		}
	}
	l, err := mountLane(s.base, "many", "bind", store, data)
	if err != nil {
		return err
	}
	before, err := unshare(s.runs)
	if err != nil {
		return err
	}
	start := time.Now()
	args := []string{"warm", "--mount", l.mnt}
	for i := range n {
		args = append(args, fmt.Sprintf("n%03d:v1", i))
	}
	if _, err := l.artifactfs(args...); err != nil {
		return err
	}
	t.add(fmt.Sprintf("binding %d versions", n), "bind", "s", 0, time.Since(start).Seconds(), limit{})
	after, err := unshare(s.runs)
	if err != nil {
		return err
	}
	t.add(fmt.Sprintf("unshare -m with %d binds", n), "bind", "s", before, after, limit{})
	start = time.Now()
	if _, err := l.artifactfs("umount", l.mnt); err != nil {
		return err
	}
	t.add(fmt.Sprintf("umount with %d binds", n), "bind", "s", 0, time.Since(start).Seconds(), limit{})
	return nil
}

// unshare is how long a mount namespace takes to be made and to go, in seconds.
func unshare(runs int) (float64, error) {
	var all []float64
	for range max(runs, 5) * 4 {
		start := time.Now()
		if out, err := exec.Command("unshare", "--mount", "true").CombinedOutput(); err != nil {
			return 0, fmt.Errorf("unshare: %w: %s", err, out)
		}
		all = append(all, time.Since(start).Seconds())
	}
	return median(all), nil
}
