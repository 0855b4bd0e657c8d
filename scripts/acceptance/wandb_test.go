//go:build linux

package acceptance

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"artifactfs.dev/artifactfs/manifest"
	"artifactfs.dev/artifactfs/wandb/wandbtest"
)

// wandbSteps are the requests of a log to W&B, in order.
var wandbSteps = []string{"UpsertRun", "Resolve", "CreateArtifact", "CreateManifest", "CreateFiles", "PUT", "Commit", "ArtifactByID", "Alias", "AddAliases", "file_stream"}

// A hundred logs through the mount, while the daemon is killed at random moments, W&B fails at each step in turn, and the network goes and
// comes. Writers that are not answered ask again with the same request_id. Every version ends in both stores, once, and the key is nowhere.
func TestWandBKills(t *testing.T) {
	logs := scaled(100)
	srv := wandbtest.New(t, nil)
	s := newSite(t, siteOptions{Alone: true, WandB: srv})
	writeFile(t, s.Data+"/d/x", "data")

	var next, kills atomic.Int64
	var running sync.WaitGroup
	for range 3 {
		running.Go(func() {
			for n := next.Add(1); n <= int64(logs); n = next.Add(1) {
				eventually(t, 5*time.Minute, "there are kills enough", func() error { // every third log meets one
					if k := kills.Load(); k < n/3 {
						return fmt.Errorf("%d", k)
					}
					return nil
				})
				request := fmt.Sprintf(`{"path": %q, "type": "Data", "n": %d, "request_id": "request %d"}`, s.Data+"/d", n, n)
				eventually(t, 5*time.Minute, fmt.Sprintf("log %d is answered", n), func() error { _, err := s.log("data", request); return err })
			}
		})
	}
	logged := make(chan struct{})
	go func() { running.Wait(); close(logged) }()
	for round := 0; !ended(logged); round++ {
		fault := []wandbtest.Fault{{Status: 503}, {Drop: true}, {Drop: true, Late: true}, {Status: 500, Late: true}, {Status: 409}}[rand.IntN(5)]
		srv.Fail(wandbSteps[round%len(wandbSteps)], fault)
		switch round % 6 {
		case 2:
			srv.Down()
		case 4:
			must(t, srv.Up())
		}
		time.Sleep(time.Duration(rand.IntN(300)) * time.Millisecond) // the moment is what is tested, not waited for
		s.kill()
		s.back(comeback, fmt.Sprint("after kill ", kills.Add(1)))
	}
	srv.Heal()
	must(t, srv.Up())

	store, err := manifest.OpenDir(s.Root, nil)
	must(t, err)
	eventually(t, 3*time.Minute, "W&B has all, and the store knows", func() error {
		all, err := store.WandBVersions(context.Background(), "data")
		if err == nil && len(all) < logs {
			err = fmt.Errorf("it knows of %d", len(all))
		}
		return err
	})
	sameInBoth(t, srv, store, logs)
	t.Logf("%d logs, %d kills, %d requests", logs, kills.Load(), srv.Requests("*"))
	if status := s.artifactfs("status", "--json", s.Mnt); strings.Contains(status, srv.Key) || strings.Contains(status, `"outbox"`) {
		t.Errorf("the status has the key, or pushes that are left: %s", status)
	}
	s.noSecret(srv.Key)
	s.umount()
}

func ended(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// sameInBoth checks that the store and W&B have the same versions, each once, and agree on which is which.
func sameInBoth(t *testing.T, srv *wandbtest.Server, store *manifest.Dir, logs int) {
	t.Helper()
	ctx := context.Background()
	l, err := store.Versions(ctx, "data")
	if err != nil || len(l.Versions) != logs {
		t.Fatalf("the store has %d versions (%v), want %d", len(l.Versions), err, logs)
	}
	seen := map[json.Number]bool{}
	for _, v := range srv.Versions("team", "nemotron", "data") {
		if v.State != "COMMITTED" {
			continue
		}
		w, err := store.FromWandB(ctx, "data", v.Index)
		if err != nil {
			t.Errorf("W&B's v%d: %v", v.Index, err)
			continue
		}
		r, err := store.Manifest(ctx, "data", w.Manifest)
		must(t, err)
		var m struct{ N json.Number }
		must(t, json.Unmarshal([]byte(v.Metadata), &m))
		if got, _ := r.Field("n", ""); w.ID != v.ID || got != manifest.Number(m.N) || seen[m.N] {
			t.Errorf("W&B's v%d is log %s, v%d of the store is log %v; seen before: %v", v.Index, m.N, w.Manifest, got, seen[m.N])
		}
		seen[m.N] = true
	}
	if len(seen) != logs {
		t.Errorf("W&B has %d versions, want %d", len(seen), logs)
	}
}

// noSecret fails the test for a file of the site, or an argument of one of its processes, that holds a secret.
func (s *site) noSecret(secret string) {
	s.t.Helper()
	must(s.t, filepath.WalkDir(s.Base, func(p string, e fs.DirEntry, err error) error {
		if err != nil || p == s.Mnt {
			return fs.SkipDir
		}
		if b, err := os.ReadFile(p); e.Type().IsRegular() && err == nil && strings.Contains(string(b), secret) {
			s.t.Errorf("%s holds the key", p)
		}
		return nil
	}))
	for _, pid := range s.processes() {
		if b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); err == nil && strings.Contains(string(b), secret) {
			s.t.Errorf("the arguments of process %d hold the key: %q", pid, b)
		}
	}
}
