//go:build linux

package acceptance

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"artifactfs.dev/artifactfs/internal/store/bucket/buckettest"
	"artifactfs.dev/artifactfs/wandb/wandbtest"
)

func noise(n int, seed byte) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{seed}).Read(b)
	return b
}

const (
	farDeadline = 600 * time.Millisecond
	patience    = 30 * time.Second // with a busy machine
)

// farSite mounts a store of records of which the data lies in f: of half of the kinds by way of a cache.
func farSite(t *testing.T, f *far) *site {
	s := newSite(t, siteOptions{Quiet: true, Keys: []string{fmt.Sprintf("deadline = %q", farDeadline), `ttl = "100ms"`}})
	conf, err := os.ReadFile(s.Base + "/env.toml")
	must(t, err)
	text := strings.Replace(string(conf), "data_roots = [", fmt.Sprintf("data_roots = [%q, ", f.root), 1)
	if f.name != "gs" && f.name != "hf" {
		text += fmt.Sprintf("cache_dir = %q\n", s.Base+"/cache")
	}
	writeFile(t, s.Base+"/env.toml", text)
	s.mount()
	return s
}

// gets polls for the content of a file.
func gets(t *testing.T, path string, want []byte) {
	t.Helper()
	eventually(t, patience, "read "+path, func() error {
		got, err := os.ReadFile(path)
		if err == nil && !bytes.Equal(got, want) {
			err = fmt.Errorf("%d bytes that are not the %d of the object", len(got), len(want))
		}
		return err
	})
}

// says polls for what a shell says in a directory.
func (s *site) says(dir, script, want string) {
	s.t.Helper()
	eventually(s.t, patience, script, func() error {
		got, err := s.command("sh", "-c", "cd "+dir+" && "+script).Output()
		if err == nil && string(got) != want {
			err = fmt.Errorf("%q, want %q", got, want)
		}
		return err
	})
}

// Data in each kind of store is read as any other; what fails on the way, or changes there, is an error and never other bytes.
func TestRemote(t *testing.T) {
	eachFar(t, func(t *testing.T, f *far) {
		content := map[string][]byte{} // by fault
		for name := range farFaults {
			content[name] = noise(3<<19, byte(len(content))) // more than is asked for at once
			f.put(t, map[string][]byte{"f-" + name + "/data": content[name]})
		}
		f.put(t, map[string][]byte{"set/big.bin": old, "set/other.bin": []byte("other"), "one.json": []byte("{}")})
		s := farSite(t, f)
		testRemoteData(t, f, s)
		testRemoteVerify(t, f, s)
		testRemoteFaults(t, f, s, content)
		testRemoteReplaced(t, f, s)
	})
}

var old, now = noise(3<<20, 100), noise(3<<20+7, 101)

// testRemoteData looks at directories, at one iteration of a checkpoint, and at what a record names that is one file.
func testRemoteData(t *testing.T, f *far, s *site) {
	s.publish("one", 1, f.URI+"/one.json")
	s.publish("leak", 1, strings.TrimSuffix(f.URI, "data")+"secret/x")
	gets(t, s.path("one", "v1", "one.json"), []byte("{}"))
	if _, err := os.ReadDir(s.path("leak", "v1")); !errors.Is(err, syscall.EPERM) {
		t.Errorf("outside of data_roots: %v, want EPERM", err)
	}
	if !f.lists {
		s.publish("set", 1, f.URI+"/set/big.bin")
		gets(t, s.path("set", "v1", "big.bin"), old)
		s.publish("dir", 1, f.URI+"/set/")
		if _, err := os.ReadDir(s.path("dir", "v1")); !errors.Is(err, syscall.EOPNOTSUPP) {
			t.Errorf("a directory on the web: %v, want EOPNOTSUPP", err)
		}
		return
	}
	files := map[string][]byte{"set/sub/small.txt": []byte("small")}
	for _, iter := range []string{"0000500", "0001000"} {
		files["ckpt/iter_"+iter+"/w"], files["ckpt/iter_"+iter+"/train_state.pt"] = []byte("w"+iter), []byte("s"+iter)
	}
	files["ckpt/latest_checkpointed_iteration.txt"], files["ckpt/latest_train_state.pt"] = []byte("1000"), []byte("s0001000")
	f.put(t, files)
	s.publish("set", 1, f.URI+"/set")
	gets(t, s.path("set", "v1", "big.bin"), old)
	s.says(s.path("set", "v1"), "find . -type f | sort; cat sub/small.txt; test -e none || echo; cmp big.bin big.bin", "./big.bin\n./other.bin\n./sub/small.txt\nsmall\n")
	must(t, os.MkdirAll(s.Root+"/ckpt/v1", 0o755))
	s.replace(s.Root+"/ckpt/v1/metadata.json", `{"type": "model", "iteration": 500}`)
	s.replace(s.Root+"/ckpt/v1/manifest.json", fmt.Sprintf(`{"name": "ckpt", "version": 1, "type": "model", "path": %q}`, f.URI+"/ckpt/iter_0000500"))
	s.says(s.path("ckpt", "v1"), "find . -type f | sort; cat *.txt *.pt iter*/w",
		"./iter_0000500/train_state.pt\n./iter_0000500/w\n./latest_checkpointed_iteration.txt\n./latest_train_state.pt\n500s0000500w0000500")
}

// testRemoteVerify: of each kind of store it is said whether it has what was logged, and of one that does not answer nothing.
func testRemoteVerify(t *testing.T, f *far, s *site) {
	f.put(t, map[string][]byte{"v/a": []byte("one")})
	at := f.URI + "/v/a"
	if f.lists {
		at = f.URI + "/v"
	}
	s.publish("v", 1, at)
	s.publish("none", 1, f.URI+"/none/a")
	says := func(state, name string, flags ...string) {
		t.Helper()
		eventually(t, patience, "verify "+name, func() error {
			var got []struct{ State string }
			out, _ := s.command(binary, append([]string{"verify", name, "--json"}, flags...)...).Output()
			if err := json.Unmarshal(out, &got); err != nil || len(got) != 1 || got[0].State != state {
				return fmt.Errorf("%s, %v; want %s", out, err, state)
			}
			return nil
		})
	}
	says("ok", "v", "--record")
	says("ok", "v")
	says("missing", "none")
	f.put(t, map[string][]byte{"v/a": []byte("two")})
	says("changed", "v")
	f.proxy.Break(func(*http.Request) buckettest.Fault { return buckettest.Fault{Status: http.StatusServiceUnavailable} })
	says("unreachable", "v")
	says("unreachable", "none")
	f.proxy.Break(nil)
}

// testRemoteReplaced has an object replaced behind the mount: who has it open goes on with what it was or gets EIO, and who opens it
// after the listing's life has what it is.
func testRemoteReplaced(t *testing.T, f *far, s *site) {
	big := s.path("set", "v1", "big.bin")
	var file *os.File
	eventually(t, patience, "open "+big, func() (err error) { file, err = os.Open(big); return err })
	defer file.Close()
	f.put(t, map[string][]byte{"set/big.bin": now})
	p := make([]byte, 64<<10)
	read := func(when string, off int64) {
		n, err := file.ReadAt(p, off)
		if err == nil && !bytes.Equal(p[:n], old[off:][:n]) || err != nil && !errors.Is(err, syscall.EIO) && !errors.Is(err, syscall.ETIMEDOUT) {
			t.Errorf("%s, at %d: %d bytes, %v; want those of before, or EIO", when, off, n, err)
		}
	}
	for off := int64(0); off+int64(len(p)) < int64(len(old)); off += 700_000 {
		read("what was replaced", off)
	}
	gets(t, big, now)
	read("the old one, while the new one is read", 1<<20)
	eventually(t, patience, "stat", func() error {
		a, err := os.Stat(big)
		if err == nil && a.Size() != int64(len(now)) {
			err = fmt.Errorf("%d bytes", a.Size())
		}
		return err
	})
}

// farFaults are what can come between a reader and a store, and whether a read must fail of it.
var farFaults = map[string]struct {
	fault buckettest.Fault
	times int // so often; 0: always
	fails bool
	gone  bool // ENOENT is an answer
}{
	"stall":       {fault: buckettest.Fault{Stall: true}, fails: true},
	"hang":        {fault: buckettest.Fault{Hang: 100_000}, times: 1},
	"short":       {fault: buckettest.Fault{Short: 100_000}},
	"cut":         {fault: buckettest.Fault{Cut: 100_000}},
	"reset":       {fault: buckettest.Fault{Reset: true}, fails: true},
	"reset-once":  {fault: buckettest.Fault{Reset: true}, times: 1},
	"range":       {fault: answer(0, "Content-Range", "bytes 7-1048582/1572864"), fails: true},
	"200":         {fault: answer(http.StatusOK, "Content-Range", ""), fails: true},
	"403-expires": {fault: buckettest.Fault{Status: http.StatusForbidden}, times: 1},
	"503-burst":   {fault: buckettest.Fault{Status: http.StatusServiceUnavailable}, times: 2},
	"503":         {fault: buckettest.Fault{Status: http.StatusServiceUnavailable}, fails: true},
	"404":         {fault: buckettest.Fault{Status: http.StatusNotFound}, fails: true, gone: true},
	"tag":         {fault: answer(0, "ETag", `"other"`, "X-Goog-Generation", "7", "X-Linked-Etag", `"other"`), fails: true},
}

// answer changes the head of an answer: its status, unless that is 0, and some headers, which are left out if they are to be "".
func answer(to int, headers ...string) buckettest.Fault {
	return buckettest.Fault{Answer: func(status int, h http.Header) int {
		for i := 0; i < len(headers); i += 2 {
			if h.Get(headers[i]) != "" {
				h.Set(headers[i], headers[i+1])
			}
			if headers[i+1] == "" {
				h.Del(headers[i])
			}
		}
		if to != 0 && status == http.StatusPartialContent {
			status = to
		}
		return status
	}}
}

// testRemoteFaults: whatever fails between the mount and a store, a read gives the right bytes or an error, by its deadline; and when it
// is over the file is there, and is read.
func testRemoteFaults(t *testing.T, f *far, s *site, content map[string][]byte) {
	for name := range farFaults {
		s.publish("f-"+name, 1, f.URI+"/f-"+name+"/data")
		eventually(t, patience, "look at "+name, func() error { _, err := os.Stat(s.path("f-"+name, "v1", "data")); return err })
	}
	f.proxy.Break(breaker())
	var running sync.WaitGroup
	for name := range farFaults {
		fails := farFaults[name].fails && (name != "tag" || f.name != "gs") // which is asked for the very content
		running.Go(func() { readThrough(t, s, name, fails, content[name]) })
	}
	running.Wait()
	f.proxy.Break(nil)
	for name := range farFaults {
		gets(t, s.path("f-"+name, "v1", "data"), content[name])
	}
}

// breaker does to each request for the content of a file what is in its name.
func breaker() func(*http.Request) buckettest.Fault {
	var mu sync.Mutex
	left := map[string]int{}
	for name, c := range farFaults {
		left[name] = c.times
	}
	return func(r *http.Request) buckettest.Fault {
		_, name, ok := strings.Cut(strings.ReplaceAll(r.URL.EscapedPath(), "%2F", "/"), "/f-")
		name, _, _ = strings.Cut(name, "/")
		if !ok || r.Method != http.MethodGet || !strings.HasSuffix(r.URL.Path, "data") {
			return buckettest.Fault{}
		}
		mu.Lock()
		defer mu.Unlock()
		if farFaults[name].times > 0 {
			if left[name]--; left[name] < 0 {
				return buckettest.Fault{}
			}
		}
		return farFaults[name].fault
	}
}

// readThrough reads a part of a file, and then all of it, unless it must fail.
func readThrough(t *testing.T, s *site, name string, fails bool, want []byte) {
	path := s.path("f-"+name, "v1", "data")
	file, err := os.Open(path)
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	defer file.Close()
	for _, at := range []struct{ off, n int }{{1 << 20, 64 << 10}, {0, len(want)}} {
		if fails && at.off == 0 {
			break
		}
		p := make([]byte, at.n)
		start := ran()
		n, err := file.ReadAt(p, int64(at.off))
		took := ran() - start
		switch {
		case !bytes.Equal(p[:n], want[at.off:][:n]):
			t.Errorf("%s: %d bytes at %d are not those of the object, and %v", name, n, at.off, err)
		case err == nil && fails:
			t.Errorf("%s: %d bytes at %d are read", name, n, at.off)
		case err != nil && errors.Is(err, fs.ErrNotExist) && !farFaults[name].gone:
			t.Errorf("%s: %v, and the file is there", name, err)
		case took > patience: // the kernel asks more than once, and the machine may be busy
			t.Errorf("%s: %v after %v, and the deadline is %v", name, err, took, farDeadline)
		}
	}
	if names, err := os.ReadDir(filepath.Dir(path)); err == nil && len(names) != 1 {
		t.Errorf("%s: a listing meanwhile has %v", name, names)
	}
}

// A W&B version whose data is in a bucket is read from there.
func TestRemoteDataOfWandB(t *testing.T) {
	needRoot(t)
	f := farBucket(t, buckettest.S3(t))
	f.put(t, map[string][]byte{"set/a.txt": []byte("a"), "ckpt/iter_0000500/w": []byte("w"), "ckpt/iter_0001000/w": []byte("no")})
	srv := wandbtest.New(t, nil)
	for name, path := range map[string]string{"set": "/set", "ckpt": "/ckpt/iter_0000500"} {
		_, err := srv.Log(wandbtest.Version{Name: name, Type: "model", Metadata: map[string]any{"absolute_path": f.URI + path}, Files: map[string][]byte{"metadata.json": []byte("{}")}})
		must(t, err)
	}
	s := newSite(t, siteOptions{Quiet: true, WandB: srv})
	conf, err := os.ReadFile(s.Base + "/env.toml")
	must(t, err)
	writeFile(t, s.Base+"/env.toml", strings.Replace(string(conf), "data_roots = [", fmt.Sprintf("data_roots = [%q, ", f.root), 1))
	s.mount()
	gets(t, s.path("set", "v0", "a.txt"), []byte("a"))
	s.says(s.path("ckpt", "v0"), "find . -type f | sort; cat iter*/w", "./iter_0000500/w\n./latest_checkpointed_iteration.txt\nw")
}
