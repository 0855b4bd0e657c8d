package resolver

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"artifactfs.dev/artifactfs/manifest"
)

// opened opens a text as a caller, as a mount does.
func (s *site) opened(ctx context.Context, path string) {
	s.Helper()
	n := s.walkAs(ctx, path).Node
	_, err := n.(Text).Read(ctx)
	ok(s.T, err)
	n.(Using).Opened(ctx)
}

// logs is a log of upstream's writer: a version with a record of its own.
func (w writer) logs(name string, n int) {
	w.Helper()
	dir := ".manifest/" + name
	if _, err := w.dirAt(".manifest").Lookup(w.ctx, name); err != nil {
		_, err := w.dirAt(".manifest").Mkdir(w.ctx, name)
		ok(w.T, err)
	}
	_, err := w.dirAt(dir).Mkdir(w.ctx, fmt.Sprintf("v%d", n))
	ok(w.T, err)
	ok(w.T, w.fill(name, n))
}

// Upstream's writer writes the record itself, which stays as it is. What its job used is
// in the lineage all the same.
func TestUsesOfUpstreamsWriter(t *testing.T) {
	t.Run("store", func(t *testing.T) { s, _ := pinSite(t); usesOfUpstreamsWriter(t, s) })
	t.Run("union", func(t *testing.T) { // in which .manifest is a side
		s, _ := pinSite(t)
		u, err := NewUnion(s.dir, nil, "")
		ok(t, err)
		s.Tree = New(u, &s.Tree.opt)
		usesOfUpstreamsWriter(t, s)
	})
}

func usesOfUpstreamsWriter(t *testing.T, s *site) {
	s.log("other", "d")
	w, _ := s.writer()
	w.ctx = context.WithValue(w.ctx, jobKey{}, mustID(inJob("a")))
	s.want("latest", s.linkAs(w.ctx, "m/latest"), "v5")
	s.opened(w.ctx, ".manifest/other/v1/manifest.json") // as upstream's reader does
	w.logs("out", 1)

	got, err := os.ReadFile(s.root + "/out/v1/manifest.json")
	ok(t, err)
	s.want("the record", string(got), w.record("out", 1))
	s.want("up", s.graph("out:v1", LineageOptions{Up: true}), "out:v1 m:v5 other:v1 m:v5>out:v1 other:v1>out:v1")
	s.want("down", s.graph("other", LineageOptions{Down: true}), "other:v1 out:v1 other:v1>out:v1")
	var doc Lineage
	ok(t, json.Unmarshal([]byte(s.read(".manifest/out/v1/lineage.json")), &doc))
	if len(doc.Edges) != 2 {
		t.Errorf("lineage.json has %+v", doc.Edges)
	}

	// What the record says itself is not kept twice, and who is in no job has no uses.
	m := manifest.Manifest{Name: "out", Version: 2, Type: "Artifact", Path: s.data + "/d", UsedArtifacts: []string{"m:v5", "x:v1"}}
	_, err = s.dirAt(".manifest/out").Mkdir(w.ctx, "v2")
	ok(t, err)
	ok(t, w.put(".manifest/out/v2", "manifest.json.tmp.1", "manifest.json", string(m.Bytes())))
	s.want("merged", s.graph("out:v2", LineageOptions{Up: true}), "out:v2 m:v5 ?x:v1 other:v1 m:v5>out:v2 x:v1>out:v2 other:v1>out:v2")
	kept, err := s.dir.KeptUsed(ctx, "out", 2)
	ok(t, err)
	s.want("kept", strings.Join(kept, " "), "other:v1")
	// Its writer reads back what it has not sealed, and so has not used; later, and
	// others, have.
	s.opened(w.ctx, ".manifest/out/v2/manifest.json")
	used, err := s.used(w.ctx)
	ok(t, err)
	s.want("not its own", strings.Join(used, " "), "m:v5 other:v1")
	nobody, _ := s.writer()
	nobody.logs("out", 3)
	s.want("in no job", s.graph("out:v3", LineageOptions{Up: true}), "out:v3")
	if _, err := os.Stat(s.root + "/.artifactfs/used/out/v3.json"); err == nil {
		t.Error("something is kept of a version in no job")
	}
}

// A store that does not take it takes the version.
func TestUsesThatAreNotKept(t *testing.T) {
	s, _ := pinSite(t)
	ok(t, os.RemoveAll(s.root+"/.artifactfs/used"))
	ok(t, os.WriteFile(s.root+"/.artifactfs/used", nil, 0o644))
	w, _ := s.writer()
	w.ctx = context.WithValue(w.ctx, jobKey{}, mustID(inJob("a")))
	s.want("latest", s.linkAs(w.ctx, "m/latest"), "v5")
	w.logs("out", 1)
	s.want("up", s.graph("out:v1", LineageOptions{Up: true}), "out:v1")
	s.want("down", s.graph("m:v5", LineageOptions{Down: true}), "m:v5")
}

// Asking how long a field is, as ls does, is no use of it.
func TestSizeIsNoUse(t *testing.T) {
	s, _ := pinSite(t)
	a := inJob("a")
	s.ls(".fields/m/v2")
	_, err := s.walkAs(a, ".fields/m/v2/path").Node.(Text).Read(a)
	ok(t, err)
	if used, err := s.used(a); err != nil || len(used) > 0 {
		t.Errorf("used: %q, %v", used, err)
	}
	s.opened(a, ".fields/m/v2/path")
	used, err := s.used(a)
	ok(t, err)
	s.want("opened", strings.Join(used, " "), "m:v2")
}
