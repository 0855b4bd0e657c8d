package resolver

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"artifactfs.dev/artifactfs/manifest"
)

// What the kernel may remember of a version, for as long as it likes, holds none
// of its record: hostile ones of megabytes would add up.
func TestLargeRecordsAreNotKept(t *testing.T) {
	s := newSite(t, nil)
	s.file("d/x", "1")
	pad := strings.Repeat("x", 1<<20)
	const n = 16
	for v := 1; v <= n; v++ {
		s.record("a", v, manifest.Manifest{Type: "Artifact", Path: s.data + "/d"})
		ok(t, os.WriteFile(fmt.Sprintf("%s/a/v%d/metadata.json", s.root, v), []byte(`{"pad": "`+pad+`"}`), 0o644))
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var remembered []Entry
	for v := 1; v <= n; v++ {
		for _, path := range []string{"a/v%d/x", ".fields/a/v%d/pad", ".fields/a/v%d/manifest.json", ".manifest/a/v%d/metadata.json"} {
			e := s.walk1(fmt.Sprintf(path, v))
			s.read(fmt.Sprintf(path, v))
			remembered = append(remembered, e)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 24<<20 {
		t.Errorf("%d entries hold %d MiB", len(remembered), grown>>20)
	}
	runtime.KeepAlive(remembered)
	s.want("the field", s.read(".fields/a/v7/pad"), pad+"\n")
}

// A path that no system call takes is refused, and not kept.
func TestOverlongPath(t *testing.T) {
	s := newSite(t, nil)
	s.record("a", 1, manifest.Manifest{Type: "Artifact", Path: s.data + strings.Repeat("/y", 3000)})
	s.wantNone("a/v1/x", syscall.ENAMETOOLONG, "6")
	for _, m := range s.Missing() {
		t.Errorf("kept as missing: %d bytes", len(m.Path))
	}
}
