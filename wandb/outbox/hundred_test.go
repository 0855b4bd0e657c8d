package outbox

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"artifactfs.dev/artifactfs/manifest"
	"artifactfs.dev/artifactfs/wandb/wandbtest"
)

// TestHundredChild is a process that logs a version (HUNDRED_LOG), or works on the
// outbox until it is killed.
func TestHundredChild(t *testing.T) {
	dir := os.Getenv("HUNDRED_DIR")
	if dir == "" {
		t.Skip("runs as a child of TestHundred")
	}
	store := crashStore(t, dir)
	o := open(t, dir, &wandbtest.Server{URL: os.Getenv("HUNDRED_SERVER"), Key: os.Getenv("HUNDRED_KEY")}, with(store))
	// It dies at any step, after so many of them.
	left, _ := strconv.Atoi(os.Getenv("HUNDRED_STEPS"))
	o.step = func(string) {
		if left--; left == 0 {
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
	n := os.Getenv("HUNDRED_LOG")
	if n == "" {
		o.Run(bg)
		return
	}
	d := draft(t, "data", fmt.Sprintf(`{"path": %q, "n": %s, "request_id": "request %s"}`, os.Getenv("HUNDRED_DATA"), n, n))
	drop, err := o.Intend(bg, "data", d)
	if err != nil {
		t.Fatal(err)
	}
	o.step("")
	v, err := store.Publish(bg, "data", d)
	if err != nil {
		t.Fatal(err)
	}
	o.step("")
	if _, err := o.Push(bg, "data", v, d); err != nil {
		t.Fatal(err)
	}
	drop()
}

// Many logs, while the server fails at each step in turn, the network goes and
// comes, and processes are killed between any two steps: those that log, which are
// then asked again with the same request_id, and those that speak to W&B. Every
// version ends in both, once.
func TestHundred(t *testing.T) {
	logs := 50 // and a hundred through a mount, in the acceptance tests
	if testing.Short() {
		logs = 10
	}
	srv := wandbtest.New(t, nil)
	dir, data := t.TempDir(), tree(t, "x")
	child := func(ctx context.Context, steps int, env ...string) *exec.Cmd {
		cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestHundredChild$")
		cmd.Env = append(append(os.Environ(), "HUNDRED_DIR="+dir, "HUNDRED_DATA="+data, "HUNDRED_SERVER="+srv.URL, "HUNDRED_KEY="+srv.Key,
			fmt.Sprint("HUNDRED_STEPS=", steps)), env...)
		return cmd
	}
	ctx, stop := context.WithCancel(bg)
	done := make(chan struct{})
	var kills atomic.Int64
	go func() { // the daemon, and whoever starts it again
		defer close(done)
		for ctx.Err() == nil {
			_ = child(ctx, 1+rand.IntN(60)).Run()
			kills.Add(1)
		}
	}()
	defer func() { stop(); <-done }()
	store := crashStore(t, dir)
	for i := range logs {
		step := steps[i%len(steps)]
		srv.Fail(step, []wandbtest.Fault{{Status: 503}, {Drop: true}, {Drop: true, Late: true}, {Status: 500, Late: true}, {Status: 409}}[rand.IntN(5)])
		if i%10 == 5 {
			srv.Down()
		}
		steps := rand.IntN(8)
		for { // a writer that is not answered asks again
			out, err := child(ctx, steps, fmt.Sprint("HUNDRED_LOG=", i)).CombinedOutput()
			if err == nil {
				break
			}
			if ws, ok := err.(*exec.ExitError); !ok || !ws.Sys().(syscall.WaitStatus).Signaled() {
				t.Fatalf("log %d: %v\n%s", i, err, out)
			}
			steps++
			kills.Add(1)
		}
		if i%10 == 8 {
			if err := srv.Up(); err != nil {
				t.Fatal(err)
			}
		}
	}
	srv.Heal()
	if err := srv.Up(); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(3 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		if all, err := store.WandBVersions(bg, "data"); err == nil && len(all) >= logs {
			break
		} else if time.Now().After(end) {
			t.Fatalf("after %d logs the store knows of %d in W&B (%v)", logs, len(all), err)
		}
	}
	sameInBoth(t, srv, store, logs)
	t.Logf("%d logs, %d kills, %d requests", logs, kills.Load(), srv.Requests("*"))
}

// sameInBoth checks that the store and W&B have the same versions, each once.
func sameInBoth(t *testing.T, srv *wandbtest.Server, store *manifest.Dir, logs int) {
	t.Helper()
	l, err := store.Versions(bg, "data")
	if err != nil || len(l.Versions) != logs {
		t.Fatalf("the store has %d versions (%v), want %d", len(l.Versions), err, logs)
	}
	seen := make(map[string]bool)
	latest := ""
	n := 0
	for _, v := range srv.Versions("team", "nemotron", "data") {
		if v.State != "COMMITTED" {
			continue
		}
		n++
		w, err := store.FromWandB(bg, "data", v.Index)
		if err != nil || w.ID != v.ID {
			t.Errorf("W&B's v%d: the store knows %+v (%v)", v.Index, w, err)
			continue
		}
		r, err := store.Manifest(bg, "data", w.Manifest)
		if err != nil {
			t.Fatal(err)
		}
		var m struct {
			Created string      `json:"created_at"`
			N       json.Number `json:"n"`
		}
		if err := json.Unmarshal([]byte(v.Metadata), &m); err != nil || m.Created != r.Manifest.CreatedAt {
			t.Errorf("W&B's v%d is of %s, v%d of the store of %s", v.Index, m.Created, w.Manifest, r.Manifest.CreatedAt)
		}
		if got, _ := r.Field("n", ""); got != manifest.Number(m.N) || seen[string(m.N)] {
			t.Errorf("W&B's v%d is log %s, v%d of the store is log %v; twice: %v", v.Index, m.N, w.Manifest, got, seen[string(m.N)])
		}
		seen[string(m.N)] = true
		if len(v.Aliases) > 0 {
			latest += fmt.Sprintf("v%d", v.Index)
		}
	}
	if n != logs || latest != fmt.Sprintf("v%d", logs-1) {
		t.Errorf("W&B has %d versions, latest is %s", n, latest)
	}
}
