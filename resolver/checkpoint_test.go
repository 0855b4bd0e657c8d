package resolver

import (
	"fmt"
	"io/fs"
	"os"
	"testing"

	"artifactfs.dev/artifactfs/manifest"
)

// ckpt makes a Megatron directory with some iterations.
func (s *site) ckpt(iterations ...int) {
	for _, n := range iterations {
		s.file(fmt.Sprintf("ckpt/iter_%07d/train_state.pt", n), fmt.Sprint("state", n))
		s.file(fmt.Sprintf("ckpt/iter_%07d/w", n), fmt.Sprint("weights", n))
		s.file("ckpt/latest_checkpointed_iteration.txt", fmt.Sprint(n))
		s.file("ckpt/latest_train_state.pt", fmt.Sprint("state", n))
	}
	s.file("ckpt/args.yaml", "args")
	s.file("ckpt/wandb/run", "run")
}

func TestCheckpointShowsOneIteration(t *testing.T) {
	s := newSite(t, nil)
	s.ckpt(500, 1000)
	s.symlink("iter_0001000", "ckpt/newest")
	s.symlink("iter_0000500", "ckpt/best")
	s.log("m", `{"path": "DATA/ckpt", "iteration": 500}`)
	s.log("m", `{"path": "DATA/ckpt/iter_0001000", "iteration": 1000}`)

	s.wantLs("m/v1", "args.yaml best@ iter_0000500/ latest_checkpointed_iteration.txt latest_train_state.pt wandb/")
	s.want("tracker", s.read("m/v1/latest_checkpointed_iteration.txt"), "500")
	s.want("train state", s.read("m/v1/latest_train_state.pt"), "state500")
	s.want("weights", s.read("m/v1/iter_0000500/w"), "weights500")
	s.wantNone("m/v1/iter_0001000", fs.ErrNotExist, "iter_0000500 alone")
	s.wantNone("m/v1/newest", fs.ErrNotExist, "another iteration")

	s.wantLs("m/v2", "args.yaml iter_0001000/ latest_checkpointed_iteration.txt latest_train_state.pt newest@ wandb/")
	s.want("tracker", s.read("m/v2/latest_checkpointed_iteration.txt"), "1000")
	s.want("train state", s.read("m/v2/latest_train_state.pt"), "state1000")
	if a, b := s.walk1("m/v1/args.yaml"), s.walk1("m/v2/args.yaml"); a.Key == b.Key {
		t.Error("two checkpoints share an inode")
	}
}

// A newer iteration that is written later changes nothing.
func TestCheckpointStays(t *testing.T) {
	s := newSite(t, nil)
	s.ckpt(500)
	s.log("m", `{"path": "DATA/ckpt", "iteration": 500}`)
	before := s.ls("m/v1")
	s.ckpt(501)
	s.wantLs("m/v1", before)
	s.want("tracker", s.read("m/v1/latest_checkpointed_iteration.txt"), "500")
	ok(t, os.RemoveAll(s.data+"/ckpt/iter_0000500"))
	s.wantNone("m/v1/args.yaml/x", fs.ErrNotExist, "no iteration 500")
	s.wantNone("m/v1/iter_0000500", fs.ErrNotExist, "no iteration 500")
	if got := s.Missing(); len(got) != 1 {
		t.Errorf("missing: %v", got)
	}
}

func TestCheckpointWidthsAndWithoutState(t *testing.T) {
	s := newSite(t, nil)
	s.file("wide/iter_000000042/w", "1")
	s.file("wide/iter_7/w", "7")
	s.file("wide/latest_train_state.pt", "of 7")
	s.log("m", `{"path": "DATA/wide", "iteration": 42}`)
	s.wantLs("m/v1", "iter_000000042/ latest_checkpointed_iteration.txt")
	s.wantNone("m/v1/latest_train_state.pt", fs.ErrNotExist)

	// A link to the iteration's directory elsewhere.
	s.file("archive/i9/w", "9")
	s.symlink("../archive/i9", "wide/iter_0000009")
	s.log("m", `{"path": "DATA/wide", "iteration": 9}`)
	s.want("an iteration that is a link", s.read("m/v2/iter_0000009/w"), "9")
}

// An export in Hugging Face format is recorded as iteration 0 and has no iterations.
func TestExportIsNoCheckpoint(t *testing.T) {
	s := newSite(t, nil)
	s.file("hf/config.json", "{}")
	s.log("m", `{"path": "DATA/hf", "iteration": 0}`)
	s.wantLs("m/v1", "config.json")
}

// The iteration may stand in metadata.json alone; other types have none.
func TestIterationOfOtherTypes(t *testing.T) {
	s := newSite(t, nil)
	s.ckpt(500, 1000)
	s.record("m", 1, manifest.Manifest{Type: "Artifact", Path: s.data + "/ckpt", Metadata: manifest.Object{{Key: "iteration", Value: 500}}})
	s.wantLs("m/v1", "args.yaml iter_0000500/ iter_0001000/ latest_checkpointed_iteration.txt latest_train_state.pt wandb/")
	s.record("m", 2, manifest.Manifest{Type: "model", Path: s.data + "/ckpt"})
	ok(t, os.WriteFile(s.root+"/m/v2/metadata.json", []byte(`{"iteration": 500}`), 0o644))
	s.wantLs("m/v2", "args.yaml iter_0000500/ latest_checkpointed_iteration.txt latest_train_state.pt wandb/")
}
