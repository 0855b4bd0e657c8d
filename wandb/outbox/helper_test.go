package outbox

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"artifactfs.dev/artifactfs/manifest"
	"artifactfs.dev/artifactfs/wandb"
	"artifactfs.dev/artifactfs/wandb/internal/gql"
	"artifactfs.dev/artifactfs/wandb/wandbtest"
)

var bg = context.Background()

// open opens an outbox that logs to a server, and waits for little.
func open(t *testing.T, dir string, srv *wandbtest.Server, change ...func(*Options)) *Outbox {
	t.Helper()
	opt := Options{
		Server: srv.URL, Entity: "team", Project: "nemotron", Store: "/store", Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
		Client: func(server string) (*wandb.Client, error) {
			return wandb.NewClient(wandb.Config{BaseURL: server, Key: wandb.Key(srv.Key)})
		},
	}
	for _, c := range change {
		c(&opt)
	}
	o := Open(dir, opt)
	o.pace = func(int) time.Duration { return 5 * time.Millisecond }
	o.request = 2 * time.Second // which a fault makes it use up; see patient
	t.Cleanup(o.Close)
	return o
}

// patient has an outbox wait for each answer as long as a busy machine may take, so that
// what a test says fails is all that fails.
func patient(o *Outbox) *Outbox {
	o.request = time.Minute
	return o
}

// running has an outbox log until the test ends.
func running(t *testing.T, o *Outbox) {
	t.Helper()
	ctx, cancel := context.WithCancel(bg)
	var wg sync.WaitGroup
	wg.Go(func() { o.Run(ctx) })
	t.Cleanup(func() { cancel(); wg.Wait() })
}

func pushed(t *testing.T, o *Outbox, name string, version int, d *manifest.Draft) *manifest.Push {
	t.Helper()
	p, err := o.Push(bg, name, version, d)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// ended waits until a push is neither queued nor under way.
func ended(t *testing.T, o *Outbox, id string) *manifest.Push {
	t.Helper()
	var p *manifest.Push
	eventually(t, "push "+id+" ends", func() bool {
		var err error
		if p, err = o.Pushed(bg, id); err != nil {
			t.Fatal(err)
		}
		return p.State == manifest.PushDone || p.State == manifest.PushFailed
	})
	return p
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(60 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it does not happen that %s", what)
		}
	}
}

// client speaks to a server past any outbox.
func client(t *testing.T, srv *wandbtest.Server) *wandb.Client {
	t.Helper()
	c, err := wandb.NewClient(wandb.Config{BaseURL: srv.URL, Key: wandb.Key(srv.Key)})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// versions are what a server has of an artifact, in order, as vN and its aliases.
func versions(t *testing.T, srv *wandbtest.Server, name string) []string {
	t.Helper()
	r, err := gql.ListVersions(bg, client(t, srv), "team", "nemotron", name, "", 1000)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	if r.Project == nil || r.Project.ArtifactCollection == nil {
		return nil
	}
	for _, e := range r.Project.ArtifactCollection.Artifacts.Edges {
		s := e.Version
		var aliases []string
		for _, a := range e.Node.Aliases {
			aliases = append(aliases, a.Alias)
		}
		slices.Sort(aliases)
		out = append(out, strings.Join(append([]string{s}, aliases...), " "))
	}
	slices.Sort(out)
	return out
}

// version is what a server has under NAME:VERSION.
func version(t *testing.T, srv *wandbtest.Server, ref string) *gql.Version {
	t.Helper()
	r, err := gql.Resolve(bg, client(t, srv), "team", "nemotron", ref)
	if err != nil || r.Project == nil || r.Project.ArtifactCollectionMembership == nil {
		t.Fatalf("%s: %+v %v", ref, r, err)
	}
	return r.Project.ArtifactCollectionMembership.Artifact
}

// stored is the manifest that a server has of a version.
func storedManifest(t *testing.T, srv *wandbtest.Server, id string) map[string]manifestEntry {
	t.Helper()
	r, err := gql.ManifestURL(bg, client(t, srv), id)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.Get(r.Artifact.CurrentManifest.File.DirectUrl)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var m struct{ Contents map[string]manifestEntry }
	if err := json.NewDecoder(res.Body).Decode(&m); err != nil {
		t.Fatal(err)
	}
	return m.Contents
}

// usedBy are the names of what a run used.
func usedBy(t *testing.T, srv *wandbtest.Server, run string) []string {
	t.Helper()
	r, err := gql.RunInputs(bg, client(t, srv), "team", "nemotron", run, "", 100)
	if err != nil {
		t.Fatal(err)
	}
	var used []string
	for _, e := range r.Project.Run.InputArtifacts.Edges {
		used = append(used, e.Node.ArtifactSequence.Name)
	}
	return sorted(used)
}

func sorted(s []string) []string { slices.Sort(s); return s }
