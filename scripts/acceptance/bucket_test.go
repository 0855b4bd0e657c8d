//go:build linux

package acceptance

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"artifactfs.dev/artifactfs/internal/store/bucket"
	"artifactfs.dev/artifactfs/internal/store/bucket/buckettest"
)

// 16 processes log many versions each to one name of a bucket, through the mount's doors, upstream's own sequence of system calls among
// them, and by the command: every version is there once, whole, and latest is the highest.
func TestWritersToBuckets(t *testing.T) {
	needRoot(t)
	py := python(t)
	processes, each := 16, logsEach(4)
	if testing.Short() {
		processes, each = 6, logsEach(5)
	}
	eachStore(t, func(t *testing.T, store buckettest.Store) {
		s := newSite(t, siteOptions{Root: store.URI})
		dir := s.data("corpus", map[string]string{"part.txt": "text"})
		const name = "corpus"
		s.artifactfs("log", name, dir, "--set", "writer=first", "--set", "k=0")
		doors := []func(tag string) ([]string, string){
			func(tag string) ([]string, string) { return shellWriter(s, name, dir, tag, each), "" },
			func(tag string) ([]string, string) { return commandWriter(name, dir, tag, each), "" },
			func(tag string) ([]string, string) {
				return []string{py, "upstream_writer.py", s.path(".manifest"), name, strconv.Itoa(each), dir, tag}, "."
			},
		}
		answered := map[string]int{}
		stop := make(chan struct{})
		var mu sync.Mutex
		var writers, readers sync.WaitGroup
		readers.Go(func() { watchLatest(t, s, name, stop) })
		for i := range processes {
			tag := fmt.Sprintf("%s%d", []string{"shell", "command", "upstream"}[i%len(doors)], i)
			argv, cwd := doors[i%len(doors)](tag)
			writers.Go(func() {
				got, err := runWriter(s, argv, cwd, tag)
				if err != nil {
					t.Errorf("%s: %v", tag, err)
				}
				mu.Lock()
				defer mu.Unlock()
				maps.Copy(answered, got)
			})
		}
		writers.Wait()
		close(stop)
		readers.Wait()
		checkBucket(t, s, name, answered, processes*each+1)
		said, _ := s.command(binary, "doctor").Output() // what it says of this machine is not asked here
		for _, want := range []string{"ok\tmanifest root\t", "ok\tclaims\t", "ok\tartifacts\t1 of them"} {
			if !strings.Contains(string(said), want) {
				t.Errorf("doctor does not say %q:\n%s", want, said)
			}
		}
	})
}

// eachStore runs fn on each kind of store that is no directory.
func eachStore(t *testing.T, fn func(t *testing.T, s buckettest.Store)) {
	buckettest.Each(t, fn)
	t.Run("hf", func(t *testing.T) {
		store, _ := buckettest.Hub(t)
		fn(t, store)
	})
}

// checkBucket looks at what a name holds, as it is shown.
func checkBucket(t *testing.T, s *site, name string, answered map[string]int, want int) {
	t.Helper()
	must(t, os.WriteFile(s.path(".artifactfs", "refresh"), []byte(name+"\n"), 0o644))
	found := s.listed(name)
	if len(found) != want {
		t.Errorf("%d versions are listed, want %d", len(found), want)
	}
	tags := map[string]int{}
	for n := range found {
		text, err := os.ReadFile(s.path(".manifest", name, fmt.Sprint("v", n), "manifest.json"))
		var r record
		if err == nil {
			err = json.Unmarshal(text, &r)
		}
		if _, err2 := os.Stat(s.path(".manifest", name, fmt.Sprint("v", n), "metadata.json")); err2 != nil {
			err = errors.Join(err, err2)
		}
		if other, twice := tags[r.tag()]; twice || err != nil {
			t.Errorf("v%d is %s, as is v%d; %v", n, r.tag(), other, err)
		}
		tags[r.tag()] = n
	}
	for tag, n := range answered {
		if n != 0 && tags[tag] != n {
			t.Errorf("%s was answered v%d and is v%d", tag, n, tags[tag])
		}
	}
	if got, err := s.latest(name); err != nil || got != slices.Max(slices.Collect(maps.Keys(found))) {
		t.Errorf("latest is v%d, %v; the highest is v%d", got, err, slices.Max(slices.Collect(maps.Keys(found))))
	}
}

// A bucket that goes away is never an artifact that is gone: what was known is answered, what was not is EIO, and both within the
// deadline. When it comes back, so does all of it. A killed daemon changes nothing of that.
func TestBucketGoesAway(t *testing.T) {
	needRoot(t)
	store, proxy := buckettest.S3(t).Through(t) // how other stores say that they are away is a test of package bucket
	s := newSite(t, siteOptions{Root: store.URI, Keys: []string{`deadline = "2s"`, `ttl = "100ms"`}})
	dir := s.data("corpus", map[string]string{"part.txt": "text"})
	s.artifactfs("log", "corpus", dir)
	if got := s.shell("ls " + s.Mnt + "; ls " + s.path("corpus")); got != "corpus\nlatest\nv1\n" {
		t.Fatalf("ls: %q", got)
	}
	mend := proxy.Down()
	for _, c := range []struct {
		what string
		do   func() error
		want error
	}{
		{"ls of what was listed", func() error { _, err := os.ReadDir(s.path("corpus")); return err }, nil},
		{"ls of the root", func() error { _, err := os.ReadDir(s.Mnt); return err }, nil},
		{"data", func() error { _, err := os.ReadFile(s.path("corpus", "latest", "part.txt")); return err }, nil},
		{"an unknown name", func() error { _, err := os.Stat(s.path("none")); return err }, syscall.EIO},
		{"a log", func() error { return os.WriteFile(s.path(".log", "corpus"), []byte(dir+"\n"), 0o644) }, syscall.EIO},
	} {
		time.Sleep(100 * time.Millisecond) // the listing's life
		start := ran()
		err := c.do()
		if c.want == nil && err != nil || c.want != nil && !errors.Is(err, c.want) && !errors.Is(err, syscall.ETIMEDOUT) {
			t.Errorf("%s, while the store is away: %v, want %v", c.what, err, c.want)
		}
		if took := ran() - start; took > 15*time.Second {
			t.Errorf("%s took %v", c.what, took)
		}
	}
	if got := s.artifactfs("status", s.Mnt); !strings.Contains(got, "degraded") {
		t.Errorf("status says nothing of it:\n%s", got)
	}
	mend()
	eventually(t, soon, "the store is back", func() error {
		if _, err := os.Stat(s.path("none")); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("an unknown name: %w", err)
		}
		return nil
	})
	s.shell("echo " + dir + " > " + s.path(".log", "corpus"))
	s.kill()
	s.back(comeback, "after kill -9")
	if got, err := s.latest("corpus"); err != nil || got != 2 {
		t.Errorf("latest is v%d, %v; want v2", got, err)
	}
}

// Data that lies in a bucket is read as any other, byte for byte, by who may; what lies outside of data_roots is not, nor is an object
// that has been changed since it was looked at.
func TestDataInBucket(t *testing.T) {
	needRoot(t)
	store := buckettest.S3(t)
	u, err := bucket.Parse(store.URI)
	must(t, err)
	b, err := bucket.Open(t.Context(), u)
	must(t, err)
	defer b.Close()
	big := make([]byte, 9<<20)
	rand.New(rand.NewSource(1)).Read(big)
	for key, data := range map[string][]byte{"data/set/train/00.bin": big, "data/set/blend.json": []byte("{}"), "secret/key": []byte("no")} {
		must(t, b.Write(t.Context(), key, data))
	}
	s := newSite(t, siteOptions{Root: store.URI, Quiet: true})
	conf, err := os.ReadFile(s.Base + "/env.toml")
	must(t, err)
	writeFile(t, s.Base+"/env.toml", strings.Replace(string(conf), "data_roots = [", `data_roots = ["s3://test/data", `, 1))
	s.mount()
	s.shell("echo s3://test/data/set > " + s.path(".log", "corpus") + "; echo s3://test/data/set/blend.json > " + s.path(".log", "blend"))
	for uri, want := range map[string]error{"s3://test/secret": syscall.EPERM, "s3://test/data/none": syscall.ENOENT, "s3://other/x": syscall.EPERM} {
		if err := os.WriteFile(s.path(".log", "bad"), []byte(uri+"\n"), 0o644); !errors.Is(err, want) {
			t.Errorf("a log of %s: %v, want %v", uri, err, want)
		}
	}
	if got := s.shell("cd " + s.path("corpus", "latest") + "; find . -type f | sort; cat ../../blend/v1/blend.json"); got != "./blend.json\n./train/00.bin\n{}" {
		t.Errorf("find: %q", got)
	}
	file := s.path("corpus", "v1", "train", "00.bin")
	if got, err := os.ReadFile(file); err != nil || !bytes.Equal(got, big) {
		t.Errorf("%s: %d bytes, %v; want the %d that were written", file, len(got), err, len(big))
	}
	if err := os.WriteFile(s.path("corpus", "v1", "new"), nil, 0o644); !errors.Is(err, syscall.EROFS) {
		t.Errorf("a file made in data: %v, want EROFS", err)
	}
	if got := s.artifactfs("cat", "corpus/v1/blend.json"); got != "{}" {
		t.Errorf("artifactfs cat: %q", got)
	}
	s.publishRecord(t, b, "leak", "s3://test/secret") // past the check of a log
	if got, err := os.ReadFile(s.path("leak", "v1", "key")); !errors.Is(err, syscall.EPERM) {
		t.Errorf("outside of data_roots: %q, %v; want EPERM", got, err)
	}
	must(t, b.Write(t.Context(), "data/set/blend.json", []byte("[]")))
	if got, err := os.ReadFile(s.path("corpus", "v1", "blend.json")); err == nil && string(got) != "{}" { // what the kernel has kept is whole
		t.Errorf("an object that was replaced: %q", got)
	}
}

// publishRecord writes a version straight into a bucket, as another node would.
func (s *site) publishRecord(t *testing.T, b *bucket.Bucket, name, path string) {
	t.Helper()
	must(t, b.Write(t.Context(), name+"/v1/manifest.json", fmt.Appendf(nil, `{"name": %q, "version": 1, "path": %q}`, name, path)))
}
