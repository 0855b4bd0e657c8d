package wandb_test

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"artifactfs.dev/artifactfs/manifest"
	"artifactfs.dev/artifactfs/wandb"
	"artifactfs.dev/artifactfs/wandb/wandbtest"
)

const ttl = 50 * time.Millisecond

// open returns a Source over a server's project team/nemotron.
func open(t testing.TB, srv *wandbtest.Server, change func(*wandb.Config)) *wandb.Source {
	t.Helper()
	return openConfined(t, srv, change, nil)
}

func openConfined(t testing.TB, srv *wandbtest.Server, change func(*wandb.Config), to wandb.Outside) *wandb.Source {
	t.Helper()
	c := wandb.Config{BaseURL: srv.URL, Key: wandb.Key(srv.Key), Entity: "team"}
	if change != nil {
		change(&c)
	}
	client, err := wandb.NewClient(c)
	if err != nil {
		t.Fatal(err)
	}
	return wandb.NewSource(client, &wandb.SourceOptions{TTL: ttl, Dir: t.TempDir(), Outside: to})
}

// remembering returns a Source whose listings are good for as long as the test lasts.
func remembering(t testing.TB, srv *wandbtest.Server) *wandb.Source {
	t.Helper()
	client, err := wandb.NewClient(wandb.Config{BaseURL: srv.URL, Key: wandb.Key(srv.Key), Entity: "team"})
	if err != nil {
		t.Fatal(err)
	}
	return wandb.NewSource(client, &wandb.SourceOptions{TTL: time.Hour, Dir: t.TempDir()})
}

func log(t testing.TB, srv *wandbtest.Server, v wandbtest.Version) wandbtest.Logged {
	t.Helper()
	l, err := srv.Log(v)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func ctx(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func stored(text string) map[string][]byte { return map[string][]byte{"a.txt": []byte(text)} }

func TestNames(t *testing.T) {
	srv := wandbtest.New(t, &wandbtest.Options{Path: "/w"})
	s := open(t, srv, nil)
	want := func(prefix string, want ...string) {
		t.Helper()
		got, err := s.Names(ctx(t), prefix)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("Names(%q) = %q, %v; want %q", prefix, got, err, want)
		}
	}
	want("") // a project that does not exist yet, in an entity of ours
	s.Refresh("")
	for _, name := range []string{"b", "a", ".hidden", "v3", "latest", "x y", "50%"} {
		log(t, srv, wandbtest.Version{Name: name, Files: stored(name)})
	}
	log(t, srv, wandbtest.Version{Name: "run-1-history", Type: "wandb-history", Files: stored("h")})
	log(t, srv, wandbtest.Version{Project: "other", Name: "c", Files: stored("c")})
	want("", "%2Ehidden", "%6Catest", "%763", "50%25", "a", "b", "x y")
	want("a")
	want("team", "nemotron", "other")
	want("team/other", "c")
	want("team/other/c")
	for _, prefix := range []string{"none", "team/none", "none/none", "team/other/none", "a/b/c/d"} {
		if got, err := s.Names(ctx(t), prefix); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Names(%q) = %q, %v; want fs.ErrNotExist", prefix, got, err)
		}
	}
	for _, name := range []string{"%2Ehidden", "%6Catest", "%763", "50%25", "x y", "run-1-history", "team/other/c"} {
		if l, err := s.Versions(ctx(t), name); err != nil || !slices.Equal(l.Versions, []int{0}) || l.Latest != 0 {
			t.Errorf("Versions(%q) = %v, %v; want v0", name, l, err)
		}
	}
	for _, name := range []string{"50%", "A", "%61", "%2ehidden", "team/a", "none", "team/other/none", "none/other/c"} {
		if l, err := s.Versions(ctx(t), name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Versions(%q) = %v, %v; want fs.ErrNotExist", name, l, err)
		}
	}
	for _, name := range []string{"", ".", "..", "../m", "/m", "v1", "m\x00", strings.Repeat("n", 256)} {
		if l, err := s.Versions(ctx(t), name); err == nil {
			t.Errorf("Versions(%q) = %v; want an error", name, l)
		}
	}
}

// Listings of more than a page are whole.
func TestPages(t *testing.T) {
	t.Parallel()
	srv := wandbtest.New(t, nil)
	s := open(t, srv, nil)
	for i := range 230 {
		log(t, srv, wandbtest.Version{Name: "m", Files: stored(strings.Repeat("x", i))})
	}
	l, err := s.Versions(ctx(t), "m")
	if err != nil || len(l.Versions) != 230 || l.Latest != 229 || l.Versions[229] != 229 || !slices.Equal(l.Claimed, l.Versions) {
		t.Errorf("Versions = %v, %v; want v0 to v229", l, err)
	}
	if n := srv.Requests("ListVersions"); n != 2 {
		t.Errorf("%d requests for 230 versions; want 2", n)
	}
}

func TestAliases(t *testing.T) {
	srv := wandbtest.New(t, nil)
	s := open(t, srv, nil)
	log(t, srv, wandbtest.Version{Name: "m", Files: stored("1"), Aliases: []string{"prod", "best:ever"}})
	log(t, srv, wandbtest.Version{Name: "m", Files: stored("2"), Aliases: []string{"next"}})
	l, err := s.Versions(ctx(t), "m")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(map[string]int{"prod": 0, "best%3Aever": 0, "next": 1}, l.Aliases); d != "" || l.Latest != 1 {
		t.Errorf("latest v%d, aliases (-want +got):\n%s", l.Latest, d)
	}
	log(t, srv, wandbtest.Version{Name: "m", Files: stored("3"), Aliases: []string{"prod"}})
	for end := time.Now().Add(30 * time.Second); l.Aliases["prod"] != 2 || l.Latest != 2; l, err = s.Versions(ctx(t), "m") {
		if err != nil || time.Now().After(end) {
			t.Fatalf("Versions = %v, %v; want prod at v2", l, err)
		}
	}
}

func TestRecord(t *testing.T) {
	srv := wandbtest.New(t, nil)
	s := open(t, srv, nil)
	input := log(t, srv, wandbtest.Version{Name: "in", Files: stored("in")})
	meta := `{"path": "/d", "pack_size": 4096, "tokenizer_uri": "hf://t", "x": NaN}`
	log(t, srv, wandbtest.Version{
		Name: "data", Type: "SFTDataArtifact", Run: "run7",
		Files:    map[string][]byte{"metadata.json": []byte(meta), "blend.json": []byte("{}")},
		Refs:     []wandbtest.Ref{{Name: "output/b/1", URI: "file:///lustre/output/b/1"}, {Name: "output/a", URI: "file:///lustre/output/a"}},
		Metadata: map[string]any{"created_at": "2026-08-21T09:00:00.125000+00:00", "pack_size": 4096},
	})
	use(t, srv, "run7", input.ID)
	r, err := s.Manifest(ctx(t), "data", 0)
	if err != nil {
		t.Fatal(err)
	}
	want := &manifest.Manifest{
		Name: "data", Type: "SFTDataArtifact", Path: "/lustre/output", CreatedAt: "2026-08-21T09:00:00.125000+00:00", Producer: "run7",
		Metadata: manifest.Object{{Key: "created_at", Value: "2026-08-21T09:00:00.125000+00:00"}, {Key: "pack_size", Value: manifest.Number("4096")}},
		Inputs:   []string{"hf://t"}, UsedArtifacts: []string{"in:v0"},
	}
	if d := cmp.Diff(want, r.Manifest); d != "" {
		t.Errorf("the record (-want +got):\n%s", d)
	}
	if string(r.RawMeta) != meta || r.Dir != srv.URL+"/team/nemotron/artifacts/SFTDataArtifact/data/v0" {
		t.Errorf("metadata.json %s, at %s", r.RawMeta, r.Dir)
	}
	if v, err := r.Field("pack_size", "v0"); err != nil || v != manifest.Number("4096") {
		t.Errorf("pack_size = %v, %v", v, err)
	}
	n := srv.Requests("*")
	if again, err := s.Manifest(ctx(t), "data", 0); again != r || err != nil || srv.Requests("*") > n+1 {
		t.Errorf("a second Manifest is %v, %v after %d requests", again, err, srv.Requests("*")-n)
	}
	for _, v := range []int{1, -1, 1 << 40} {
		if _, err := s.Manifest(ctx(t), "data", v); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Manifest of v%d: %v", v, err)
		}
	}
}

// Without the server the last answers are given, and what was never answered is an
// error that does not say that it is absent.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	srv := wandbtest.New(t, nil)
	s := open(t, srv, nil)
	log(t, srv, wandbtest.Version{Name: "m", Files: stored("1")})
	if _, err := s.Manifest(ctx(t), "m", 0); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Names(ctx(t), ""); err != nil {
		t.Fatal(err)
	}
	if _, cause := s.Degraded(); cause != nil {
		t.Errorf("degraded: %v", cause)
	}
	srv.Down()
	time.Sleep(ttl)
	if _, err := s.Versions(ctx(t), "m"); err != nil {
		t.Error(err)
	}
	if _, cause := s.Degraded(); cause == nil || !strings.Contains(cause.Error(), "connection refused") {
		t.Errorf("degraded: %v; want what was met", cause)
	}
	for what, ask := range map[string]func() error{
		"names":     func() error { _, err := s.Names(ctx(t), ""); return err },
		"a listing": func() error { _, err := s.Versions(ctx(t), "m"); return err },
		"a record":  func() error { _, err := s.Manifest(ctx(t), "m", 0); return err },
	} {
		if err := ask(); err != nil {
			t.Errorf("%s, known from before: %v", what, err)
		}
	}
	start := time.Now()
	_, err := s.Versions(ctx(t), "unknown")
	if err == nil || errors.Is(err, fs.ErrNotExist) || !errors.Is(err, syscall.EIO) || time.Since(start) > 20*time.Second {
		t.Errorf("a listing that was not known: %v after %v; want EIO soon", err, time.Since(start))
	}
	if since, cause := s.Degraded(); cause == nil || !strings.Contains(cause.Error(), srv.URL) || time.Since(since) > time.Minute {
		t.Errorf("degraded: %v since %v", cause, since)
	}
	if err := srv.Up(); err != nil {
		t.Fatal(err)
	}
	log(t, srv, wandbtest.Version{Name: "m", Files: stored("2")})
	for end := time.Now().Add(time.Minute); ; {
		l, err := s.Versions(ctx(t), "m")
		if _, cause := s.Degraded(); err == nil && l.Latest == 1 && cause == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("the server is back: %v, %v", l, err)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// A server that was never reached is not one without artifacts.
func TestDownAtFirst(t *testing.T) {
	t.Parallel()
	srv := wandbtest.New(t, nil)
	srv.Down()
	for what, change := range map[string]func(*wandb.Config){"entity": nil, "no entity": func(c *wandb.Config) { c.Entity = "" }} {
		s := open(t, srv, change)
		for range 3 {
			if l, err := s.Names(ctx(t), ""); err == nil || errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: Names = %v, %v", what, l, err)
			}
			if l, err := s.Versions(ctx(t), "m"); err == nil || errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: Versions = %v, %v", what, l, err)
			}
		}
	}
}

// What the key may not do has its words, and is not an absence.
func TestRefused(t *testing.T) {
	t.Parallel()
	srv := wandbtest.New(t, nil)
	srv.AddUser("eve", "", strings.Repeat("e", 40))
	log(t, srv, wandbtest.Version{Name: "m", Files: stored("1")})
	for what, c := range map[string]struct {
		change func(*wandb.Config)
		kind   wandb.Kind
		words  string
	}{
		"wrong key":        {func(c *wandb.Config) { c.Key = wandb.Key(strings.Repeat("0", 40)) }, wandb.Unauthorized, "WANDB_API_KEY"},
		"somebody else's":  {func(c *wandb.Config) { c.Key = wandb.Key(strings.Repeat("e", 40)) }, wandb.Forbidden, "WANDB_PROJECT"},
		"entity not there": {func(c *wandb.Config) { c.Entity = "nobody" }, wandb.Forbidden, "WANDB_ENTITY"},
	} {
		s := open(t, srv, c.change)
		for _, ask := range []func() error{
			func() error { _, err := s.Names(ctx(t), ""); return err },
			func() error { _, err := s.Versions(ctx(t), "m"); return err },
			func() error { _, err := s.Manifest(ctx(t), "m", 0); return err },
		} {
			err := ask()
			if !wandb.IsKind(err, c.kind) || errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), c.words) || !strings.Contains(err.Error(), srv.URL) {
				t.Errorf("%s: %v; want %v and %s", what, err, c.kind, c.words)
			}
		}
		if _, cause := s.Degraded(); cause == nil {
			t.Errorf("%s: not degraded", what)
		}
	}
}

// A 404 means the project or the artifact: the list of the project's tells which.
func TestNotFound(t *testing.T) {
	srv := wandbtest.New(t, nil)
	log(t, srv, wandbtest.Version{Name: "m", Files: stored("1")})
	for name, absent := range map[string]bool{"none": true, "m": false} {
		s := open(t, srv, nil)
		srv.Fail("ListVersions", wandbtest.Fault{Status: 404})
		if l, err := s.Versions(ctx(t), name); err == nil || errors.Is(err, fs.ErrNotExist) != absent {
			t.Errorf("%s: %v, %v; want fs.ErrNotExist: %v", name, l, err, absent)
		}
		srv.Heal()
		srv.Fail("ListVersions", wandbtest.Fault{Status: 404})
		srv.Fail("ListCollections", wandbtest.Fault{Status: 404})
		if l, err := open(t, srv, nil).Versions(ctx(t), name); !wandb.IsKind(err, wandb.Forbidden) {
			t.Errorf("%s, of a project that is not found: %v, %v", name, l, err)
		}
		srv.Heal()
	}
}

// Many at once ask once, and one that leaves does not end it for the others.
func TestSingleFlight(t *testing.T) {
	t.Parallel()
	srv := wandbtest.New(t, nil)
	s := remembering(t, srv) // who comes after the answer does not ask either
	log(t, srv, wandbtest.Version{Name: "m", Files: stored("1")})
	srv.Fail("ListVersions", wandbtest.Fault{Delay: 300 * time.Millisecond})
	leaves, cancel := context.WithCancel(ctx(t))
	left := make(chan error)
	go func() { _, err := s.Versions(leaves, "m"); left <- err }()
	results := make(chan error)
	for range 8 {
		go func() { _, err := s.Versions(ctx(t), "m"); results <- err }()
	}
	cancel()
	if err := <-left; err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("the one that left: %v", err)
	}
	for range 8 {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	if n := srv.Requests("ListVersions"); n != 1 {
		t.Errorf("%d requests; want one", n)
	}
}

// A listing whose server has become slow is the last one, soon.
func TestSlow(t *testing.T) {
	t.Parallel()
	srv := wandbtest.New(t, nil)
	s := open(t, srv, nil)
	log(t, srv, wandbtest.Version{Name: "m", Files: stored("1")})
	if _, err := s.Versions(ctx(t), "m"); err != nil {
		t.Fatal(err)
	}
	srv.Fail("ListVersions", wandbtest.Fault{Hang: true, Times: -1})
	time.Sleep(ttl)
	start := time.Now()
	if l, err := s.Versions(ctx(t), "m"); err != nil || l.Latest != 0 || time.Since(start) > 20*time.Second {
		t.Errorf("Versions = %v, %v after %v", l, err, time.Since(start))
	}
	if _, cause := s.Degraded(); !wandb.IsKind(cause, wandb.Slow) || !strings.Contains(cause.Error(), "no answer after 3s") {
		t.Errorf("it is degraded for %v; want that it is slow", cause)
	}
}

// use makes a run of team/nemotron use an artifact.
func use(t testing.TB, srv *wandbtest.Server, run, id string) {
	t.Helper()
	c, err := wandb.NewClient(wandb.Config{BaseURL: srv.URL, Key: wandb.Key(srv.Key)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := wandb.UseArtifact(ctx(t), c, wandb.UseArtifactInput{ArtifactID: id, EntityName: "team", ProjectName: "nemotron", RunName: run}); err != nil {
		t.Fatal(err)
	}
}

// A version that is not committed does not exist, and one that is deleted does not any
// more.
func TestStates(t *testing.T) {
	srv := wandbtest.New(t, nil)
	s := open(t, srv, nil)
	first := log(t, srv, wandbtest.Version{Name: "m", Files: stored("1")})
	log(t, srv, wandbtest.Version{Name: "m", Files: stored("2")})
	exec := func(document string, variables map[string]any) {
		t.Helper()
		if _, err := srv.Exec(document, variables); err != nil {
			t.Fatal(err)
		}
	}
	exec(`mutation { createArtifact(input: {entityName: "team", projectName: "nemotron", artifactTypeName: "dataset", artifactCollectionName: "m",
		digest: "d", digestAlgorithm: MANIFEST_MD5, aliases: [{artifactCollectionName: "m", alias: "latest"}]}) { artifact { id state } } }`, nil)
	want := func(latest int, versions ...int) {
		t.Helper()
		s.Refresh("m")
		l, err := s.Versions(ctx(t), "m")
		if err != nil || !slices.Equal(l.Versions, versions) || l.Latest != latest {
			t.Errorf("Versions = %+v, %v; want %v, latest v%d", l, err, versions, latest)
		}
	}
	want(1, 0, 1)
	for n, exists := range map[int]bool{0: true, 2: false} {
		if _, err := s.Manifest(ctx(t), "m", n); errors.Is(err, fs.ErrNotExist) == exists {
			t.Errorf("Manifest of v%d: %v", n, err)
		}
	}
	const remove = `mutation ($id: ID!) { deleteArtifact(input: {artifactID: $id, deleteAliases: true}) { artifact { id } } }`
	exec(remove, map[string]any{"id": first.ID})
	want(1, 1)
	if _, err := s.Manifest(ctx(t), "m", 0); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Manifest of a deleted version: %v", err)
	}
	if _, err := s.Files(ctx(t), "m", 0); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Files of a deleted version: %v", err)
	}
}
