package wandb

import (
	"crypto/md5"
	"encoding/base64"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func manifestOf(contents string) string {
	return `{"version":1,"storagePolicy":"wandb-storage-policy-v1","storagePolicyConfig":{"storageLayout":"V2"},"contents":{` + contents + `}}`
}

func indexOf(t testing.TB, text string) *index {
	t.Helper()
	x, err := readIndex(strings.NewReader(text), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func TestIndex(t *testing.T) {
	x := indexOf(t, manifestOf(`
		"metadata.json":{"digest":"ivVEvds88gHX9kQPnG5I6w==","size":11,"birthArtifactID":"QXJ0aWZhY3Q6MTIzNA==","local_path":"/x","skip_cache":false},
		"train/part-0.bin":{"digest":"XUFAKrxLKna5cZ2REBfFkg==","ref":"file:///lustre/ds/part-0.bin","size":5},
		"s3/a.bin":{"digest":"9b2cf535f27731c974343645a3985328","ref":"s3://bkt/a.bin","size":9,"extra":{"etag":"9b2c","versionID":"3HL4kq"}},
		"gs/b.bin":{"digest":"CKih16GjycICEAE=","ref":"gs://bkt/b.bin","size":0,"extra":{"versionID":1700000000000001}},
		"x":{"digest":"7Z2v","extra":{"alg":"XXH128"},"size":0}, "y":{"digest":"q","extra":{"alg":"SHA9"}}, "empty":{"digest":"","size":0}`))
	var got []entry
	for i := range x.len() {
		got = append(got, x.at(i))
	}
	want := []entry{
		{path: "empty", size: 0},
		{path: "gs/b.bin", digest: "CKih16GjycICEAE=", ref: "gs://bkt/b.bin", size: -1, etag: "1700000000000001"},
		{path: "metadata.json", digest: "ivVEvds88gHX9kQPnG5I6w==", size: 11, birth: "QXJ0aWZhY3Q6MTIzNA=="},
		{path: "s3/a.bin", digest: "9b2cf535f27731c974343645a3985328", ref: "s3://bkt/a.bin", size: 9, etag: "9b2c", version: "3HL4kq"},
		{path: "train/part-0.bin", digest: "XUFAKrxLKna5cZ2REBfFkg==", ref: "file:///lustre/ds/part-0.bin", size: 5},
		{path: "x", digest: "7Z2v", size: 0, alg: "XXH128"},
		{path: "y", digest: "q", size: -1, alg: "SHA9"},
	}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(entry{})); d != "" || x.layout != "V2" {
		t.Errorf("layout %s, entries (-want +got):\n%s", x.layout, d)
	}
	if x := indexOf(t, `{"version":1,"contents":{}}`); x.len() != 0 || x.layout != "V1" || !x.isDir("") {
		t.Errorf("an empty manifest: %d entries, layout %s", x.len(), x.layout)
	}
}

// names lists a directory, directories with a slash.
func (x *index) names(dir string) (names []string) {
	x.list(dir, func(name string, i int, isDir bool) {
		if isDir {
			name += "/"
		}
		names = append(names, name)
	})
	return names
}

func TestIndexTree(t *testing.T) {
	var b strings.Builder
	paths := []string{"a/b/c", "z", "a/b/d", "a-b", "a/e", "a.b/f", "a/b0", "ab", "a/b/c2/x", "a/b/c2/y"} // in no order
	for i, p := range paths {
		fmt.Fprintf(&b, `%q:{"digest":"d","size":%d},`, p, i)
	}
	x := indexOf(t, manifestOf(b.String()+`"z":{"digest":"last"}`))
	for dir, want := range map[string][]string{
		"": {"a-b", "a.b/", "a/", "ab", "z"}, "a": {"b/", "b0", "e"}, "a/b": {"c", "c2/", "d"}, "a.b": {"f"}, "a/b/c2": {"x", "y"}, "a/b/c": nil, "none": nil,
	} {
		if got := x.names(dir); !slices.Equal(got, want) {
			t.Errorf("%q holds %q; want %q", dir, got, want)
		}
	}
	for path, want := range map[string]bool{"": true, "a": true, "a/b": true, "a/b/c": false, "z": false, "a/": false, "b": false} {
		if got := x.isDir(path); got != want {
			t.Errorf("isDir(%q) = %v", path, got)
		}
	}
	if i, ok := x.find("z"); !ok || x.at(i).digest != "last" {
		t.Errorf("z is %+v; of two keys the last one counts", x.at(i))
	}
}

func TestHostileManifests(t *testing.T) {
	for _, text := range []string{
		"", "{", "[]", "null", "7", `{"version":2,"contents":{}}`, `{"contents":{}}`, `{"version":1,"contents":[]}`, `{"version":1}`, `{"version":1,"contentt":{}}`, `{"version":1,"contents":{"a":7}}`,
		manifestOf(`"../a":{}`), manifestOf(`"a/../b":{}`), manifestOf(`"/a":{}`), manifestOf(`"":{}`), manifestOf(`"a//b":{}`), manifestOf(`"a/":{}`),
		manifestOf(`"./a":{}`), manifestOf(`"..":{}`), manifestOf(`"a\u0000":{}`), manifestOf(`"` + strings.Repeat("n", 256) + `":{}`),
		manifestOf(`"` + strings.Repeat("n/", 3000) + `n":{}`),
		manifestOf(`"a":{},"a/b":{}`), manifestOf(`"a/b":{},"a":{}`), manifestOf(`"a":{},"a-":{},"a/b/c":{}`), manifestOf(`"x/a/b":{},"x/a/c":{},"x":{}`),
		manifestOf(`"a":{"digest":"` + strings.Repeat("d", 2<<20) + `"}`), `{"version":1,"x":"` + strings.Repeat("d", 2<<20) + `"}`, manifestOf(`"a":{"size":"x"}`),
		manifestOf(`"a":{}`)[:60],
	} {
		if x, err := readIndex(strings.NewReader(text), t.TempDir()); err == nil {
			t.Errorf("%.80q is an index of %d entries; want an error", text, x.len())
		} else if len(err.Error()) > 400 {
			t.Errorf("the error has %d bytes", len(err.Error()))
		}
	}
}

// A million entries: what memory they take, in order and not.
func TestIndexLarge(t *testing.T) {
	n := 200_000
	if os.Getenv("ARTIFACTFS_LARGE") != "" {
		n = 1_000_000
	}
	for _, sorted := range []bool{true, false} {
		dir := t.TempDir()
		before := heap()
		start := time.Now()
		x, err := readIndex(largeManifest(n, sorted), dir)
		if err != nil {
			t.Fatal(err)
		}
		took := time.Since(start)
		used := heap() - before
		t.Logf("%d entries, sorted %v: %v, heap %d bytes an entry, index %d bytes an entry", n, sorted, took, used/int64(n), len(x.data)/n)
		if used > int64(n)*16+8<<20 {
			t.Errorf("the index takes %d bytes of heap", used)
		}
		if left, _ := os.ReadDir(dir); len(left) != 0 {
			t.Errorf("%d files are left in the temporary directory", len(left))
		}
		if x.len() != n {
			t.Fatalf("%d entries; want %d", x.len(), n)
		}
		for range 1000 {
			i := rand.IntN(n)
			want := largeEntry(i)
			j, ok := x.find(want.path)
			if got := x.at(j); !ok || got != want {
				t.Fatalf("entry %d is %+v; want %+v", i, got, want)
			}
		}
		if got := x.names("output/train"); len(got) != (n+999)/1000 {
			t.Errorf("output/train holds %d directories", len(got))
		}
		if x.refs.common() != "/lustre/team/datasets/run-2026" {
			t.Errorf("the common base is %s", x.refs.common())
		}
		runtime.KeepAlive(x)
	}
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func largeEntry(i int) entry {
	rel := fmt.Sprintf("train/%06d/shard-%09d.parquet", i/1000, i)
	sum := md5.Sum([]byte(rel))
	return entry{path: "output/" + rel, digest: base64.StdEncoding.EncodeToString(sum[:]), ref: "file:///lustre/team/datasets/run-2026/" + rel, size: int64(i) + 1}
}

func largeManifest(n int, sorted bool) io.Reader {
	r, w := io.Pipe()
	order := make([]int, 0, n)
	for i := range n {
		order = append(order, i)
	}
	if !sorted {
		rand.New(rand.NewPCG(1, 2)).Shuffle(n, func(i, j int) { order[i], order[j] = order[j], order[i] })
	}
	go func() {
		io.WriteString(w, `{"version":1,"storagePolicyConfig":{"storageLayout":"V2"},"contents":{`)
		for k, i := range order {
			if k > 0 {
				io.WriteString(w, ",")
			}
			e := largeEntry(i)
			fmt.Fprintf(w, `"%s":{"digest":"%s","ref":"%s","size":%d}`, e.path, e.digest, e.ref, e.size)
		}
		io.WriteString(w, "}}")
		w.Close()
	}()
	return r
}

func FuzzIndex(f *testing.F) {
	f.Add(manifestOf(`"a/b":{"digest":"ivVEvds88gHX9kQPnG5I6w==","size":11,"ref":"file:///x/a/b","birthArtifactID":"Q","extra":{"etag":"e","alg":"XXH128"}},"c":{}`))
	f.Add(manifestOf(`"a":{"ref":"a"},"b":{"ref":"/b"},"é/ü":{"ref":"é/ü"}`))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text string) {
		x, err := readIndex(strings.NewReader(text), dir)
		if err != nil {
			return
		}
		b := &builder{index: &index{}, sharedIDs: make(map[string]uint64), sorted: true, dir: dir}
		for i := range x.len() {
			if err := b.add(x.at(i)); err != nil {
				t.Fatal(err)
			}
		}
		if err := b.finish(); err != nil || !b.sorted {
			t.Fatalf("what was read cannot be made again: %v, sorted %v", err, b.sorted)
		}
		for i := range x.len() {
			if x.at(i) != b.index.at(i) {
				t.Fatalf("%+v became %+v", x.at(i), b.index.at(i))
			}
		}
		var walk func(string) int
		walk = func(dir string) (n int) {
			x.list(dir, func(name string, _ int, isDir bool) {
				if isDir {
					n += walk(strings.TrimPrefix(dir+"/"+name, "/"))
				} else {
					n++
				}
			})
			return n
		}
		if n := walk(""); n != x.len() {
			t.Fatalf("the tree has %d of %d entries", n, x.len())
		}
	})
}
