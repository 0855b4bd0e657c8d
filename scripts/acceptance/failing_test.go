//go:build linux

package acceptance

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"artifactfs.dev/artifactfs/internal/store/bucket/buckettest"
)

// failures are the ways in which each store fails, and what status and doctor then say. What a store answers to more than these is a test of
// package bucket.
var failures = map[string]map[string]struct {
	fault buckettest.Fault
	words string
}{
	"s3": {
		"clock":       {buckettest.S3Error(403, "RequestTimeTooSkewed", "The difference between the request time and the current time is too large.").Dated(), "this machine's clock"},
		"credentials": {buckettest.S3Error(403, "SignatureDoesNotMatch", "The request signature we calculated does not match."), "refuses these credentials"},
		"bucket":      {buckettest.S3Error(404, "NoSuchBucket", "The specified bucket does not exist"), "no bucket"},
		"throttle":    {buckettest.S3Error(503, "SlowDown", "Please reduce your request rate."), "asks for fewer requests"},
		"away":        {buckettest.Fault{Reset: true}, "does not answer"},
	},
	"gs": {
		"credentials": {buckettest.GCSError(401, "authError", "Invalid Credentials"), "refuses these credentials"},
		"bucket":      {buckettest.GCSError(404, "notFound", "The specified bucket does not exist."), "no bucket"},
		"throttle":    {buckettest.GCSError(429, "rateLimitExceeded", "The rate of requests is too high."), "asks for fewer requests"},
		"away":        {buckettest.Fault{Reset: true}, "does not answer"},
	},
	"azblob": {
		"clock":       {buckettest.AzureError(403, "AuthenticationFailed", "Server failed to authenticate the request.", "The Date header in the request is incorrect.").Dated(), "this machine's clock"},
		"credentials": {buckettest.AzureError(403, "AuthenticationFailed", "Server failed to authenticate the request.", "The MAC signature is not the same."), "refuses these credentials"},
		"bucket":      {buckettest.AzureError(404, "ContainerNotFound", "The specified container does not exist.", ""), "no bucket"},
		"throttle":    {buckettest.AzureError(503, "ServerBusy", "The server is busy.", ""), "asks for fewer requests"},
		"away":        {buckettest.Fault{Reset: true}, "does not answer"},
	},
	"hf": {
		"credentials": {buckettest.HubError(401, "", "Invalid credentials in Authorization header"), "refuses these credentials"},
		"bucket":      {buckettest.HubError(404, "RepoNotFound", "Repository not found"), "no repository"},
		"throttle":    {buckettest.HubError(429, "", "We had to rate limit you."), "asks for fewer requests"},
		"away":        {buckettest.Fault{Reset: true}, "does not answer"},
	},
}

// failing is one mount of one store, of which one thing will go wrong.
type failing struct {
	t           *testing.T
	s           *site
	what, words string
	root, mnt   string
	env         []string
	proxy       *buckettest.Proxy
	fault       buckettest.Fault
	late        bool // it goes wrong before the mount
}

// However a store fails, status and doctor say how, what was known is answered, what was not is EIO and no absence, and all is well again
// when the store is: of mounts that were made before it failed, and of those made after.
func TestFailingStores(t *testing.T) {
	needRoot(t)
	s := newSite(t, siteOptions{Quiet: true, Keys: []string{`deadline = "4s"`, `ttl = "50ms"`}})
	dir := s.data("corpus", map[string]string{"part.txt": "text"})
	var all []*failing
	eachStarted(t, func(store buckettest.Store) {
		s.artifactfs("log", "corpus", dir, "artifacts.manifest.root="+store.URI)
		for name, f := range failures[store.Name] {
			if testing.Short() && name != "away" && name != "throttle" {
				continue
			}
			for _, late := range []bool{false, true}[:1+strings.Count(name, "away")] {
				at, proxy := store.Through(t)
				what := fmt.Sprintf("%s-%s-%t", store.Name, name, late)
				all = append(all, &failing{t, s, what, f.words, at.URI, "", s.env(), proxy, f.fault, late})
			}
		}
	})
	for _, do := range []func(*failing){(*failing).mount, (*failing).check, (*failing).mend} { // which wait, most of the time
		var wg sync.WaitGroup
		for _, f := range all {
			wg.Go(func() { do(f) })
		}
		wg.Wait()
	}
}

// eachStarted starts each kind of store, all to run until the end of the test.
func eachStarted(t *testing.T, fn func(buckettest.Store)) {
	fn(buckettest.S3(t))
	fn(buckettest.GCS(t))
	fn(buckettest.Azure(t))
	hub, _ := buckettest.Hub(t)
	hub.URI += "?endpoint=http://" + hub.Addr
	fn(hub)
}

// mount mounts the store, and looks at it while it is well.
func (f *failing) mount() {
	if f.late {
		f.proxy.Break(func(*http.Request) buckettest.Fault { return f.fault })
	}
	f.mnt = f.s.other(f.what, f.root, f.env...)
	if f.late {
		return
	}
	if text, err := os.ReadFile(f.mnt + "/corpus/latest/part.txt"); string(text) != "text" {
		f.t.Errorf("%s: while it is well: %q, %v", f.what, text, err)
	}
	if got := list(f.mnt); got != "corpus: latest v1" {
		f.t.Errorf("%s: while it is well it lists %q", f.what, got)
	}
	f.proxy.Break(func(*http.Request) buckettest.Fault { return f.fault })
}

// list is what a mount lists of the one artifact there.
func list(mnt string) string {
	names, err := os.ReadDir(mnt)
	if err != nil {
		return err.Error()
	}
	var got []string
	for _, n := range names {
		inside, err := os.ReadDir(mnt + "/" + n.Name())
		if err != nil {
			return err.Error()
		}
		got = append(got, n.Name()+":")
		for _, e := range inside {
			got = append(got, e.Name())
		}
	}
	return strings.Join(got, " ")
}

func (f *failing) check() {
	for _, name := range []string{"none", "corpus"} {
		_, err := os.Stat(f.mnt + "/" + name)
		known := name == "corpus" && !f.late
		if known != (err == nil) || err != nil && !errors.Is(err, syscall.EIO) && !errors.Is(err, syscall.ETIMEDOUT) {
			f.t.Errorf("%s: stat of %s: %v", f.what, name, err)
		}
	}
	if !f.late {
		if got := list(f.mnt); got != "corpus: latest v1" {
			f.t.Errorf("%s: of what is known it lists %q", f.what, got)
		}
		if text, err := os.ReadFile(f.mnt + "/corpus/latest/part.txt"); string(text) != "text" {
			f.t.Errorf("%s: data: %q, %v", f.what, text, err)
		}
	}
	status := f.s.command(binary, "status", f.mnt)
	if said, err := status.CombinedOutput(); err != nil || !strings.Contains(string(said), "degraded") || !strings.Contains(string(said), f.words) {
		f.t.Errorf("%s: status does not say %q, %v:\n%s", f.what, f.words, err, said)
	}
	doctor := f.s.command(binary, "doctor", f.mnt)
	doctor.Env = append(doctor.Env, f.env...)
	said, _ := doctor.Output()
	if _, row, _ := strings.Cut(string(said), "fail\tmanifest root\t"); !strings.Contains(strings.SplitN(row, "\n", 2)[0], f.words) {
		f.t.Errorf("%s: doctor does not say %q:\n%s", f.what, f.words, said)
	}
}

func (f *failing) mend() {
	f.proxy.Break(nil)
	eventually(f.t, time.Minute, f.what+": the store is back", func() error {
		if _, err := os.Stat(f.mnt + "/none"); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("an unknown name: %w", err)
		}
		if got := list(f.mnt); got != "corpus: latest v1" {
			return errors.New("it lists " + got)
		}
		said, err := f.s.command(binary, "status", f.mnt).Output()
		if err != nil || strings.Contains(string(said), "degraded") {
			return fmt.Errorf("status: %w: %s", err, said)
		}
		return nil
	})
}
