//go:build linux

package main

import (
	"fmt"
	"math"
	"os"
	"os/exec"
	"time"
)

// lineages asks for the lineage of the ends of a chain of versions, each made from the one before. Native is to list the versions with their
// records, which a lineage may be a second longer than.
func lineages(s *site, t *table) error {
	base, err := os.MkdirTemp("", "artifactfs-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(base)
	store := base + "/store"
	for v := 1; v <= s.versions; v++ {
		if err := publish(store, "m", v, base); err != nil {
			return err
		}
		text := fmt.Sprintf(`{"name": "m", "version": %d, "type": "Artifact", "path": %q, "created_at": "2026-08-21T09:00:00+00:00", "producer": "local", "metadata": {},
 "inputs": [], "used_artifacts": ["m:v%d"]}`, v, base, v-1)
		if err := os.WriteFile(fmt.Sprintf("%s/m/v%d/manifest.json", store, v), []byte(text), 0o644); err != nil {
			return err
		}
	}
	command := func(args ...string) (float64, error) {
		c := exec.Command("bin/artifactfs", append(args, "artifacts.wandb=false", "artifacts.manifest.root="+store)...)
		c.Stderr = os.Stderr
		start := time.Now()
		err := c.Run()
		return time.Since(start).Seconds(), err
	}
	var took [3][]float64
	for range s.runs {
		for i, args := range [][]string{
			{"ls", "--long", "m"}, {"lineage", "--up", "-o", "json", fmt.Sprintf("m:v%d", s.versions)}, {"lineage", "--down", "-o", "json", "m:v1"},
		} {
			seconds, err := command(args...)
			if err != nil {
				return fmt.Errorf("%v: %w", args, err)
			}
			took[i] = append(took[i], seconds)
		}
	}
	listed := median(took[0])
	for i, way := range []string{"up", "down"} {
		t.add(fmt.Sprintf("lineage %s a chain of %d", way, s.versions), "–", "s", listed, median(took[i+1]), limit{atMost: math.Round(100*(listed+1)) / 100, absolute: true})
	}
	return nil
}
