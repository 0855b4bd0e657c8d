package wandb_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"testing"

	"artifactfs.dev/artifactfs/manifest"
	"artifactfs.dev/artifactfs/resolver"
	"artifactfs.dev/artifactfs/resolver/sourcetest"
	"artifactfs.dev/artifactfs/wandb"
	"artifactfs.dev/artifactfs/wandb/wandbtest"
)

var (
	_ resolver.Source    = (*wandb.Source)(nil)
	_ resolver.Filer     = (*wandb.Source)(nil)
	_ resolver.Refresher = (*wandb.Source)(nil)
	_ resolver.Trimmer   = (*wandb.Source)(nil)
)

// W&B passes what every backend must, as far as it has a notion of it.
func TestSource(t *testing.T) {
	t.Parallel()
	sourcetest.Run(t, func(t *testing.T) *sourcetest.Backend {
		srv := wandbtest.New(t, nil)
		// A project that nothing was logged to is one that does not exist.
		log(t, srv, wandbtest.Version{Name: "other", Type: "job", Files: stored("1")})
		w := &writer{srv: srv, begun: make(map[string]bool)}
		return &sourcetest.Backend{
			TTL:  ttl,
			Flat: true,
			Open: func(t testing.TB) resolver.Source { return &published{open(t, srv, nil), w} },
			Break: func(t testing.TB) func() {
				srv.Down()
				return func() {
					if err := srv.Up(); err != nil {
						t.Error(err)
					}
				}
			},
			Lacks: map[string]string{
				"RoundTrip": "records are made of what W&B has of a version",
				"RequestID": "requests are told apart before they come here",
			},
		}
	})
}

// published is a Source to which versions are logged behind its back, as it is asked
// for them at once.
type published struct {
	*wandb.Source
	w *writer
}

type writer struct {
	srv *wandbtest.Server

	mu    sync.Mutex // held for a log
	begun map[string]bool
	n     int
}

// Publish logs a draft. W&B counts from 0, and the suite from 1: the first version of
// each artifact is another one, that is deleted when the second is there.
func (p *published) Publish(_ context.Context, name string, d *manifest.Draft) (int, error) {
	if err := manifest.CheckName(name); err != nil {
		return 0, err
	}
	if d.Manifest.Path == "" {
		return 0, errors.New("a draft without a path")
	}
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	first := ""
	if !p.w.begun[name] {
		l, err := p.w.srv.Log(wandbtest.Version{Name: name, Files: stored("first")})
		if err != nil {
			return 0, err
		}
		p.w.begun[name], first = true, l.ID
	}
	p.w.n++
	l, err := p.w.srv.Log(wandbtest.Version{Name: name, Aliases: d.Aliases, Metadata: map[string]any{"absolute_path": d.Manifest.Path},
		Files: map[string][]byte{"metadata.json": d.MetadataBytes(), "n": fmt.Append(nil, p.w.n)}})
	if err == nil && first != "" {
		_, err = p.w.srv.Exec(`mutation ($id: ID!) { deleteArtifact(input: {artifactID: $id, deleteAliases: true}) { artifact { id } } }`, map[string]any{"id": first})
	}
	p.Refresh(name)
	return l.Index, err
}

// A registry links to versions of other projects, under numbers and aliases of its
// own.
func TestLinks(t *testing.T) {
	srv := wandbtest.New(t, nil)
	s := open(t, srv, nil)
	log(t, srv, wandbtest.Version{Name: "m", Files: stored("0")})
	source := log(t, srv, wandbtest.Version{Name: "m", Files: stored("1"), Aliases: []string{"mine"}})
	if source.Index != 1 {
		t.Fatal("the version is not v1")
	}
	if _, err := srv.Exec(`mutation { upsertModel(input: {entityName: "team", name: "wandb-registry-model"}) { inserted } }`, nil); err != nil {
		t.Fatal(err)
	}
	_, err := srv.Exec(`mutation ($id: ID!) { linkArtifact(input: {artifactID: $id, entityName: "team", projectName: "wandb-registry-model",
		artifactPortfolioName: "best", aliases: [{artifactCollectionName: "best", alias: "champion"}]}) { versionIndex } }`, map[string]any{"id": source.ID})
	if err != nil {
		t.Fatal(err)
	}
	const name = "team/wandb-registry-model/best"
	l, err := s.Versions(ctx(t), name)
	if err != nil || len(l.Versions) != 1 || l.Versions[0] != 0 || l.Aliases["champion"] != 0 || len(l.Aliases) != 1 {
		t.Fatalf("the registry's listing is %+v, %v; want v0, the champion", l, err)
	}
	if m, err := s.Versions(ctx(t), "m"); err != nil || m.Aliases["mine"] != 1 || len(m.Aliases) != 1 {
		t.Errorf("the source's listing is %+v, %v", m, err)
	}
	r, err := s.Manifest(ctx(t), name, 0)
	if err != nil || r.Manifest.Name != name || r.Manifest.Version != 0 {
		t.Errorf("the record is %+v, %v", r, err)
	}
	if got, err := read(ctx(t), object(t, filesOf(t, s, name), "a.txt").Object, 0, 10); err != nil || string(got) != "1" {
		t.Errorf("its file holds %q, %v", got, err)
	}
	if _, err := s.Manifest(ctx(t), name, 1); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the source's number in the registry: %v", err)
	}
}
