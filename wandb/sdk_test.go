package wandb_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"artifactfs.dev/artifactfs/internal/store"
	"artifactfs.dev/artifactfs/internal/store/bucket"
	"artifactfs.dev/artifactfs/manifest"
	"artifactfs.dev/artifactfs/wandb"
	"artifactfs.dev/artifactfs/wandb/wandbtest"
)

// What W&B's own SDK logs is read to the last byte, of every kind.
func TestReadsWhatTheSDKLogs(t *testing.T) {
	if testing.Short() {
		t.Skip("takes an SDK to start")
	}
	t.Parallel()
	for _, c := range []struct {
		name, sdk string
		xxh       bool
	}{{"0.31", "0.31", false}, {"0.31-xxh128", "0.31", true}, {"0.23", "0.23", false}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			srv := wandbtest.New(t, &wandbtest.Options{Path: "/a/path", Features: map[bool]wandbtest.Features{true: wandbtest.XXH, false: wandbtest.Modern}[c.xxh]})
			data, content := sampleData(t)
			args := []string{absolute(t, "testdata/log.py"), data}
			if c.xxh {
				args = append(args, "XXH128")
			}
			if out, err := srv.Python(t, c.sdk, args...).CombinedOutput(); err != nil {
				t.Fatalf("the SDK: %v\n%s", err, out)
			}
			s := open(t, srv, func(w *wandb.Config) { w.Entity = "" })
			s.SetBuckets(func(bucket.URI) (*bucket.Bucket, error) {
				b, err := bucket.Open(ctx(t), bucket.URI{Scheme: "mem"})
				if err != nil {
					return nil, err
				}
				return b, b.Create(ctx(t), "key", []byte("in a bucket"))
			})
			checkListings(t, s)
			checkPaths(t, s, data)
			checkContents(t, s, data, content)
			checkSums(t, s, content)
		})
	}
}

func absolute(t testing.TB, path string) string {
	t.Helper()
	p, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// sampleData makes a directory of names and sizes that are easily got wrong.
func sampleData(t testing.TB) (string, map[string][]byte) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "my data")
	content := map[string][]byte{
		"metadata.json": []byte(`{"path": "/d", "pack_size": 4096}`), "one": []byte("1"), "empty": nil, "a b é.txt": []byte("unicode"),
		"50%.txt": []byte("percent"), "x%20y": []byte("encoded?"), "train/00.bin": random(300_000), "train/deep/er/01.bin": random(70_000),
		"iter_0000020/model.bin": random(10_000), "q?x#y": []byte("query"), "a+b&c": []byte("plus"),
	}
	for name, b := range content {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir, content
}

// checkSums compares the digests that the SDK recorded of content with our own, and
// finds none where it recorded none.
func checkSums(t *testing.T, s *wandb.Source, content map[string][]byte) {
	for name, want := range map[string]struct{ digests, none int }{
		"files": {len(content), 0}, "checked": {len(content), 0}, "unchecked": {1, len(content)}, "checkpoint": {0, 1}, "mixed": {1, 2},
	} {
		files, err := s.Files(ctx(t), name, 0)
		if err != nil {
			t.Fatal(err)
		}
		digests, none := 0, 0
		err = files.(store.Summed).Sums(ctx(t), func(sum store.Sum) error {
			alg, digest := sum.Digest(sum.Local)
			h := store.NewHash(alg)
			if h == nil {
				none++
				return nil
			}
			b := content[sum.Path]
			if name == "mixed" {
				b = content["one"]
			}
			h.Write(b)
			if digests++; !bytes.Equal(h.Sum(nil), digest) || sum.Size != int64(len(b)) && (sum.Size >= 0 || len(b) > 0) {
				t.Errorf("%s of %s: %s %x and %d bytes are recorded; it has %x and %d", sum.Path, name, alg, digest, sum.Size, h.Sum(nil), len(b))
			}
			return nil
		})
		if err != nil || digests != want.digests || none != want.none {
			t.Errorf("%s: %d digests and %d files without, want %+v: %v", name, digests, none, want, err)
		}
	}
}

func checkListings(t *testing.T, s *wandb.Source) {
	names, err := s.Names(ctx(t), "")
	if want := []string{"checked", "checkpoint", "files", "mixed", "unchecked"}; err != nil || !slices.Equal(names, want) {
		t.Errorf("Names = %q, %v; want %q", names, err, want)
	}
	l, err := s.Versions(ctx(t), "files")
	if err != nil || !slices.Equal(l.Versions, []int{0, 1}) || l.Latest != 1 {
		t.Errorf("Versions(files) = %+v, %v", l, err)
	} else if d := cmp.Diff(map[string]int{"prod": 0}, l.Aliases); d != "" {
		t.Errorf("aliases (-want +got):\n%s", d)
	}
}

func checkPaths(t *testing.T, s *wandb.Source, data string) {
	for name, want := range map[string]string{"files": "", "unchecked": data, "checked": data, "checkpoint": data, "mixed": ""} {
		r, err := s.Manifest(ctx(t), name, 0)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if r.Manifest.Path != want || r.Manifest.Producer != map[bool]string{true: "second", false: "first"}[name == "mixed"] {
			t.Errorf("%s: the path is %q, by %s; want %q", name, r.Manifest.Path, r.Manifest.Producer, want)
		}
		switch name {
		case "files":
			if v, _ := r.Manifest.Metadata.Get("n"); v != manifest.Number("1") || string(r.RawMeta) == "" {
				t.Errorf("metadata %v, metadata.json %s", r.Manifest.Metadata, r.RawMeta)
			}
		case "mixed":
			if !slices.Equal(r.Manifest.UsedArtifacts, []string{"files:v0"}) {
				t.Errorf("mixed was made of %q", r.Manifest.UsedArtifacts)
			}
		case "checkpoint":
			if n, ok := r.Iteration(); n != 20 || !ok {
				t.Errorf("the checkpoint's iteration is %d, %v", n, ok)
			}
		}
	}
}

func checkContents(t *testing.T, s *wandb.Source, data string, content map[string][]byte) {
	same := func(prefix string) map[string][]byte {
		out := make(map[string][]byte)
		for name, b := range content {
			out[prefix+name] = b
		}
		return out
	}
	unchecked := same("output/")
	unchecked["metadata.json"] = content["metadata.json"]
	for name, want := range map[string]map[string][]byte{
		"files": same(""), "checked": same(""), "unchecked": unchecked,
		"checkpoint": {"model.bin": content["iter_0000020/model.bin"]},
		"mixed":      {"linked.bin": content["train/00.bin"], "own/one": content["one"], "s3.bin": []byte("in a bucket")},
	} {
		f, err := s.Files(ctx(t), name, 0)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got := make(map[string][]byte)
		walk(t, f, "", func(path string, file store.File) {
			got[path] = whole(t, file)
		})
		if len(got) != len(want) {
			t.Errorf("%s has %d files; want %d", name, len(got), len(want))
		}
		for path, b := range want {
			if !bytes.Equal(got[path], b) {
				t.Errorf("%s/%s has %d bytes; want the %d that were logged", name, path, len(got[path]), len(b))
			}
		}
	}
	f, err := s.Files(ctx(t), "files", 1)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string][]byte{"added.txt": []byte("added"), "train/00.bin": content["train/00.bin"]} {
		if file, err := f.Stat(ctx(t), path); err != nil || !bytes.Equal(whole(t, file), want) {
			t.Errorf("the second version's %s: %v", path, err)
		}
	}
}

// walk calls each with every file.
func walk(t testing.TB, f store.Files, dir string, each func(string, store.File)) {
	t.Helper()
	list, err := f.ReadDir(ctx(t), dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range list {
		path := strings.TrimPrefix(dir+"/"+entry.Name, "/")
		if entry.Dir {
			walk(t, f, path, each)
			continue
		}
		file, err := f.Stat(ctx(t), path)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		each(path, file)
	}
}

// whole returns what a file holds.
func whole(t testing.TB, file store.File) []byte {
	t.Helper()
	var b []byte
	var err error
	if file.Local != "" {
		b, err = os.ReadFile(file.Local)
	} else {
		b, err = read(ctx(t), file.Object, 0, 1<<30)
	}
	if err != nil {
		t.Errorf("%s: %v", file.Name, err)
	}
	if file.Local == "" && int64(len(b)) != file.Size {
		t.Errorf("%s has %d bytes; its size is %d", file.Name, len(b), file.Size)
	}
	return b
}
