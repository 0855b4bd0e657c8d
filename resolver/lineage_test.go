package resolver

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"artifactfs.dev/artifactfs/manifest"
)

// graph is a lineage on one line: nodes, and edges as from>to.
func (s *site) graph(ref string, o LineageOptions) string {
	s.Helper()
	r, err := manifest.ParseRef(ref)
	ok(s.T, err)
	l, err := s.Lineage(ctx, r, o)
	if err != nil {
		return err.Error()
	}
	var out []string
	for _, n := range l.Nodes {
		word := n.ID
		switch {
		case n.Missing != "":
			word = "?" + word
		case n.Input:
			word = "=" + word
		}
		if n.More {
			word += "+"
		}
		out = append(out, word)
	}
	for _, e := range l.Edges {
		out = append(out, e.From+">"+e.To)
	}
	return strings.Join(out, " ")
}

// made writes the record of a version that was made from others.
func (s *site) made(name string, n int, from ...string) {
	s.Helper()
	m := manifest.Manifest{Type: "Artifact", Path: s.data, CreatedAt: "2026-08-21T09:00:00+00:00", Metadata: manifest.Object{}, Inputs: []string{}, UsedArtifacts: []string{}}
	for _, f := range from {
		if manifest.IsURI(f) {
			m.Inputs = append(m.Inputs, f)
		} else {
			m.UsedArtifacts = append(m.UsedArtifacts, f)
		}
	}
	s.record(name, n, m)
}

func TestLineage(t *testing.T) {
	s := newSite(t, nil)
	s.made("raw", 1, "hf://datasets/a/b")
	s.made("super3-rl-data", 1, "raw:v1")
	s.made("sft", 1, "super3/rl/data:v1", "raw:1", "gone:v3", "sft:prod", "not a ref::")
	s.made("model", 1, "sft:v1")
	s.made("model", 2, "model:v1", "sft:v1")
	s.made("deep/er", 1, "model:v2")
	s.made("ring", 1, "ring:v2")
	s.made("ring", 2, "ring:v1", "ring:v2")

	up, down := LineageOptions{Up: true}, LineageOptions{Down: true}
	s.want("nothing", s.graph("raw", down), "raw:v1 sft:v1 super3-rl-data:v1 model:v1 model:v2 deep/er:v1 "+
		"raw:v1>sft:v1 raw:v1>super3-rl-data:v1 sft:v1>model:v1 sft:v1>model:v2 super3-rl-data:v1>sft:v1 model:v1>model:v2 model:v2>deep/er:v1")
	s.want("up", s.graph("sft:v1", up), "sft:v1 super3-rl-data:v1 raw:v1 ?gone:v3 ?sft:prod ?not a ref:: =hf://datasets/a/b "+
		"super3-rl-data:v1>sft:v1 raw:v1>sft:v1 gone:v3>sft:v1 sft:prod>sft:v1 not a ref::>sft:v1 raw:v1>super3-rl-data:v1 hf://datasets/a/b>raw:v1")
	s.want("one step", s.graph("model:v2", LineageOptions{Up: true, Down: true, Depth: 1}), "model:v2 model:v1+ sft:v1+ deep/er:v1+ "+
		"model:v1>model:v2 sft:v1>model:v2 model:v2>deep/er:v1")
	s.want("a ring", s.graph("ring:v1", LineageOptions{Up: true, Down: true}), "ring:v1 ring:v2 ring:v2>ring:v1 ring:v1>ring:v2 ring:v2>ring:v2")
	s.want("nothing above", s.graph("gone", up), s.graph("gone", down))

	var doc Lineage
	ok(t, json.Unmarshal([]byte(s.read(".manifest/model/v1/lineage.json")), &doc))
	if doc.Of != "model:v1" || len(doc.Nodes) != 8 || len(doc.Edges) != 8 {
		t.Errorf("lineage.json holds %+v", doc)
	}
	s.want("not listed", s.ls(".manifest/model/v1"), "data@ manifest.json metadata.json")
}

// What a lineage asks for pins nothing, and is no use.
func TestLineagePinsNothing(t *testing.T) {
	s, _ := pinSite(t)
	a := inJob("a")
	_, err := s.Lineage(a, manifest.Ref{Name: "m", Version: manifest.Latest}, LineageOptions{Up: true, Down: true})
	ok(t, err)
	if _, err := s.noted(ctx, mustID(a)); err == nil {
		t.Error("the job has a snapshot now")
	}
}

// A chain of many versions is answered in about the time that it takes to list them,
// and in memory for what the records say of each other.
func TestLineageOfMany(t *testing.T) {
	count := 2000
	if os.Getenv("ARTIFACTFS_LARGE") != "" {
		count = 10_000
	}
	s := newSite(t, nil)
	text := func(n int) []byte {
		m := manifest.Manifest{Name: "m", Version: n, Type: "Artifact", Path: s.data, CreatedAt: "2026-08-21T09:00:00+00:00", Metadata: manifest.Object{}, Inputs: []string{}, UsedArtifacts: []string{}}
		if n > 1 {
			m.UsedArtifacts = []string{fmt.Sprintf("m:v%d", n-1)}
		}
		return m.Bytes()
	}
	for n := 1; n <= count; n++ {
		dir := fmt.Sprintf("%s/m/v%d", s.root, n)
		ok(t, os.MkdirAll(dir, 0o755))
		ok(t, os.WriteFile(dir+"/manifest.json", text(n), 0o644))
	}
	begin := time.Now()
	l, err := s.dir.Versions(ctx, "m")
	ok(t, err)
	for _, n := range l.Versions {
		_, err := s.dir.Manifest(ctx, "m", n)
		ok(t, err)
	}
	listing := time.Since(begin)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	begin = time.Now()
	g, err := s.Lineage(ctx, manifest.Ref{Name: "m", Version: "v1"}, LineageOptions{Down: true})
	ok(t, err)
	took := time.Since(begin)
	runtime.GC()
	runtime.ReadMemStats(&after)
	t.Logf("%d versions: listed and read in %v, lineage in %v, %d bytes kept", count, listing, took, after.HeapAlloc-before.HeapAlloc)
	if len(g.Nodes) != count || len(g.Edges) != count-1 {
		t.Errorf("%d nodes, %d edges", len(g.Nodes), len(g.Edges))
	}
	if took > 10*listing+10*time.Second { // a busy machine; with -race
		t.Errorf("a lineage of %d versions takes %v; to list and read them, %v", count, took, listing)
	}
	if kept := int64(after.HeapAlloc) - int64(before.HeapAlloc); kept > int64(count)*8<<10 {
		t.Errorf("it keeps %d bytes", kept)
	}
	runtime.KeepAlive(g)
}
