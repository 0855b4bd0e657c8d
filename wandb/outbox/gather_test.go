package outbox

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"artifactfs.dev/artifactfs/internal/store"
	"artifactfs.dev/artifactfs/manifest"
	"artifactfs.dev/artifactfs/manifest/manifesttest"
	"artifactfs.dev/artifactfs/wandb/wandbtest"
)

// draft is what a request would be logged as.
func draft(t *testing.T, name, request string) *manifest.Draft {
	t.Helper()
	r, err := manifest.FinishRequest([]byte(request))
	if err != nil {
		t.Fatal(err)
	}
	resolved := ""
	if !r.Checkpoint() && !r.Remote() {
		if resolved, err = filepath.EvalSymlinks(r.Path); err != nil {
			resolved = r.Path
		}
	}
	d, err := r.Draft(name, at, "local", resolved)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// tree makes files; a name that ends in a slash is a directory, and "a -> b" a link.
func tree(t *testing.T, names ...string) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		link, to, isLink := strings.Cut(n, " -> ")
		p := filepath.Join(dir, link)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		switch {
		case isLink:
			err = os.Symlink(to, p)
		case strings.HasSuffix(n, "/"):
			err = os.MkdirAll(p, 0o755)
		default:
			err = os.WriteFile(p, []byte("content of "+n), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func gathered(t *testing.T, g gatherer, d *manifest.Draft) (*contents, []entry) {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "entries"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if g.data == nil {
		g.data = store.NewLocal(nil)
	}
	if g.max == 0 {
		g.max = maxObjects
	}
	c, err := g.gather(context.Background(), specOf(d), f)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Seek(0, 0); err != nil {
		t.Fatal(err)
	}
	var all []entry
	if err := eachEntry(f, func(e entry) error { all = append(all, e); return nil }); err != nil {
		t.Fatal(err)
	}
	if len(all) != c.Count {
		t.Errorf("%d entries, said %d", len(all), c.Count)
	}
	return c, all
}

// lines are entries as PATH REF, or PATH alone for stored files.
func lines(all []entry) []string {
	var out []string
	for _, e := range all {
		out = append(out, strings.TrimSpace(e.Path+" "+e.Ref))
	}
	return out
}

func TestGather(t *testing.T) {
	data := tree(t, "a/x", "a.txt", "a0", "empty/", "sub/b c", "in -> a.txt", "dir -> a", "lost -> nowhere", "p%20q")
	energon := tree(t, "0.tar", ".nv-meta/dataset.yaml", ".nv-meta/split.yaml", ".nv-meta/index.sqlite")
	blends := tree(t, "blend.json", "x.bin", "metadata.json")
	save := tree(t, "iter_0000020/w", "iter_0000020/metadata.json", "iter_0000030/w", "latest_checkpointed_iteration.txt")
	step := tree(t, "step_7/w")
	for _, tt := range []struct {
		what, request string
		want          []string
		absolute      string
	}{
		{"a directory", `{"path": "` + data + `"}`, []string{
			"metadata.json",
			"output/a.txt file://D/a.txt", "output/a/x file://D/a/x", "output/a0 file://D/a0",
			"output/in file://D/in", "output/p%20q file://D/p%2520q", "output/sub/b c file://D/sub/b c",
		}, ""},
		{"nested first", `{"path": "` + energon + `", "type": "EnergonWebDatasetArtifact"}`, []string{
			"dataset.yaml", "metadata.json", "output/.nv-meta/dataset.yaml file://D/.nv-meta/dataset.yaml",
			"output/.nv-meta/index.sqlite file://D/.nv-meta/index.sqlite", "output/.nv-meta/split.yaml file://D/.nv-meta/split.yaml",
			"output/0.tar file://D/0.tar", "split.yaml",
		}, energon},
		{"a file", `{"path": "` + blends + `/blend.json", "type": "DataBlendsArtifact"}`, []string{
			"blend.json", "metadata.json", "output/blend.json file://D/blend.json", "output/metadata.json file://D/metadata.json", "output/x.bin file://D/x.bin",
		}, ""},
		{"a blend beside", `{"path": "` + data + `/a", "type": "SFTDataArtifact", "blend_path": "` + blends + `/blend.json"}`, []string{
			"blend.json", "metadata.json", "output/x file://D/x",
		}, ""},
		{"empty", `{"path": "` + data + `/empty"}`, []string{"metadata.json"}, data + "/empty"},
		{"gone", `{"path": "` + data + `/gone"}`, []string{"metadata.json"}, data + "/gone"},
		{"remote", `{"path": "s3://bucket/prefix"}`, []string{"metadata.json", "output s3://bucket/prefix"}, "s3://bucket/prefix"},
		{"a checkpoint", `{"path": "` + save + `", "iteration": 20}`, []string{
			".artifactfs/metadata.json", "metadata.json file://D/iter_0000020/metadata.json", "w file://D/iter_0000020/w",
		}, save},
		{"an iteration", `{"path": "` + save + `/iter_0000030", "iteration": 30}`, []string{"metadata.json", "w file://D/iter_0000030/w"}, save + "/iter_0000030"},
		{"a step", `{"path": "` + step + `/step_7", "iteration": 7}`, []string{"metadata.json", "w file://D/step_7/w"}, step + "/step_7"},
	} {
		c, all := gathered(t, gatherer{}, draft(t, "n", tt.request))
		got := lines(all)
		for i := range got {
			for _, dir := range []string{data + "/a/", data + "/", energon + "/", blends + "/", save + "/", step + "/"} {
				if dir != data+"/a/" || tt.what == "a blend beside" {
					got[i] = strings.ReplaceAll(got[i], dir, "D/")
				}
			}
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: entries (-want +got):\n%s", tt.what, diff)
		}
		var m struct {
			Created  string `json:"created_at"`
			Absolute string `json:"absolute_path"`
		}
		if err := json.Unmarshal([]byte(c.Metadata), &m); err != nil || m.Created == "" || m.Absolute != tt.absolute {
			t.Errorf("%s: metadata %s (%v), want absolute_path %q", tt.what, c.Metadata, err, tt.absolute)
		}
		// Upstream reads a version's path from absolute_path, else as the parent of the
		// first reference to a file.
		upstream := m.Absolute
		for _, e := range all {
			if rest, ok := strings.CutPrefix(e.Ref, "file://"); ok && upstream == "" {
				upstream = filepath.Dir(rest)
			}
		}
		want := specOf(draft(t, "n", tt.request)).Path
		if strings.HasSuffix(want, ".json") {
			want = filepath.Dir(want)
		}
		if upstream != want {
			t.Errorf("%s: upstream finds the data in %s, and it is in %s", tt.what, upstream, want)
		}
		if !slices.IsSortedFunc(all, func(a, b entry) int { return strings.Compare(a.Path, b.Path) }) {
			t.Errorf("%s: out of order", tt.what)
		}
	}
}

// Unchecked references do not tell a directory's content: what makes each log a new
// version is metadata.json, whose created_at differs, and else the mark.
func TestEveryLogDiffers(t *testing.T) {
	dir := tree(t, "a")
	first, _ := gathered(t, gatherer{}, draft(t, "n", dir+"\n"))
	again, _ := gathered(t, gatherer{}, draft(t, "n", dir+"\n"))
	if first.Digest != again.Digest {
		t.Errorf("one log has digests %s and %s", first.Digest, again.Digest)
	}
	r, _ := manifest.FinishRequest([]byte(dir))
	d, err := r.Draft("n", at.Add(1000), "local", dir)
	if err != nil {
		t.Fatal(err)
	}
	if later, _ := gathered(t, gatherer{}, d); later.Digest == first.Digest {
		t.Error("a later log has the same digest")
	}
}

func TestTooMany(t *testing.T) {
	dir := tree(t, "a", "b", "c")
	c, all := gathered(t, gatherer{max: 2}, draft(t, "n", dir))
	if len(all) != 1 || len(c.Notes) != 1 || !strings.Contains(c.Metadata, `"absolute_path": "`+dir+`"`) {
		t.Errorf("%v %v %s", lines(all), c.Notes, c.Metadata)
	}
}

// The data is looked at as who logs it, and what that user may not see is not told.
func TestGatherAsCaller(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	srv := wandbtest.New(t, nil)
	dir := tree(t, "open/x", "closed/secret", "locked")
	for p := dir; p != "/tmp" && p != "/"; p = filepath.Dir(p) {
		if err := os.Chmod(p, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(dir+"/closed", 0o700); err != nil {
		t.Fatal(err)
	}
	o := patient(open(t, t.TempDir(), srv, func(opt *Options) { opt.Data = store.NewLocal(&store.Options{AsCaller: true}) }))
	ctx := store.WithCaller(bg, store.Caller{UID: 65534, GID: 65534})
	p, err := o.Push(ctx, "data", 1, draft(t, "data", dir))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(o.box.path(p.ID + contentsExt)); err != nil { // it is looked at again, by the id alone
		t.Fatal(err)
	}
	if p, err = o.Try(bg, p.ID); err != nil || p.State != manifest.PushDone {
		t.Fatalf("%+v %v", p, err)
	}
	var names []string
	for name := range storedManifest(t, srv, p.ArtifactID) {
		names = append(names, name)
	}
	if diff := cmp.Diff([]string{"metadata.json", "output/locked", "output/open/x"}, sorted(names)); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
}

// Every record that upstream wrote can be pushed, but for names that W&B does not take.
func TestGatherGolden(t *testing.T) {
	root := manifesttest.Golden(t, "artifacts")
	dir, err := manifest.OpenDir(root, nil)
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(root + "/*/v*/manifest.json")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d records, %v", len(files), err)
	}
	for _, file := range files {
		name := filepath.Base(filepath.Dir(filepath.Dir(file)))
		v, ok := manifest.ParseVersion(filepath.Base(filepath.Dir(file)))
		if !ok {
			continue
		}
		r, err := dir.Manifest(bg, name, int(v))
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		d := r.Draft()
		if err := check(name, d); (err != nil) != (CheckName(name) != nil) {
			t.Errorf("%s:%v is refused: %v", name, v, err)
		}
		c, all := gathered(t, gatherer{}, d)
		var m map[string]any
		if err := json.Unmarshal([]byte(c.Metadata), &m); err != nil || m["created_at"] != r.Manifest.CreatedAt && r.Manifest.CreatedAt != "" {
			t.Errorf("%s:%v has metadata %s, %v", name, v, c.Metadata, err)
		}
		if i := slices.IndexFunc(all, func(e entry) bool { return strings.HasSuffix(e.Path, "metadata.json") && e.stored() }); i < 0 || string(all[i].Data) != string(r.RawMeta) {
			t.Errorf("%s:%v is pushed without its metadata.json", name, v)
		}
	}
}
