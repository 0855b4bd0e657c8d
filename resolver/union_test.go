package resolver

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"artifactfs.dev/artifactfs/manifest"
	"artifactfs.dev/artifactfs/wandb"
	"artifactfs.dev/artifactfs/wandb/wandbtest"
)

// both is a store and a W&B server, and trees over them as a mount has them.
type both struct {
	*site
	srv *wandbtest.Server
}

const unionTTL = 30 * time.Millisecond

func newBoth(t *testing.T) *both {
	b := &both{site: newSite(t, nil), srv: wandbtest.New(t, nil)}
	return b
}

// source is W&B's, as a process has it that has just started.
func (b *both) source() *wandb.Source {
	b.Helper()
	c, err := wandb.NewClient(wandb.Config{BaseURL: b.srv.URL, Key: wandb.Key(b.srv.Key), Entity: "team"})
	ok(b.T, err)
	return wandb.NewSource(c, &wandb.SourceOptions{TTL: unionTTL, Dir: b.TempDir()})
}

// tree mounts what is on, as a new process; it fails as a mount would.
func (b *both) tree(on string, by manifest.Numbering, o *Options) (*site, error) {
	b.Helper()
	var m, w Source
	if strings.Contains(on, "m") {
		d, err := manifest.OpenDir(b.root, &manifest.DirOptions{TTL: unionTTL, Log: slog.New(slog.DiscardHandler)})
		ok(b.T, err)
		m = d
	}
	if strings.Contains(on, "w") {
		w = b.source()
	}
	u, err := NewUnion(m, w, by)
	if err != nil {
		return nil, err
	}
	if err := u.Settle(ctx, false); err != nil {
		return nil, err
	}
	if o == nil {
		o = &Options{}
	}
	o.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	s := *b.site
	s.Tree = New(u, o)
	return &s, nil
}

func (b *both) mount(on string, by manifest.Numbering, o *Options) *site {
	b.Helper()
	s, err := b.tree(on, by, o)
	ok(b.T, err)
	return s
}

// pushed logs to W&B what the store has as version n, and notes it as the outbox does.
func (b *both) pushed(name string, n int) {
	b.Helper()
	r, err := b.dir.Manifest(ctx, name, n)
	ok(b.T, err)
	l := b.wandb(wandbtest.Version{Name: name, Metadata: map[string]any{"absolute_path": r.Manifest.Path}, NoDedupe: true})
	ok(b.T, b.dir.NoteWandB(ctx, name, manifest.WandB{Version: l.Index, Manifest: n, Artifact: "team/nemotron/" + name, ID: l.ID}))
}

func (b *both) wandb(v wandbtest.Version) wandbtest.Logged {
	b.Helper()
	l, err := b.srv.Log(v)
	ok(b.T, err)
	return l
}

// fill makes a name that both have, with one version of the store's that W&B has not
// and one of W&B's that the store has not; and names that only one of them has.
//
//	both:   store v1 (one), v2 (two), v3 (three);  W&B v0 = v2, v1 = v3, v2 (far)
//	mine:   store v1 (one)
//	theirs: W&B v0 (far)
func (b *both) fill() {
	b.Helper()
	for _, d := range []string{"one", "two", "three", "far"} {
		b.file(d+"/f", d)
	}
	for _, d := range []string{"one", "two", "three"} {
		b.log("both", d)
	}
	b.log("mine", "one")
	b.log("nested/deep", "one")
	b.pushed("both", 2)
	b.pushed("both", 3)
	far := map[string]any{"absolute_path": filepath.Join(b.data, "far")}
	b.wandb(wandbtest.Version{Name: "both", Metadata: far, NoDedupe: true, Aliases: []string{"prod"}})
	b.wandb(wandbtest.Version{Name: "theirs", Metadata: far, Aliases: []string{"prod"}})
}

// answers is what a reader gets at a path: text, or the error's kind.
func (s *site) answers(path string) string {
	s.Helper()
	b, err := fs.ReadFile(s.FS(), path)
	switch {
	case err == nil:
		return string(b)
	case errors.Is(err, fs.ErrNotExist):
		return "ENOENT"
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return "ETIMEDOUT"
	case errors.Is(err, syscall.EIO):
		return "EIO"
	}
	return err.Error()
}

// states are what W&B may be like.
var states = map[string]func(*both){
	"up":   func(*both) {},
	"down": func(b *both) { b.srv.Down() },
	"silent": func(b *both) {
		b.srv.Fail("*", wandbtest.Fault{Status: 503, Times: -1})
	},
	"wrong key": func(b *both) { b.srv.Key = strings.Repeat("0", 40) },
}

// Case 55 and its like. Every combination of what is on and what W&B is like, for a process that has just
// started: NAME/vN is one thing or an error, never another.
func TestUnionAnswers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		on, state string
		by        manifest.Numbering
		want      map[string]string
		ls        map[string]string
	}{
		{"mw", "up", "", map[string]string{
			"both/v0/f": "two", "both/v1/f": "three", "both/v2/f": "far", "both/v3/f": "ENOENT", "both/latest/f": "far", "both/prod/f": "far",
			"mine/v1/f": "ENOENT", "mine/latest/f": "one", "theirs/v0/f": "far", "theirs/latest/f": "far", "none/latest/f": "ENOENT",
			"nested/deep/v1/f": "one", "nested/deep/latest/f": "one",
		}, map[string]string{"": "both/ mine/ nested/ theirs/", "both": "latest@ prod@ v0/ v1/ v2/", "mine": "latest@", "theirs": "latest@ prod@ v0/"}},
		{"mw", "down", "", map[string]string{
			"both/v0/f": "two", "both/v1/f": "three", "both/v2/f": "EIO", "both/v3/f": "EIO", "both/latest/f": "three", "both/prod/f": "EIO",
			"mine/v1/f": "EIO", "mine/latest/f": "one", "theirs/v0/f": "EIO", "theirs/latest/f": "EIO", "none/latest/f": "EIO",
			"nested/deep/v1/f": "one", "nested/deep/latest/f": "one",
		}, map[string]string{"": "both/ mine/ nested/", "both": "latest@ v0/ v1/", "mine": "latest@"}},
		{"mw", "up", manifest.ByManifest, map[string]string{
			"both/v0/f": "ENOENT", "both/v1/f": "one", "both/v2/f": "two", "both/v3/f": "three", "both/latest/f": "three",
			"mine/v1/f": "one", "theirs/v0/f": "ENOENT", "theirs/latest/f": "far", "theirs/prod/f": "far", "none/latest/f": "ENOENT",
		}, map[string]string{"": "both/ mine/ nested/ theirs/", "both": "latest@ v1/ v2/ v3/", "theirs": "latest@ prod@"}},
		{"mw", "down", manifest.ByManifest, map[string]string{
			"both/v0/f": "ENOENT", "both/v1/f": "one", "both/v3/f": "three", "both/latest/f": "three",
			"mine/v1/f": "one", "theirs/latest/f": "EIO", "none/latest/f": "EIO",
		}, map[string]string{"": "both/ mine/ nested/", "both": "latest@ v1/ v2/ v3/"}},
		{"m", "up", manifest.ByWandB, map[string]string{
			"both/v0/f": "two", "both/v1/f": "three", "both/v2/f": "EIO", "both/v3/f": "EIO", "both/latest/f": "three",
			"mine/v1/f": "EIO", "mine/latest/f": "one", "theirs/v0/f": "ENOENT", "none/v1/f": "ENOENT", "nested/deep/v1/f": "one",
		}, map[string]string{"": "both/ mine/ nested/", "both": "latest@ v0/ v1/", "mine": "latest@"}},
		{"m", "up", "", map[string]string{
			"both/v0/f": "ENOENT", "both/v1/f": "one", "both/v3/f": "three", "both/latest/f": "three", "theirs/v0/f": "ENOENT",
		}, map[string]string{"": "both/ mine/ nested/", "both": "latest@ v1/ v2/ v3/"}},
		{"w", "up", "", map[string]string{
			"both/v0/f": "two", "both/v1/f": "three", "both/v2/f": "far", "both/v3/f": "ENOENT", "both/latest/f": "far", "mine/latest/f": "ENOENT",
			"theirs/latest/f": "far", "nested/deep/v1/f": "ENOENT",
		}, map[string]string{"": "both/ theirs/", "both": "latest@ prod@ v0/ v1/ v2/"}},
		{"w", "down", "", map[string]string{"both/v0/f": "EIO", "theirs/latest/f": "EIO", "none/latest/f": "EIO"}, nil},
	} {
		for state, set := range states {
			if state != c.state && (c.state == "up" || state == "up") {
				continue
			}
			t.Run(c.on+" "+string(c.by)+" "+state, func(t *testing.T) {
				t.Parallel()
				b := newBoth(t)
				b.fill()
				set(b)
				s := b.mount(c.on, c.by, nil)
				for path, want := range c.want {
					if c.on == "w" && state == "wrong key" && want == "EIO" {
						want = "permission denied"
					}
					if got := s.answers(path); got != want && !(want == "permission denied" && strings.Contains(got, want)) {
						t.Errorf("%s: %s; want %s", path, got, want)
					}
				}
				for path, want := range c.ls {
					s.wantLs(path, want)
				}
			})
		}
	}
}

// What the views show does not depend on who numbers.
func TestUnionViews(t *testing.T) {
	t.Parallel()
	b := newBoth(t)
	b.fill()
	b.wandb(wandbtest.Version{Project: "other", Name: "x", Files: map[string][]byte{"a/b.txt": []byte("stored")}, Metadata: map[string]any{"k": 1}})
	b.wandb(wandbtest.Version{Name: "files", Files: map[string][]byte{"metadata.json": []byte(`{"path": "x"}`), "w.txt": []byte("weights")}})
	for _, by := range []manifest.Numbering{manifest.ByWandB, manifest.ByManifest} {
		s := b.mount("mw", by, nil)
		for path, want := range map[string]string{
			".manifest/both/v1/data/f": "one", ".manifest/both/v3/data/f": "three", ".manifest/both/latest": "v3", ".manifest/nested/deep/v1/data/f": "one",
			".wandb/both/v0/data/f": "two", ".wandb/both/v2/data/f": "far", ".wandb/both/latest/data/f": "far", ".wandb/both/prod/data/f": "far",
			".wandb/team/other/x/v0/files/a/b.txt": "stored", ".wandb/team/other/x/latest/data/a/b.txt": "stored",
			".wandb/files/v0/files/w.txt": "weights", ".wandb/files/v0/data/w.txt": "weights",
			".wandb/mine/v1/data/f": "ENOENT", ".manifest/theirs/v0/data/f": "ENOENT", ".wandb/both/v9/artifact.json": "ENOENT", ".wandb/nobody/x": "ENOENT",
		} {
			if got := s.answers(path); got != want {
				t.Errorf("by %s: %s: %s; want %s", by, path, got, want)
			}
		}
		s.wantLs(".manifest", "both/ mine/ nested/")
		s.wantLs(".wandb", "both/ files/ theirs/")
		s.wantLs(".wandb/team", "nemotron/ other/")
		s.wantLs(".wandb/team/other", "x/")
		s.wantLs(".wandb/both", "latest@ prod@ v0/ v1/ v2/")
		link := map[bool]string{true: "data@", false: "data/"}
		s.wantLs(".wandb/both/v0", "artifact.json "+link[by == manifest.ByWandB]+" files/")
		s.wantLs(".manifest/both/v1", link[by == manifest.ByManifest]+" manifest.json metadata.json")
		text := s.answers(".wandb/team/other/x/v0/artifact.json")
		for _, want := range []string{`"entity": "team"`, `"project": "other"`, `"name": "x"`, `"version": "v0"`, `"state": "COMMITTED"`, `"latest"`, `"k": 1`, `"digest": "`, `"url": "http`} {
			if !strings.Contains(text, want) {
				t.Errorf("artifact.json does not say %s: %s", want, text)
			}
		}
		// The same bytes at two places are two files: each has its own directory.
		a, c := s.walk1(".wandb/files/v0/files/w.txt"), s.walk1(".wandb/files/v0/data/./w.txt")
		if a.Key == c.Key {
			t.Errorf("one identity at two places: %q", a.Key)
		}
		if _, listed := s.walk1("").Node.(Dir); !listed || strings.Contains(s.ls(""), ".wandb") {
			t.Error("the root lists .wandb")
		}
	}
	for _, on := range []string{"mw", "w"} {
		s := b.mount(on, manifest.ByWandB, nil)
		for _, version := range []string{"v0", "latest"} {
			v, err := s.Resolve(ctx, manifest.Ref{Name: "team/other/x", Version: version})
			if err != nil || v.key() != ".wandb/team/other/x/v0/data" {
				t.Errorf("%s: team/other/x:%s is %v, %v", on, version, v, err)
			}
		}
		_, err := s.Resolve(ctx, manifest.Ref{Name: "team/other/none", Version: "v0"})
		wantErr(t, "a name of no project", err, fs.ErrNotExist)
	}
	s := b.mount("mw", manifest.ByWandB, nil)
	s.want("latest of a name that only the store has", s.readlink("mine/latest"), "../.manifest/mine/v1/data")
	s.want("and a nested one", s.readlink("nested/deep/latest"), "v1")
	s = b.mount("mw", manifest.ByManifest, nil)
	s.want("latest of a name that only W&B has", s.readlink("theirs/latest"), "../.wandb/theirs/v0/data")
	s = b.mount("m", manifest.ByManifest, nil)
	s.wantNone(".wandb", fs.ErrNotExist, "switched off")
}

// Whose numbers vN are is settled once. Backends that would change it are refused, in
// words that say what to set; what is set holds.
func TestUnionNumbering(t *testing.T) {
	t.Parallel()
	b := newBoth(t)
	b.fill()
	b.mount("m", "", nil) // records it
	_, err := b.tree("mw", "", nil)
	wantErr(t, "W&B is switched on", err, syscall.EIO, `artifactfs.numbering = "manifest" to keep`, `"wandb" to change`, b.root)
	b.mount("mw", manifest.ByManifest, nil).want("vN", b.mount("mw", manifest.ByManifest, nil).read("both/v1/f"), "one")
	b.mount("mw", manifest.ByWandB, nil).want("vN", b.mount("mw", manifest.ByWandB, nil).read("both/v1/f"), "three")
	b.mount("m", "", nil).want("vN", b.mount("m", "", nil).read("both/v1/f"), "one")

	b = newBoth(t)
	b.fill()
	b.mount("mw", "", nil)
	_, err = b.tree("m", "", nil)
	wantErr(t, "W&B is switched off", err, syscall.EIO, `artifactfs.numbering = "wandb" to keep`, "W&B is off")
	s := b.mount("m", manifest.ByWandB, nil)
	s.want("v1, W&B off", s.read("both/v1/f"), "three")
	_, err = b.tree("w", manifest.ByManifest, nil)
	wantErr(t, "the store's numbers without the store", err, fs.ErrInvalid, "artifacts.manifest.root")

	// A root that cannot be read at the mount may say otherwise later: nothing until then.
	b = newBoth(t)
	b.fill()
	b.mount("m", "", nil)
	ok(t, os.Rename(b.root, b.root+".gone"))
	var m Source
	m, err = manifest.OpenDir(b.root, &manifest.DirOptions{Log: slog.New(slog.DiscardHandler)})
	ok(t, err)
	u, err := NewUnion(m, b.source(), "")
	ok(t, err)
	wantErr(t, "no root", u.Settle(ctx, false), syscall.EIO)
	if l, err := u.Versions(ctx, "both"); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("before it is known who numbers: %+v, %v", l, err)
	}
	ok(t, os.Rename(b.root+".gone", b.root))
	_, err = u.Manifest(ctx, "both", 1)
	var renumbered *Renumbered
	if !errors.As(err, &renumbered) {
		t.Errorf("once the root is there: %v; want that it is the store's numbers", err)
	}
	// An empty root gets no record, and a log makes one.
	b = newBoth(t)
	s = b.mount("mw", "", nil)
	if left, _ := os.ReadDir(b.root); len(left) > 0 {
		t.Errorf("a mount left %v in an empty root", left)
	}
	s.file("one/f", "one")
	s.log("x", "one")
	if by, err := b.dir.Numbering(ctx); by != manifest.ByWandB || err != nil {
		t.Errorf("after a log: %q, %v", by, err)
	}
}

// While W&B goes down and comes back, vN and what a job has pinned stay what they are.
func TestUnionThroughOutage(t *testing.T) {
	t.Parallel()
	b := newBoth(t)
	b.fill()
	pins := func() []Pinner { return []Pinner{b.dir.Pins()} }
	job := func(id string) *Options {
		return &Options{Pins: pins(), Job: func(context.Context) (string, bool) { return id, true }}
	}
	uid := "0" // root's
	if os.Getuid() != 0 {
		t.Skip("pins are their user's")
	}
	first, second := uid+".-.first", uid+".-.second"
	s := b.mount("mw", "", job(first))
	s.want("latest, W&B up", s.readlink("both/latest"), "v2")
	before := s.read("both/v1/f")
	b.srv.Down()
	down := b.mount("mw", "", job(second)) // another node, where nothing was asked before
	down.want("latest, W&B down", down.readlink("both/latest"), "../.manifest/both/v3/data")
	down.want("v1, W&B down", down.read("both/v1/f"), before)
	down1 := b.mount("mw", "", job(first))
	down1.want("what the first job has pinned", down1.readlink("both/latest"), "v2")
	down1.want("which cannot be had", down1.answers("both/latest/f"), "EIO")
	ok(t, b.srv.Up())
	s.want("the first job, W&B back", s.readlink("both/latest"), "v2")
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if l, err := down.Tree.versions(ctx, "both"); err == nil && slices.Contains(l.Versions, 2) {
			break
		}
		if time.Now().After(end) {
			t.Fatal("W&B is not asked again")
		}
	}
	down.want("the second job, W&B back", down.readlink("both/latest"), "../.manifest/both/v3/data")
	down.want("its data", down.read("both/latest/f"), "three")
	down.want("v1", down.read("both/v1/f"), before)
	down.want("v2", down.read("both/v2/f"), "far")
	none := b.mount("mw", "", nil)
	none.want("no job, W&B back", none.readlink("both/latest"), "v2")
	none.want("in the snapshot", b.mount("mw", "", job(second)).readlink(".snapshot/"+second+"/both/latest"), "../../../.manifest/both/v3/data")
	if v, err := down.Resolve(ctx, manifest.Ref{Name: "both", Version: "latest"}); err != nil || v.Record.Manifest.Path != filepath.Join(b.data, "three") {
		t.Errorf("resolve = %v, %v", v, err)
	}
	down.want("fields", down.read(".fields/both/latest/version"), "v3\n")
	down.want("fields", filepath.Base(strings.TrimSpace(down.read(".fields/both/v0/path"))), "two")
}
