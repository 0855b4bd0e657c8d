package resolver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"artifactfs.dev/artifactfs/internal/store/bucket"
	"artifactfs.dev/artifactfs/internal/store/bucket/buckettest"
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
		if n.Missing == "" && !n.Input {
			r, err := manifest.ParseRef(n.ID)
			ok(s.T, err)
			v, err := s.Resolve(ctx, r)
			ok(s.T, err)
			s.want("what "+n.ID+" is read as", v.String(), n.ID)
		}
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
	s.want("one step", s.graph("model:v2", LineageOptions{Up: true, Down: true, Depth: 1}), "model:v2 model:v1+ sft:v1+ deep/er:v1 "+
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

// A chain of many versions is answered in about the time that it takes to list and read
// them, and in memory for what the records say of each other.
func TestLineageOfMany(t *testing.T) {
	t.Run("dir", func(t *testing.T) {
		s := newSite(t, nil)
		open := func() Source {
			d, err := manifest.OpenDir(s.root, nil)
			ok(t, err)
			return d
		}
		lineageOfMany(t, s, open, many(2000, 10_000), func(n int, text []byte) error {
			dir := fmt.Sprintf("%s/m/v%d", s.root, n)
			return errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(dir+"/manifest.json", text, 0o644))
		})
	})
	t.Run("bucket", func(t *testing.T) {
		uri, err := bucket.Parse(buckettest.S3(t).URI)
		ok(t, err)
		b, err := bucket.Open(t.Context(), uri)
		ok(t, err)
		t.Cleanup(func() { b.Close() })
		s := newSite(t, nil)
		lineageOfMany(t, s, func() Source { return manifest.NewCatalog(b, nil) }, many(100, 10_000), func(n int, text []byte) error {
			dir := fmt.Sprintf("m/v%d/", n)
			return errors.Join(b.Write(t.Context(), dir+"metadata.json", []byte("{}")), b.Write(t.Context(), dir+"manifest.json", text))
		})
	})
}

// heldReads is a Source whose records wait: a read of one that is a key goes on once the
// read of its value has begun.
type heldReads struct {
	Source
	holds map[string]string

	mu    sync.Mutex // guards what follows
	reads map[string]int
	begun map[string]chan struct{}
}

func (h *heldReads) at(ref string) chan struct{} {
	if h.begun[ref] == nil {
		h.begun[ref] = make(chan struct{})
	}
	return h.begun[ref]
}

func (h *heldReads) Manifest(ctx context.Context, name string, n int) (*manifest.Record, error) {
	ref := fmt.Sprintf("%s:v%d", name, n)
	h.mu.Lock()
	if h.reads[ref]++; h.reads[ref] == 1 {
		close(h.at(ref))
	}
	other := h.at(h.holds[ref])
	h.mu.Unlock()
	if h.holds[ref] != "" {
		select {
		case <-other:
		case <-time.After(time.Minute):
			return nil, fmt.Errorf("%s is not read while %s is", h.holds[ref], ref)
		}
	}
	return h.Source.Manifest(ctx, name, n)
}

// Records are read several at a time, along a chain too, and each of them once.
func TestLineageAhead(t *testing.T) {
	s := newSite(t, nil)
	s.made("m", 1)
	for n := 2; n <= 200; n++ {
		s.made("m", n, fmt.Sprintf("m:v%d", n-1))
	}
	var wide []string
	for i := range 200 {
		s.made(fmt.Sprint("w", i), 3)
		wide = append(wide, fmt.Sprintf("w%d:v3", i))
	}
	s.made("wide", 1, append(wide, "even:v400")...)
	for n := 4; n <= 400; n += 2 { // every other number
		s.made("even", n, fmt.Sprintf("even:v%d", n-2), "wide:v1", "m:v200")
	}
	src := s.Tree.src
	h := &heldReads{Source: src, reads: map[string]int{}, begun: map[string]chan struct{}{}, holds: map[string]string{
		"m:v100": "m:v80", "w0:v3": "w20:v3", "w100:v3": "w120:v3", "even:v300": "even:v280",
	}}
	s.Tree = New(h, nil)
	r, err := manifest.ParseRef("wide")
	ok(t, err)
	l, err := s.Lineage(ctx, r, LineageOptions{Up: true})
	ok(t, err)
	missing := ""
	for _, n := range l.Nodes {
		if n.Missing != "" {
			missing += n.ID
		}
	}
	if len(l.Nodes) != 1+200+200+199+1 || missing != "even:v2" {
		t.Errorf("%d nodes, of which %q are missing", len(l.Nodes), missing)
	}
	for ref, n := range h.reads {
		if n > 1 && ref != "even:v2" && ref != "wide:v1" { // which is missing, and which is resolved first
			t.Errorf("%s is read %d times", ref, n)
		}
	}
	if all := len(h.reads); all > 1+200+200+199+lineageAhead {
		t.Errorf("%d records are read", all)
	}
	if again := s.graph("m:v3", LineageOptions{Up: true}); again != "m:v3 m:v2 m:v1 m:v2>m:v3 m:v1>m:v2" {
		t.Errorf("a short chain is %s", again)
	}
}

// many is how much of something a test takes; with ARTIFACTFS_LARGE the whole promise.
func many(usual, large int) int {
	if os.Getenv("ARTIFACTFS_LARGE") != "" {
		return large
	}
	return usual
}

func lineageOfMany(t *testing.T, s *site, open func() Source, count int, write func(n int, text []byte) error) {
	g := new(errgroup.Group)
	g.SetLimit(16)
	for n := range count {
		m := manifest.Manifest{Name: "m", Version: n + 1, Type: "Artifact", Path: s.data, CreatedAt: "2026-08-21T09:00:00+00:00", Metadata: manifest.Object{}, Inputs: []string{}, UsedArtifacts: []string{}}
		if n > 0 {
			m.UsedArtifacts = []string{fmt.Sprintf("m:v%d", n)}
		}
		g.Go(func() error { return write(n+1, m.Bytes()) })
	}
	ok(t, g.Wait())
	src := open()
	begin := time.Now()
	l, err := src.Versions(ctx, "m")
	ok(t, err)
	listed := time.Since(begin)
	g.SetLimit(lineageReads)
	for _, n := range l.Versions {
		g.Go(func() error { _, err := src.Manifest(ctx, "m", n); return err })
	}
	ok(t, g.Wait())
	listing := time.Since(begin)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	s.Tree = New(open(), nil) // which knows nothing
	begin = time.Now()
	down, err := s.Lineage(ctx, manifest.Ref{Name: "m", Version: "v1"}, LineageOptions{Down: true})
	ok(t, err)
	took := time.Since(begin)
	runtime.GC()
	runtime.ReadMemStats(&after)
	s.Tree = New(open(), nil)
	begin = time.Now()
	up, err := s.Lineage(ctx, manifest.Ref{Name: "m", Version: fmt.Sprintf("v%d", count)}, LineageOptions{Up: true})
	ok(t, err)
	upTook := time.Since(begin)
	t.Logf("%d versions: listed in %v, and read in %v; lineage down in %v, %d bytes kept; up in %v", count, listed, listing, took, int64(after.HeapAlloc)-int64(before.HeapAlloc), upTook)
	for _, got := range []*Lineage{down, up} {
		if len(got.Nodes) != count || len(got.Edges) != count-1 {
			t.Errorf("%d nodes, %d edges", len(got.Nodes), len(got.Edges))
		}
	}
	if max(took, upTook) > 10*listing+10*time.Second { // a busy machine; with -race
		t.Errorf("a lineage of %d versions takes %v down, %v up; to list and read them, %v", count, took, upTook, listing)
	}
	if kept := int64(after.HeapAlloc) - int64(before.HeapAlloc); kept > int64(count)*8<<10+4<<20 {
		t.Errorf("it keeps %d bytes", kept)
	}
	runtime.KeepAlive(down)
}
