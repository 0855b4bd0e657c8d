//go:build linux

package fs

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"artifactfs.dev/artifactfs/resolver"
)

// A version is bound once nobody is in the middle of something in it: not when somebody is at the last moment either.
func TestNotBoundInUse(t *testing.T) {
	b, _, mnt := binding(t, "one")
	defer b.close()
	const here = 5 // times that it is in use, before its data is prepared and after
	var asked, prepared atomic.Int32
	b.inUse = func(string, int) bool {
		n := asked.Add(1)
		return n <= here || n == here+2
	}
	b.source = func(bd *resolver.Binding) (int, error) {
		if n := asked.Load(); prepared.Add(1) == 1 && n != here+1 {
			t.Errorf("the data is opened when it was asked %d times whether it is in use, want %d", n, here+1)
		}
		return sourceOf(bd)
	}
	if err := b.bind(context.Background(), version{"one", 1}); err != nil {
		t.Fatal(err)
	}
	if there, err := b.mounted(); err != nil || !there[mnt+"/one/v1"] {
		t.Errorf("mounted are %v, %v", there, err)
	}
	if n := prepared.Load(); n != 2 {
		t.Errorf("its data was opened %d times, want 2: what came in between turns the first one back", n)
	}
}

// What is in use without a pause is bound after a while all the same.
func TestBoundInUse(t *testing.T) {
	b, _, _ := binding(t, "one")
	defer b.close()
	b.inUse = func(string, int) bool { return true }
	v := version{"one", 1}
	if begun := time.Now(); !b.used(v, begun) || b.used(v, begun.Add(-usedAll)) {
		t.Error("it is to be bound after a while, and not before")
	}
}
