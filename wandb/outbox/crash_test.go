package outbox

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"artifactfs.dev/artifactfs/manifest"
	"artifactfs.dev/artifactfs/wandb/wandbtest"
)

// crashDraft is what a child of the test logs.
func crashDraft(t *testing.T, name string) *manifest.Draft {
	t.Helper()
	return draft(t, name, `{"path": "`+os.Getenv("CRASH_DATA")+`", "used_artifacts": ["raw:v0"], "inputs": ["hf://a/`+name+`"]}`)
}

// TestCrashChild is the child: it logs a version, and kills itself at the step in its
// environment, or else prints how many there were.
func TestCrashChild(t *testing.T) {
	dir, name, at := os.Getenv("CRASH_DIR"), os.Getenv("CRASH_NAME"), os.Getenv("CRASH_AT")
	if dir == "" {
		t.Skip("runs as a child of TestCrash")
	}
	store := crashStore(t, dir)
	o := patient(open(t, dir, &wandbtest.Server{URL: os.Getenv("CRASH_SERVER"), Key: os.Getenv("CRASH_KEY")}, with(store)))
	n := 0
	o.step = func(name string) {
		n++
		fmt.Printf("step %d %s\n", n, name)
		if fmt.Sprint(n) == at {
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
	d := crashDraft(t, name)
	drop, err := o.Intend(bg, name, d)
	if err != nil {
		t.Fatal(err)
	}
	v, err := store.Publish(bg, name, d)
	if err != nil {
		t.Fatal(err)
	}
	o.step("published")
	p := pushed(t, o, name, v, d)
	drop()
	o.step("dropped")
	if p, err := o.Try(bg, p.ID); err != nil || p.State != manifest.PushDone {
		t.Fatalf("%+v %v", p, err)
	}
}

func crashStore(t *testing.T, dir string) *manifest.Dir {
	t.Helper()
	if err := os.MkdirAll(dir+"/store", 0o700); err != nil {
		t.Fatal(err)
	}
	store, err := manifest.OpenDir(dir+"/store", nil)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// with has an outbox know a store.
func with(store *manifest.Dir) func(*Options) {
	return func(opt *Options) {
		opt.Find = FindIn(store)
		opt.Done = func(ctx context.Context, p *manifest.Push) error {
			ref, err := manifest.ParseRef(p.Manifest)
			if err != nil {
				return err
			}
			m, _ := ref.Number()
			v, _ := manifest.ParseVersion(p.Version)
			return store.NoteWandB(ctx, ref.Name, manifest.WandB{Version: int(v), Manifest: int(m), Artifact: p.Name, ID: p.ArtifactID})
		}
	}
}

// crash runs the child and returns what it printed.
func crash(t *testing.T, srv *wandbtest.Server, dir, data, name string, at int) string {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestCrashChild$")
	cmd.Env = append(os.Environ(), "CRASH_DIR="+dir, "CRASH_DATA="+data, "CRASH_SERVER="+srv.URL, "CRASH_KEY="+srv.Key, "CRASH_NAME="+name, fmt.Sprintf("CRASH_AT=%d", at))
	out, _ := cmd.Output()
	if killed := cmd.ProcessState.Sys().(syscall.WaitStatus).Signaled(); killed != (at > 0) {
		t.Fatalf("%s at step %d: %v\n%s", name, at, cmd.ProcessState, out)
	}
	return string(out)
}

// A push survives kill -9 between any two steps: what was queued is logged once, with
// its aliases, its lineage and the store's knowledge of it.
func TestCrash(t *testing.T) {
	srv := wandbtest.New(t, nil)
	if _, err := srv.Log(wandbtest.Version{Name: "raw"}); err != nil {
		t.Fatal(err)
	}
	data := tree(t, "x")
	steps := strings.Split(strings.TrimSpace(crash(t, srv, t.TempDir(), data, "all", 0)), "\n")
	killed := 0
	for i, step := range steps {
		if !strings.HasPrefix(step, "step ") {
			continue
		}
		killed++
		t.Run(strings.ReplaceAll(step, " ", "_"), func(t *testing.T) {
			dir, name := t.TempDir(), fmt.Sprintf("n%d", i)
			crash(t, srv, dir, data, name, i+1)
			afterCrash(t, srv, dir, name)
		})
	}
	if killed < 20 {
		t.Errorf("only these steps: %v", steps)
	}
}

// afterCrash checks that what the store has is logged once.
func afterCrash(t *testing.T, srv *wandbtest.Server, dir, name string) {
	t.Helper()
	store := crashStore(t, dir)
	o := open(t, dir, srv, with(store))
	running(t, o)
	eventually(t, "nothing is intended", func() bool {
		left, _ := filepath.Glob(dir + "/*.intent")
		return len(left) == 0
	})
	id := o.idOf(name, 1)
	if l, err := store.Versions(bg, name); errors.Is(err, fs.ErrNotExist) {
		if _, err := o.Of(bg, name, 1); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the store has none, and this is pushed: %v", err)
		}
		return
	} else if err != nil || len(l.Versions) != 1 {
		t.Fatalf("%+v %v", l, err)
	}
	if p := ended(t, o, id); p.State != manifest.PushDone || p.Version != "v0" || p.Run != "team/nemotron/afs"+id[:24] {
		t.Errorf("%+v", p)
	}
	if diff := cmp.Diff([]string{"v0 latest"}, versions(t, srv, name)); diff != "" {
		t.Errorf("versions (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"v0 latest"}, versions(t, srv, "a-"+name)); diff != "" {
		t.Errorf("the input's versions (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"a-" + name, "raw"}, usedBy(t, srv, "afs"+id[:24])); diff != "" {
		t.Errorf("used (-want +got):\n%s", diff)
	}
	if w, err := store.FromWandB(bg, name, 0); err != nil || w.Manifest != 1 {
		t.Errorf("the store was not told: %+v %v", w, err)
	}
	eventually(t, "nothing is left", func() bool { left, err := o.List(); return err == nil && len(left) == 0 })
}
