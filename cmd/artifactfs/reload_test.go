//go:build linux

package main

import (
	"maps"
	"reflect"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"artifactfs.dev/artifactfs/cmd/artifactfs/config"
)

// TestSettings: every field of a configuration is one that a reload compares, or
// one that changes nothing in a mount.
func TestSettings(t *testing.T) {
	free := []string{"File", "Job", "Embedded", "Wandb", "Warnings", "Data", "CacheDir", "Lineage"} // the last three are compared by themselves
	for _, f := range reflect.VisibleFields(reflect.TypeFor[config.Config]()) {
		if settingOf[f.Name] == "" && !slices.Contains(free, f.Name) {
			t.Errorf("a reload does not see a change of %s; add it to settingOf, or to %q", f.Name, free)
		}
	}
}

func TestChanged(t *testing.T) {
	id := uint32(7)
	a := &config.Config{Root: "/a", TTL: 1, UID: &id}
	same := uint32(7)
	b := &config.Config{Root: "/a", TTL: 1, UID: &same, Warnings: []string{"x"}}
	if got := changed(a, b); len(got) != 0 || newTree(got) {
		t.Errorf("equal configurations differ in %v", got)
	}
	b.Root, b.TTL, b.DataRoots = "/b", 2, []string{"/d"}
	got := changed(a, b)
	if diff := cmp.Diff([]string{"artifacts.manifest.root", "data_roots", "ttl"}, slices.Sorted(maps.Keys(got))); diff != "" || !newTree(got) {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
