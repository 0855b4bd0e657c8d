//go:build linux

package acceptance

import (
	"bytes"
	"encoding/base64"
	"fmt"
	iofs "io/fs"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"artifactfs.dev/artifactfs/internal/store/bucket"
	"artifactfs.dev/artifactfs/internal/store/bucket/buckettest"
)

// Other people's clients (boto3, s3fs, gcsfs, adlfs, huggingface_hub) read what artifactfs wrote, and artifactfs what they wrote, byte for
// byte: here all that upstream's own code has ever been recorded to write.
func TestSecondClients(t *testing.T) {
	needRoot(t)
	py := python(t)
	golden, err := filepath.Abs("../../testdata/golden/artifacts")
	must(t, err)
	eachStore(t, func(t *testing.T, store buckettest.Store) {
		if store.Name != "hf" { // which has a directory in it
			store.URI = strings.Replace(store.URI+"?", "?", "/team/root?", 1)
		}
		s := newSite(t, siteOptions{Root: strings.TrimSuffix(store.URI, "?"), Keys: []string{`ttl = "50ms"`}})
		dir := s.data("données", map[string]string{"part.txt": "text"})
		s.shell("echo " + dir + " > " + s.path(".log", "ours"))
		s.artifactfs("log", "ours", dir, "--set", "k=1e-05", "--set", "words=é<&>", "--alias", "prod")
		cmd := s.command(py, "stores.py", s.Root, golden)
		cmd.Dir = "."
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("stores.py: %v\n%s", err, tail(stderr.Bytes(), 3000))
		}
		theirs := map[string]string{} // by path, what upstream wrote
		must(t, filepath.WalkDir(golden, func(path string, d iofs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				rel, _ := filepath.Rel(golden, path)
				theirs[rel] = readFile(t, path)
			}
			return err
		}))
		for client, found := range decode[map[string]map[string]string](t, string(out)) {
			for _, path := range []string{"ours/v1/manifest.json", "ours/v2/manifest.json", "ours/v2/metadata.json", "ours/latest"} {
				if text, err := base64.StdEncoding.DecodeString(found[path]); err != nil || string(text) != readFile(t, s.path(".manifest", path)) {
					t.Errorf("%s reads %s as %q, %v; the mount shows %q", client, path, text, err, readFile(t, s.path(".manifest", path)))
				}
			}
			for path, want := range theirs {
				if text, err := base64.StdEncoding.DecodeString(found[path]); err != nil || string(text) != want {
					t.Errorf("%s reads %s as %q, %v, which it wrote as %q", client, path, text, err, want)
				}
			}
		}
		if got := s.shell("ls " + s.path("ours")); got != "latest\nprod\nv1\nv2\n" {
			t.Errorf("ls: %q", got)
		}
		for path, want := range theirs {
			if filepath.Base(filepath.Dir(path)) == "latest" || !strings.Contains(path, "/") || strings.HasPrefix(filepath.Base(path), ".") {
				continue
			}
			if got, err := os.ReadFile(s.path(".manifest", path)); err != nil || string(got) != want {
				t.Errorf("artifactfs reads %s as %q, %v; it was written as %q", path, got, err, want)
			}
		}
	})
}

// Upstream's writer over s3fs, past the mount, claims nothing and overwrites what it finds: what it has written stays, for others write only
// where nothing is. Of theirs only what it overwrote is lost.
func TestPastTheMount(t *testing.T) {
	needRoot(t)
	py := python(t)
	each := scaled(10)
	s := newSite(t, siteOptions{Root: buckettest.S3(t).URI, Keys: []string{`ttl = "50ms"`}})
	dir := s.data("corpus", map[string]string{"part.txt": "text"})
	const name = "corpus"
	writers := map[string][]string{
		"past":    {py, "upstream_writer.py", s.Root, name, strconv.Itoa(each), dir, "past"},
		"through": {py, "upstream_writer.py", s.path(".manifest"), name, strconv.Itoa(each), dir, "through"},
		"shell":   shellWriter(s, name, dir, "shell", each),
		"command": commandWriter(name, dir, "command", each),
	}
	answered := map[string]int{}
	var mu sync.Mutex
	var all sync.WaitGroup
	for tag, argv := range writers {
		all.Go(func() {
			cwd := ""
			if argv[0] == py {
				cwd = "."
			}
			got, err := runWriter(s, argv, cwd, tag)
			if err != nil {
				t.Errorf("%s: %v", tag, err)
			}
			mu.Lock()
			defer mu.Unlock()
			maps.Copy(answered, got)
		})
	}
	all.Wait()
	last, err := s.log(name, request(dir, "last", 0))
	must(t, err)
	must(t, os.WriteFile(s.path(".artifactfs", "refresh"), []byte(name+"\n"), 0o644))
	u, err := bucket.Parse(s.Root)
	must(t, err)
	b, err := bucket.Open(t.Context(), u)
	must(t, err)
	defer b.Close()
	tags := map[int]string{}
	for n := range s.listed(name) {
		text, _, err := b.Read(t.Context(), fmt.Sprintf("%s/v%d/manifest.json", name, n), 1<<20) // a mount keeps what it saw first
		must(t, err)
		tags[n] = decode[record](t, string(text)).tag()
	}
	lost := 0
	for tag, n := range answered {
		switch {
		case n == 0 || tags[n] == tag:
		case strings.HasPrefix(tags[n], "past/") && !strings.HasPrefix(tag, "past/"):
			lost++
		default:
			t.Errorf("%s was answered v%d, which is %s", tag, n, tags[n])
		}
	}
	t.Logf("%d versions, of which the writer past the mount overwrote %d", len(tags), lost)
	if got, err := s.latest(name); err != nil || got != last || tags[last] != "last/0" {
		t.Errorf("latest is v%d, %v; want v%d, %s", got, err, last, tags[last])
	}
}
