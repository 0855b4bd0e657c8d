package wandb_test

import (
	"errors"
	"io/fs"
	"slices"
	"testing"

	"artifactfs.dev/artifactfs/resolver"
	"artifactfs.dev/artifactfs/wandb"
	"artifactfs.dev/artifactfs/wandb/wandbtest"
)

var _ resolver.Runs = (*wandb.Source)(nil)

const useArtifact = `mutation($a: ID!, $p: String!, $r: String!) {
	useArtifact(input: {artifactID: $a, entityName: "team", projectName: $p, runName: $r}) { artifact { id } } }`

// uses says that a run of a project used an artifact.
func uses(t testing.TB, srv *wandbtest.Server, id, project, run string) {
	t.Helper()
	if _, err := srv.Exec(useArtifact, map[string]any{"a": id, "p": project, "r": run}); err != nil {
		t.Fatal(err)
	}
}

func TestMade(t *testing.T) {
	srv := wandbtest.New(t, nil)
	s := open(t, srv, func(c *wandb.Config) { c.Entity = "" }) // which is the key's then
	if full, ok := s.Qualified("raw"); ok {
		t.Errorf("raw is %s before anybody was asked", full)
	}
	raw := log(t, srv, wandbtest.Version{Name: "raw", Files: stored("raw"), Run: "r0"})
	log(t, srv, wandbtest.Version{Name: "sft", Files: stored("1"), Run: "r1"})
	log(t, srv, wandbtest.Version{Name: "history", Type: "wandb-history", Files: stored("h"), Run: "r1"})
	log(t, srv, wandbtest.Version{Name: "sft", Files: stored("2"), Run: "r2"})
	log(t, srv, wandbtest.Version{Name: "far", Project: "other", Files: stored("3"), Run: "r3"})
	for run, project := range map[string]string{"r0": "nemotron", "r1": "nemotron", "r3": "other"} {
		uses(t, srv, raw.ID, project, run)
	}
	got, err := s.Made(ctx(t), "raw", 0)
	slices.Sort(got)
	if err != nil || !slices.Equal(got, []string{"sft:v0", "team/other/far:v0"}) {
		t.Errorf("made of raw: %q, %v", got, err)
	}
	if got, err := s.Made(ctx(t), "sft", 0); err != nil || len(got) > 0 {
		t.Errorf("made of sft: %q, %v", got, err)
	}
	if _, err := s.Made(ctx(t), "raw", 7); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("made of what is not there: %v", err)
	}
	for name, want := range map[string]string{"raw": "team/nemotron/raw", "team/other/far": "team/other/far"} {
		if full, ok := s.Qualified(name); full != want || !ok {
			t.Errorf("%s is %s, %v", name, full, ok)
		}
	}
}
