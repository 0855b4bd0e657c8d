package resolver

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"artifactfs.dev/artifactfs/manifest"
	"artifactfs.dev/artifactfs/wandb/wandbtest"
)

// usedByRun says in W&B that a run of a project has used an artifact.
func (b *both) usedByRun(id, project, run string) {
	b.Helper()
	_, err := b.srv.Exec(`mutation($a: ID!, $p: String!, $r: String!) {
		useArtifact(input: {artifactID: $a, entityName: "team", projectName: $p, runName: $r}) { artifact { id } } }`,
		map[string]any{"a": id, "p": project, "r": run})
	ok(b.T, err)
}

// lineage fills both with the same story, as far as each can tell it.
//
//	raw (store v1 = W&B v0) -> sft (store v1 = W&B v0) -> mine (store alone, v1)
//	raw -> far (W&B's other project, v0) -> sft v1 (W&B alone)
//	one -> two -> one, in W&B
func (b *both) story() {
	b.Helper()
	b.made("raw", 1, "hf://datasets/a/b")
	b.made("sft", 1) // its record, as the job's rank wrote it, knows of no use
	log := func(v wandbtest.Version) string { v.NoDedupe = true; return b.wandb(v).ID }
	raw := log(wandbtest.Version{Name: "raw", Run: "r0"})
	sft := log(wandbtest.Version{Name: "sft", Run: "r1"})
	b.usedByRun(raw, "nemotron", "r1")
	far := log(wandbtest.Version{Name: "far", Project: "other", Run: "r2"})
	b.usedByRun(raw, "other", "r2")
	log(wandbtest.Version{Name: "sft", Run: "r3", Metadata: map[string]any{"k": 2}})
	b.usedByRun(far, "nemotron", "r3")
	one := log(wandbtest.Version{Name: "one", Run: "c1"})
	two := log(wandbtest.Version{Name: "two", Run: "c2"})
	b.usedByRun(one, "nemotron", "c2")
	b.usedByRun(two, "nemotron", "c1")
	ok(b.T, b.dir.NoteWandB(ctx, "raw", manifest.WandB{Version: 0, Manifest: 1, Artifact: "team/nemotron/raw", ID: raw}))
	ok(b.T, b.dir.NoteWandB(ctx, "sft", manifest.WandB{Version: 0, Manifest: 1, Artifact: "team/nemotron/sft", ID: sft}))
}

// sortedGraph is graph with its edges and nodes in order: W&B's own order says nothing.
func (s *site) sortedGraph(ref string, o LineageOptions) string {
	s.Helper()
	words := strings.Fields(s.graph(ref, o))
	slices.Sort(words)
	return strings.Join(words, " ")
}

func TestLineageOfBoth(t *testing.T) {
	up, down := LineageOptions{Up: true}, LineageOptions{Down: true}
	t.Run("W&B numbers", func(t *testing.T) {
		b := newBoth(t)
		b.story()
		b.made("mine", 1, "team/nemotron/sft:v0", "raw:v0", "team/gone/x:v3")
		s := b.mount("mw", manifest.ByWandB, nil)
		s.want("down", s.sortedGraph("raw:v0", down), ".manifest/mine:v1 .wandb/team/other/far:v0 .wandb/team/other/far:v0>sft:v1 raw:v0 raw:v0>.manifest/mine:v1 raw:v0>.wandb/team/other/far:v0 raw:v0>sft:v0 sft:v0 sft:v0>.manifest/mine:v1 sft:v1")
		s.want("up", s.sortedGraph("mine", up), ".manifest/mine:v1 =hf://datasets/a/b ?team/gone/x:v3 hf://datasets/a/b>raw:v0 raw:v0 raw:v0>.manifest/mine:v1 raw:v0>sft:v0 sft:v0 sft:v0>.manifest/mine:v1 team/gone/x:v3>.manifest/mine:v1")
		for ref, want := range map[string]string{".wandb/raw:v0": "raw:v0", ".wandb/sft": "sft:v1", ".manifest/sft:v1": ".manifest/sft:v1", "mine:latest": ".manifest/mine:v1"} {
			r, err := manifest.ParseRef(ref)
			ok(t, err)
			v, err := s.Resolve(ctx, r)
			ok(t, err)
			s.want(ref, v.String(), want)
		}
		s.want("by the store's number", s.sortedGraph(".manifest/sft:v1", up), s.sortedGraph("sft:v0", up))
		s.want("a ring", s.sortedGraph("one:v0", LineageOptions{Up: true, Down: true}), "one:v0 one:v0>two:v0 two:v0 two:v0>one:v0")
		if doc := s.read(".manifest/mine/v1/lineage.json"); !strings.Contains(doc, `"from": "sft:v0"`) {
			t.Errorf("lineage.json holds %s", doc)
		}
		if doc := s.read(".manifest/sft/v1/lineage.json"); !strings.Contains(doc, `"of": "sft:v0"`) {
			t.Errorf("lineage.json of what W&B has too holds %s", doc)
		}
	})
	t.Run("the manifest numbers", func(t *testing.T) {
		b := newBoth(t)
		b.story()
		b.made("mine", 1, "sft:v1", "team/other/far:v0")
		s := b.mount("mw", manifest.ByManifest, nil)
		s.want("down", s.sortedGraph("raw:v1", down), ".wandb/sft:v1 .wandb/team/other/far:v0 .wandb/team/other/far:v0>.wandb/sft:v1 .wandb/team/other/far:v0>mine:v1 mine:v1 raw:v1 raw:v1>.wandb/team/other/far:v0 raw:v1>sft:v1 sft:v1 sft:v1>mine:v1")
		s.want("up", s.sortedGraph("mine", up), ".wandb/team/other/far:v0 .wandb/team/other/far:v0>mine:v1 =hf://datasets/a/b hf://datasets/a/b>raw:v1 mine:v1 raw:v1 raw:v1>.wandb/team/other/far:v0 raw:v1>sft:v1 sft:v1 sft:v1>mine:v1")
	})
	t.Run("W&B alone", func(t *testing.T) {
		b := newBoth(t)
		b.story()
		s := b.mount("w", "", nil)
		s.want("down", s.sortedGraph("raw", down), ".wandb/team/other/far:v0 .wandb/team/other/far:v0>sft:v1 raw:v0 raw:v0>.wandb/team/other/far:v0 raw:v0>sft:v0 sft:v0 sft:v1")
		s.want("up", s.sortedGraph("sft:v1", up), ".wandb/team/other/far:v0 .wandb/team/other/far:v0>sft:v1 raw:v0 raw:v0>.wandb/team/other/far:v0 sft:v1")
		s.want("far", s.sortedGraph("team/other/far", LineageOptions{Up: true, Down: true, Depth: 1}), ".wandb/team/other/far:v0 .wandb/team/other/far:v0>sft:v1 raw:v0 raw:v0>.wandb/team/other/far:v0 sft:v1+")
	})
	t.Run("W&B is away", func(t *testing.T) {
		b := newBoth(t)
		b.story()
		b.made("mine", 1, "sft:v1", "team/other/far:v0")
		b.srv.Down()
		s := b.mount("mw", manifest.ByManifest, nil)
		s.want("what the store knows", s.sortedGraph("sft:v1", down), "mine:v1 sft:v1 sft:v1>mine:v1")
		l, err := s.Lineage(ctx, manifest.Ref{Name: "mine", Version: "v1"}, up)
		ok(t, err)
		if len(l.Warnings) != 1 || !strings.Contains(l.Warnings[0], "refused") || len(l.Nodes) != 3 {
			t.Errorf("warnings %q, %d nodes", l.Warnings, len(l.Nodes))
		}
	})
}

// A number of W&B's is recorded with its full name: whoever reads the record later may
// have others.
func TestUsesOfBoth(t *testing.T) {
	for _, tt := range []struct {
		on   string
		by   manifest.Numbering
		want string
	}{
		{"mw", manifest.ByWandB, "nested/deep:v1 team/nemotron/both:v2 team/nemotron/theirs:v0 .manifest/mine:v1"},
		{"mw", manifest.ByManifest, "both:v3 mine:v1 nested/deep:v1 team/nemotron/theirs:v0"},
	} {
		t.Run(string(tt.by), func(t *testing.T) {
			b := newBoth(t)
			b.fill()
			s := b.mount(tt.on, tt.by, &Options{Job: testJob, Pins: []Pinner{b.dir.Pins()}})
			a := inJob("a")
			for _, name := range []string{"both", "mine", "theirs", "nested/deep"} {
				s.linkAs(a, name+"/latest")
			}
			want := strings.Fields(tt.want)
			slices.Sort(want)
			got, err := s.used(a)
			ok(t, err)
			s.want("used", fmt.Sprint(got), fmt.Sprint(want))
			w, _ := s.writer()
			w.ctx = context.WithValue(w.ctx, jobKey{}, mustID(a))
			w.logs("out", 1)
			kept, err := b.dir.KeptUsed(ctx, "out", 1)
			ok(t, err)
			s.want("kept", fmt.Sprint(kept), fmt.Sprint(want))
			l, err := s.Lineage(ctx, manifest.Ref{Name: "out", Version: manifest.Latest}, LineageOptions{Up: true, Depth: 1})
			ok(t, err)
			for _, n := range l.Nodes {
				if n.Missing != "" {
					t.Errorf("%s is missing: %s", n.ID, n.Missing)
				}
			}
			if len(l.Edges) != len(want) {
				t.Errorf("edges %v", l.Edges)
			}
		})
	}
}

// What the SDK itself says of a run, which reads one version that the store has too.
func TestLineageOfSDK(t *testing.T) {
	b := newBoth(t)
	b.file("d/f", "1")
	b.log("raw", "d")
	b.pushed("raw", 1)
	cmd := b.srv.Python(t, wandbtest.SDKs[0], "-c", `
import wandb
run = wandb.init(entity="team", project="nemotron")
run.use_artifact("raw:latest")
out = wandb.Artifact("model", "model")
with out.new_file("w") as f:
    f.write("weights")
run.log_artifact(out).wait()
run.finish()`)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for by, want := range map[manifest.Numbering]string{
		manifest.ByWandB:    "model:v0 raw:v0 raw:v0>model:v0",
		manifest.ByManifest: ".wandb/model:v0 raw:v1 raw:v1>.wandb/model:v0",
	} {
		s := b.mount("mw", by, nil)
		s.want("up, by "+string(by), s.sortedGraph("model", LineageOptions{Up: true}), want)
		s.want("down, by "+string(by), s.sortedGraph("raw", LineageOptions{Down: true}), want)
	}
}
