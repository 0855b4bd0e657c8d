package resolver

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"artifactfs.dev/artifactfs/internal/store"
	"artifactfs.dev/artifactfs/internal/store/storetest"
	"artifactfs.dev/artifactfs/manifest"
)

// served is a Remote: far://PATH is what a server has of the data directory.
type served struct{ dir, url string }

func (r *served) Has(uri string) bool      { return strings.HasPrefix(uri, "far://") }
func (r *served) Allowed(uri string) error { return nil }

func (r *served) Files(_ context.Context, uri string) (store.Files, error) {
	path, _, _ := strings.Cut(strings.TrimPrefix(uri, "far://"), "?")
	return changing{&storetest.Served{Dir: filepath.Join(r.dir, path), URL: r.url + "/" + path}}, nil
}

type changing struct{ *storetest.Served }

func (changing) Lasts() time.Duration { return time.Minute }

func (changing) Listing(string) uint64 { return 1 }

func (c changing) ReadListing(ctx context.Context, path string) ([]store.File, uint64, error) {
	list, err := c.Served.ReadDir(ctx, path)
	return list, 1, err
}

func newRemote(t *testing.T) *site {
	s := newSite(t, nil)
	srv := httptest.NewServer(http.FileServer(http.Dir(s.data)))
	t.Cleanup(srv.Close)
	s.Tree = New(s.dir, &Options{Remote: &served{s.data, srv.URL}, Log: s.Tree.opt.Log})
	return s
}

// A checkpoint behind a URI is shown as one in a directory is.
func TestRemoteCheckpoint(t *testing.T) {
	s := newRemote(t)
	s.ckpt(500, 1000)
	s.file("export/config.json", "{}")
	s.file("bare/iter_7/w", "w")
	iteration := func(name string, n int, path string, iteration string) {
		s.record(name, n, manifest.Manifest{Type: "model", Path: path, Metadata: manifest.Object{{Key: "iteration", Value: manifest.Number(iteration)}}})
	}
	for i, path := range []string{s.data + "/ckpt", "far://ckpt", "far://ckpt/iter_0000500", "far://ckpt/iter_0000500/?x=y"} {
		iteration("m", i+1, path, "500")
		v := "m/v" + string(rune('1'+i))
		s.wantLs(v, "args.yaml iter_0000500/ latest_checkpointed_iteration.txt latest_train_state.pt wandb/")
		k := s.walk1(v).Node.(Keeper) // of two directories, of which either may change
		if list, name, err := k.ReadListing(ctx); err != nil || len(list) != 5 || name != 0 || k.Listing(ctx) != 0 {
			t.Errorf("%s: the kernel is to keep %+v as listing %d; %v", path, list, name, err)
		}
		s.want(path+": tracker", s.read(v+"/latest_checkpointed_iteration.txt"), "500")
		s.want(path+": train state", s.read(v+"/latest_train_state.pt"), "state500")
		s.want(path+": weights", s.read(v+"/iter_0000500/w"), "weights500")
		s.wantNone(v+"/iter_0001000", fs.ErrNotExist, "iter_0000500 alone")
	}
	iteration("m", 9, "far://ckpt", "9")
	s.wantNone("m/v9/args.yaml", fs.ErrNotExist, "no iteration 9")
	if got := s.Missing(); len(got) != 1 || got[0].Version != 9 {
		t.Errorf("missing: %v, want v9", got)
	}
	s.file("ckpt/iter_0000009/w", "late")
	s.want("once it is there", s.read("m/v9/iter_0000009/w"), "late")
	if got := s.Missing(); len(got) != 0 {
		t.Errorf("missing: %v, want none", got)
	}
	iteration("x", 1, "far://export", "0")
	s.wantLs("x/v1", "config.json")
	if k := s.walk1("x/v1").Node.(Keeper); k.Listing(ctx) != 1 {
		t.Errorf("one directory is listing %d", k.Listing(ctx))
	}
	iteration("x", 2, "far://bare", "7")
	s.wantLs("x/v2", "iter_7/ latest_checkpointed_iteration.txt")
	s.wantNone("x/v2/latest_train_state.pt", fs.ErrNotExist)
}

// What is replaced behind a URI is another file: who has looked it up before is told so.
func TestRemoteReplaced(t *testing.T) {
	s := newRemote(t)
	path := s.file("d/x", "one")
	s.record("a", 1, manifest.Manifest{Path: "far://d"})
	was := s.walk1("a/v1/x")
	if was.Valid > time.Minute {
		t.Errorf("the kernel keeps it for %v, and it is known for a minute", was.Valid)
	}
	ok(t, was.Node.(Current).Current(ctx))
	listed, err := s.walk1("a/v1").Node.(Dir).ReadDir(ctx)
	if err != nil || len(listed) != 1 || listed[0].Key != was.Key {
		t.Errorf("a listing has %+v, %v; want the key %q", listed, err, was.Key)
	}
	if again := s.walk1("a/v1/x"); again.Key != was.Key {
		t.Errorf("two keys of one content: %q, %q", was.Key, again.Key)
	}
	ok(t, os.WriteFile(path, []byte("two, longer"), 0o644))
	if err := was.Node.(Current).Current(ctx); !errors.Is(err, syscall.ESTALE) {
		t.Errorf("of what was replaced: %v, want ESTALE", err)
	}
	now := s.walk1("a/v1/x")
	if now.Key == was.Key || now.Attr.Size != 11 {
		t.Errorf("%+v has the key of what was replaced", now)
	}
	ok(t, now.Node.(Current).Current(ctx))
	ok(t, os.Remove(path))
	if err := now.Node.(Current).Current(ctx); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of what is gone: %v, want ErrNotExist", err)
	}
}

// neverAnswers is a Remote that never answers.
type neverAnswers struct{ served }

func (*neverAnswers) Files(ctx context.Context, uri string) (store.Files, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// One deadline is all that what it takes to find a version's data may wait for.
func TestRemoteSilent(t *testing.T) {
	s := newSite(t, nil)
	s.Tree = New(s.dir, &Options{Remote: &neverAnswers{}, Data: store.NewLocal(&store.Options{Deadline: 50 * time.Millisecond}), Log: s.Tree.opt.Log})
	s.record("a", 1, manifest.Manifest{Path: "far://d"})
	d := s.walk1("a/v1").Node.(*versionDir)
	_, err := d.Lookup(ctx, "x")
	_, err2 := d.ReadDir(ctx)
	for what, err := range map[string]error{"a look-up": err, "a listing": err2, "access": d.Access(ctx, 4)} {
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v, want that its deadline is over", what, err)
		}
	}
}
