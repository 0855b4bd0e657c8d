package wandb_test

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"artifactfs.dev/artifactfs/wandb"
	"artifactfs.dev/artifactfs/wandb/wandbtest"
)

// A file of the other hash lies in a directory of its own.
func TestLocalCacheXXH(t *testing.T) {
	srv := wandbtest.New(t, &wandbtest.Options{Features: wandbtest.XXH})
	dir := t.TempDir()
	s := open(t, srv, func(c *wandb.Config) { c.CacheDir = dir })
	log(t, srv, wandbtest.Version{Name: "m", Files: map[string][]byte{"f": []byte("hi")}, XXH128: true})
	path := dir + "/artifacts/obj/xxh128/7d/596ce5fcabaf622a2300bbd7ea6e9a"
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("hi"), 0o644); err != nil {
		t.Fatal(err)
	}
	o := object(t, filesOf(t, s, "m"), "f").Object
	n := srv.Requests("GET")
	if got, err := read(ctx(t), o, 0, 10); err != nil || string(got) != "hi" || srv.Requests("GET") != n || o.Key() != "wandb:xxh128:7d596ce5fcabaf622a2300bbd7ea6e9a:2" {
		t.Errorf("%q, %v after %d requests; the key is %s", got, err, srv.Requests("GET")-n, o.Key())
	}
}

// A disk that fails in the middle of a file leaves the rest to the server.
func TestLocalCacheFails(t *testing.T) {
	srv := wandbtest.New(t, nil)
	dir := t.TempDir()
	s := open(t, srv, func(c *wandb.Config) { c.CacheDir = dir })
	want := random(3 << 20)
	log(t, srv, wandbtest.Version{Name: "m", Files: map[string][]byte{"f": want}})
	sum := md5.Sum(want)
	h := hex.EncodeToString(sum[:])
	path := filepath.Join(dir, "artifacts", "obj", "md5", h[:2], h[2:])
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, want, 0o644); err != nil {
		t.Fatal(err)
	}
	r, err := object(t, filesOf(t, s, "m"), "f").Object.ReadRange(ctx(t), 0, 3<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got := make([]byte, 3<<20)
	n, err := r.Read(got)
	if err != nil || n == 0 || n == len(got) {
		t.Fatalf("the first read is %d bytes, %v", n, err)
	}
	if err := os.Truncate(path, 10); err != nil {
		t.Fatal(err)
	}
	before := srv.Requests("GET")
	if _, err := io.ReadFull(r, got[n:]); err != nil || !bytes.Equal(got, want) || srv.Requests("GET") == before {
		t.Errorf("%v after %d requests", err, srv.Requests("GET")-before)
	}
}

func TestLocalCache(t *testing.T) {
	t.Parallel()
	srv := wandbtest.New(t, nil)
	dir := t.TempDir()
	s := open(t, srv, func(c *wandb.Config) { c.CacheDir = dir })
	content := map[string][]byte{"good": random(5000), "short": random(6000), "wrong": random(7000), "absent": random(8000), "large": random(20 << 20)}
	log(t, srv, wandbtest.Version{Name: "m", Files: content})
	for name, b := range map[string][]byte{"good": content["good"], "short": content["short"][1:], "wrong": random(7001)[:7000], "large": content["large"]} {
		sum := md5.Sum(content[name])
		h := hex.EncodeToString(sum[:])
		path := filepath.Join(dir, "artifacts", "obj", "md5", h[:2], h[2:])
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	f := filesOf(t, s, "m")
	fetched := func(name string) bool {
		t.Helper()
		n := srv.Requests("GET")
		for _, r := range []struct{ off, n int64 }{{0, 1 << 30}, {10, 100}} {
			got, err := read(ctx(t), object(t, f, name).Object, r.off, r.n)
			if want := content[name][r.off:min(r.off+r.n, int64(len(content[name])))]; err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s: %d bytes, %v", name, len(got), err)
			}
		}
		return srv.Requests("GET") != n
	}
	for name, want := range map[string]bool{"good": false, "short": true, "wrong": true, "absent": true} {
		if got := fetched(name); got != want {
			t.Errorf("%s was fetched: %v; want %v", name, got, want)
		}
	}
	// A large file is served by the server while it is being hashed.
	for end := time.Now().Add(20 * time.Second); fetched("large"); {
		if time.Now().After(end) {
			t.Fatal("the large file is never taken from the cache")
		}
	}
}
