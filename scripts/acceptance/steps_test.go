//go:build linux

package acceptance

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"artifactfs.dev/artifactfs/internal/store/bucket/buckettest"
)

const (
	stepDeadline = 3 * time.Second
	stepPatience = 5700 * time.Millisecond // with a busy machine, and less than two deadlines
)

// A call waits for one deadline, whichever of the steps that it takes gets no answer: the record, the listings of the directories on its
// way, the bytes. What was listed before is not waited for again in each directory.
func TestStalledSteps(t *testing.T) {
	needRoot(t)
	near := buckettest.S3(t)
	direct := openFar(t, near.URI)
	through, proxy := near.Through(t)
	at, params, _ := strings.Cut(through.URI, "?")
	s := newSite(t, siteOptions{Quiet: true, Root: at + "/store?" + params, Keys: []string{fmt.Sprintf("deadline = %q", stepDeadline), `ttl = "20ms"`}})
	conf, err := os.ReadFile(s.Base + "/env.toml")
	must(t, err)
	writeFile(t, s.Base+"/env.toml", strings.Replace(string(conf), "data_roots = [", fmt.Sprintf("data_roots = [%q, ", at+"/data?"+params), 1))
	for _, name := range []string{"record", "listing", "names", "known", "bytes"} {
		must(t, direct.Write(t.Context(), "data/"+name+"/a/b/f", noise(3<<20, 1)))
		s.artifactfs("log", name, at+"/data/"+name)
	}
	s.mount()
	var files [2]*os.File
	for i, name := range []string{"known", "bytes"} {
		files[i], err = os.Open(s.path(name, "v1", "a", "b", "f"))
		must(t, err)
		defer files[i].Close()
	}
	var known atomic.Bool
	proxy.Break(func(r *http.Request) buckettest.Fault {
		where := r.URL.Path + "/" + r.URL.Query().Get("prefix")
		in := func(name, part string) bool {
			return strings.Contains(where, "/"+name+"/") && strings.Contains(where, part)
		}
		if in("known", "data/") && !strings.HasSuffix(where, "/f/") {
			known.Store(true)
			return buckettest.Fault{Stall: true}
		}
		return buckettest.Fault{Stall: in("record", "manifest.json") || in("listing", "data/") || in("names", "data/") || in("bytes", "data/bytes/a/b/f")}
	})
	var running sync.WaitGroup
	defer running.Wait()
	within := func(what string, call func() error, fails bool) {
		t.Helper()
		start := ran()
		err := call()
		if took := ran() - start; took > stepPatience {
			t.Errorf("%s: %v after %v, and the deadline is %v", what, err, took, stepDeadline)
		}
		if (err != nil) != fails {
			t.Errorf("%s: %v; want an error: %v", what, err, fails)
		}
	}
	stat := func(name string) func() error {
		return func() error { _, err := os.Stat(s.path(name, "v1", "a", "b", "f")); return err }
	}
	running.Go(func() { within("the record", stat("record"), true) })
	running.Go(func() { within("a listing", stat("listing"), true) })
	running.Go(func() {
		within("a directory", func() error { _, err := os.ReadDir(s.path("names", "v1", "a")); return err }, true)
	})
	running.Go(func() {
		within("the bytes", func() error { _, err := files[1].ReadAt(make([]byte, 1<<20), 0); return err }, true)
	})
	running.Go(func() {
		for !known.Load() { // until what was listed is looked at anew
			within("listings that were known", stat("known"), false)
		}
		within("bytes below them", func() error { _, err := files[0].ReadAt(make([]byte, 64<<10), 0); return err }, false)
	})
}
