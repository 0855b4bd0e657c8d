package wandb_test

import (
	"errors"
	"fmt"
	"io/fs"
	"testing"

	"artifactfs.dev/artifactfs/manifest"
	"artifactfs.dev/artifactfs/wandb"
	"artifactfs.dev/artifactfs/wandb/wandbtest"
)

// refs are unnamed references, as those of a directory; an entry is what follows the
// directory of the first.
func refs(dir string, names ...string) []wandbtest.Ref {
	var list []wandbtest.Ref
	for _, n := range names {
		list = append(list, wandbtest.Ref{Name: n, URI: "file://" + dir + "/" + n})
	}
	return list
}

// output are the references of a directory as upstream names it.
func output(dir string, names ...string) []wandbtest.Ref {
	list := refs(dir, names...)
	for i := range list {
		list[i].Name = "output/" + list[i].Name
	}
	return list
}

// The path and the iteration of a version, by the numbers of upstream's conformance
// cases. A path of "" is W&B's stored files, upstream's download directory.
func TestConformancePaths(t *testing.T) {
	type meta = map[string]any
	for _, c := range []struct {
		number string
		meta   meta
		refs   []wandbtest.Ref
		nemo   string // NEMO_RUN_DIR
		exists string // a path that exists here
		path   string
		it     any
	}{
		{number: "43", meta: meta{"absolute_path": "/l/save/iter_0000020"}, path: "/l/save", it: manifest.Number("20")},
		{number: "43", meta: meta{"absolute_path": "/l/save/iter_0000020/"}, path: "/l/save", it: manifest.Number("20")},
		{number: "44", meta: meta{"absolute_path": "/l/save/iter_0000020", "iteration": 7}, path: "/l/save", it: manifest.Number("7")},
		{number: "45", meta: meta{"absolute_path": "/l/iter_20x"}, path: "/l/iter_20x"},
		{number: "45", meta: meta{"absolute_path": "/l/step_30"}, path: "/l/step_30"},
		{number: "46 (F)", meta: meta{"absolute_path": "/nemo_run/s"}, nemo: "/lustre/j", path: "/lustre/j/s"},
		{number: "46", meta: meta{"absolute_path": "/nemo_run/s"}, nemo: "/lustre/j", exists: "/nemo_run/s", path: "/nemo_run/s"},
		{number: "47", refs: refs("/nemo_run/d", "a"), nemo: "/lustre/j", path: "/lustre/j/d"},
		{number: "47", refs: output("/nemo_run/d", "a"), nemo: "/lustre/j/", path: "/lustre/j/d"},
		{number: "48", refs: refs("/nemo_run", "a"), nemo: "/lustre/j", path: "/lustre/j"},
		{number: "49 (F)", refs: refs("/nemo_runs/d", "a"), nemo: "/lustre/j", path: "/nemo_runs/d"},
		{number: "50", refs: refs("/nemo_run/d", "a"), path: "/nemo_run/d"},
		{number: "50", refs: refs("/nemo_run/d", "a"), nemo: "/nemo_run", path: "/nemo_run/d"},
		{number: "51", refs: []wandbtest.Ref{{Name: "a", URI: "s3://b/a"}, {Name: "b", URI: "https://h/b"}, {Name: "c", URI: "gs://b/c"}}},
		{number: "52", meta: meta{"absolute_path": ""}, refs: refs("/d", "a")},
		{number: "52", meta: meta{"absolute_path": nil}, refs: refs("/d", "a")},
		{number: "53", meta: meta{"absolute_path": "/l/save", "iteration": 0}, path: "/l/save", it: manifest.Number("0")},
		{number: "53", meta: meta{"absolute_path": "/l/save/iter_0000000"}, path: "/l/save", it: manifest.Number("0")},

		// Upstream takes the parent of the first file, which is wrong where that is nested.
		{number: "bug 8 (F)", refs: output("/l/energon", ".nv-meta/.info.json", "shard_0.tar"), path: "/l/energon"},
		{number: "bug 8 (F)", refs: refs("/l/embed", "eval_beir/x/y", "train.jsonl"), path: "/l/embed"},
		{number: "a directory called output", refs: output("/l/output", "a", "b/c"), path: "/l/output"},
		{number: "output in output", refs: output("/l/output", "output/a", "output/b"), path: "/l/output"},
		{number: "encoded", refs: []wandbtest.Ref{{Name: "output/a b.txt", URI: "file:///l/my%20data/a%20b.txt"}}, path: "/l/my data"},
		{number: "not encoded", refs: []wandbtest.Ref{{Name: "output/50%.txt", URI: "file:///l/d/50%.txt"}, {Name: "output/x%20.txt", URI: "file:///l/d/x%20.txt"}}, path: "/l/d"},
		{number: "no common base", refs: append(refs("/a", "x"), refs("/b", "y")...)},
		{number: "another name", refs: []wandbtest.Ref{{Name: "data.bin", URI: "file:///l/part-0.bin"}}},
		{number: "another host", refs: []wandbtest.Ref{{Name: "a", URI: "file://host/l/a"}}},
		{number: "the root", refs: refs("", "a"), path: "/"},
		{number: "not a string", meta: meta{"absolute_path": 7}, refs: refs("/d", "a")},
		{number: "a URI", meta: meta{"absolute_path": "s3://b/save"}, path: "s3://b/save"},
		{number: "a URI of an iteration", meta: meta{"absolute_path": "s3://b/save/iter_0000001/"}, path: "s3://b/save", it: manifest.Number("1")},
		{number: "a bucket", meta: meta{"absolute_path": "s3://iter_0000001"}, path: "s3://iter_0000001"},
		{number: "relative", meta: meta{"absolute_path": "save/iter_0000001"}, path: "save/iter_0000001"},
		{number: "stored beside", refs: output("/l/d", "a"), path: "/l/d"},
	} {
		t.Run(c.number, func(t *testing.T) {
			srv := wandbtest.New(t, nil)
			s := open(t, srv, func(w *wandb.Config) { w.NemoRunDir = c.nemo })
			s.SetExists(func(p string) bool { return p == c.exists })
			log(t, srv, wandbtest.Version{Name: "n", Type: "model", Metadata: c.meta, Refs: c.refs, Files: map[string][]byte{"metadata.json": []byte("{}")}})
			r, err := s.Manifest(ctx(t), "n", 0)
			if err != nil {
				t.Fatal(err)
			}
			it, _ := r.Manifest.Metadata.Get("iteration")
			if r.Manifest.Path != c.path || it != c.it {
				t.Errorf("the path is %q, iteration %v; want %q, %v", r.Manifest.Path, it, c.path, c.it)
			}
			if n, ok := r.Iteration(); ok != (c.it != nil) || ok && fmt.Sprint(n) != fmt.Sprint(c.it) {
				t.Errorf("Iteration = %d, %v; want %v", n, ok, c.it)
			}
		})
	}
}

// The references that upstream's cases give, by their numbers.
func TestConformanceRefs(t *testing.T) {
	srv := wandbtest.New(t, nil)
	s := open(t, srv, nil)
	for i := range 6 {
		log(t, srv, wandbtest.Version{Name: "n", Files: stored(fmt.Sprint(i))})
	}
	log(t, srv, wandbtest.Version{Name: "n", Files: stored("2"), Aliases: []string{"validated"}}) // deduplicated: v2
	log(t, srv, wandbtest.Version{Name: "n", Files: stored("5")})
	for i := range 4 {
		log(t, srv, wandbtest.Version{Entity: "team", Project: "p", Name: "n", Files: stored(fmt.Sprint("p", i))})
	}
	for _, c := range []struct {
		number, ref string
		name        string
		version     int // -1: fs.ErrNotExist
	}{
		{"1", "n", "n", 5},
		{"1", "n:latest", "n", 5},
		{"2", "n:3", "n", 3},
		{"2", "n:v3", "n", 3},
		{"3 (F)", "n:v05", "n", 5},
		{"4", "n:prod", "n", -1},
		{"5", "n:LATEST", "n", -1},
		{"5", "n:V3", "n", -1},
		{"6 (F)", "team/p/n:v3", "team/p/n", 3},
		{"8", "art://n", "n", 5},
		{"10 (F)", "art://n:validated", "n", 2},
		{"26", "none:v1", "none", -1},
		{"26", "n:v9", "n", -1},
	} {
		ref, err := manifest.ParseRef(c.ref)
		if err != nil || ref.Name != c.name {
			t.Fatalf("%s: ParseRef(%s) = %v, %v", c.number, c.ref, ref, err)
		}
		l, err := s.Versions(ctx(t), ref.Name)
		n, ok := -1, false
		if err == nil {
			if v, number := ref.Number(); number {
				n, ok = int(v), true
			} else {
				n, ok = l.Alias(ref.Version)
			}
		}
		if ok {
			_, err = s.Manifest(ctx(t), ref.Name, n)
		}
		if c.version >= 0 && (err != nil || n != c.version) || c.version < 0 && ok && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("case %s: %s is v%d, %v; want v%d", c.number, c.ref, n, err, c.version)
		}
	}
}

// Case 54: with no entity and an empty project, nemotron of the user's default entity.
func TestConformanceDefaults(t *testing.T) {
	srv := wandbtest.New(t, nil)
	log(t, srv, wandbtest.Version{Name: "n", Files: stored("1")})
	client, err := wandb.NewClient(wandb.Config{BaseURL: srv.URL, Key: wandb.Key(srv.Key)})
	if err != nil {
		t.Fatal(err)
	}
	if l, err := wandb.NewSource(client, nil).Versions(ctx(t), "n"); err != nil || l.Latest != 0 || client.Project() != "nemotron" {
		t.Errorf("Versions = %v, %v in %s; want v0 in nemotron", l, err, client)
	}
}
