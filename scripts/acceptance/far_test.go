//go:build linux

package acceptance

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"artifactfs.dev/artifactfs/internal/store/bucket"
	"artifactfs.dev/artifactfs/internal/store/bucket/buckettest"
	"artifactfs.dev/artifactfs/internal/store/hfblob/hfhubtest"
)

// A far is a store that data lies in, and the proxy between it and the mount.
type far struct {
	name  string
	URI   string // that data lies below
	root  string // that as data_roots has it, with what it takes to reach the store
	proxy *buckettest.Proxy
	put   func(t *testing.T, files map[string][]byte) // below URI
	lists bool                                        // it has directories
}

// eachFar runs fn on each kind of store that data is read from.
func eachFar(t *testing.T, fn func(t *testing.T, f *far)) {
	for _, c := range []struct {
		name string
		open func(t *testing.T) *far
	}{
		{"s3", func(t *testing.T) *far { return farBucket(t, buckettest.S3(t)) }},
		{"gs", func(t *testing.T) *far { return farBucket(t, buckettest.GCS(t)) }},
		{"azblob", func(t *testing.T) *far { return farBucket(t, buckettest.Azure(t)) }},
		{"hf", farHub},
		{"web", farWeb},
	} {
		t.Run(c.name, func(t *testing.T) {
			needRoot(t)
			f := c.open(t)
			f.name = c.name
			fn(t, f)
		})
	}
}

func farBucket(t *testing.T, near buckettest.Store) *far {
	direct := openFar(t, near.URI)
	through, proxy := near.Through(t)
	at, params, _ := strings.Cut(through.URI, "?")
	f := &far{URI: at + "/data", root: at + "/data", proxy: proxy, lists: true}
	if params != "" {
		f.root += "?" + params
	}
	f.put = func(t *testing.T, files map[string][]byte) {
		for key, data := range files {
			must(t, direct.Write(t.Context(), "data/"+key, data))
		}
	}
	return f
}

func openFar(t *testing.T, uri string) *bucket.Bucket {
	u, err := bucket.Parse(uri)
	must(t, err)
	b, err := bucket.Open(t.Context(), u)
	must(t, err)
	t.Cleanup(func() { b.Close() })
	return b
}

// farHub is a Hub all of whose files come from the Hub itself, and so through the proxy.
func farHub(t *testing.T) *far {
	hub := hfhubtest.New(&hfhubtest.Options{RegularTo: 1 << 30})
	t.Cleanup(hub.Close)
	hub.AddUser("me", "hf_me", "org")
	hub.CreateRepo("datasets", "org/set", &hfhubtest.RepoOptions{Private: true})
	_, proxy := (buckettest.Store{Name: "hf", Addr: strings.TrimPrefix(hub.URL, "http://")}).Through(t)
	t.Setenv("HF_ENDPOINT", "http://"+proxy.Addr)
	t.Setenv("HF_TOKEN", "hf_me")
	t.Setenv("HF_HOME", t.TempDir())
	const uri = "hf://datasets/org/set/data"
	return &far{URI: uri, root: uri, proxy: proxy, lists: true, put: func(t *testing.T, files map[string][]byte) {
		list := map[string]string{}
		for key, data := range files {
			list["data/"+key] = string(data)
		}
		hub.Commit("datasets", "org/set", "main", "more", list)
	}}
}

// farWeb is a server of files that have tags.
func farWeb(t *testing.T) *far {
	w := &webFiles{files: map[string]webFile{}}
	srv := httptest.NewServer(w)
	t.Cleanup(srv.Close)
	_, proxy := (buckettest.Store{Name: "web", Addr: srv.Listener.Addr().String()}).Through(t)
	uri := "http://" + proxy.Addr + "/data"
	return &far{URI: uri, root: uri, proxy: proxy, put: func(_ *testing.T, files map[string][]byte) { w.put(files) }}
}

type webFiles struct {
	mu    sync.Mutex // guards files
	files map[string]webFile
	puts  int
}

type webFile struct {
	data []byte
	tag  string
}

func (w *webFiles) put(files map[string][]byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.puts++
	for key, data := range files {
		w.files["/data/"+key] = webFile{data, `"` + strings.Repeat("x", w.puts) + `"`}
	}
}

func (w *webFiles) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	f, ok := w.files[r.URL.Path]
	w.mu.Unlock()
	if !ok {
		http.NotFound(out, r)
		return
	}
	out.Header().Set("ETag", f.tag)
	http.ServeContent(out, r, "", time.Time{}, bytes.NewReader(f.data))
}
