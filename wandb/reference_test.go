package wandb_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"artifactfs.dev/artifactfs/internal/store/bucket"
	"artifactfs.dev/artifactfs/wandb"
	"artifactfs.dev/artifactfs/wandb/wandbtest"
)

// A server that sends other bytes than those that were asked for is found out.
func TestWrongRange(t *testing.T) {
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Range", map[string]string{"/from": "bytes 0-4/10", "/total": "bytes 2-6/11", "/none": "", "/bad": "items x"}[r.URL.Path])
		w.WriteHeader(http.StatusPartialContent)
		io.WriteString(w, "01234")
	}))
	defer web.Close()
	srv := wandbtest.New(t, nil)
	s := open(t, srv, nil)
	var list []wandbtest.Ref
	for _, name := range []string{"from", "total", "none", "bad"} {
		list = append(list, wandbtest.Ref{Name: name, URI: web.URL + "/" + name, Size: 10})
	}
	log(t, srv, wandbtest.Version{Name: "m", Refs: list})
	for _, r := range list {
		if got, err := read(ctx(t), object(t, filesOf(t, s, "m"), r.Name).Object, 2, 5); !errors.Is(err, syscall.EIO) {
			t.Errorf("%s: %q, %v; want EIO", r.Name, got, err)
		}
	}
}

func TestHTTPReference(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	content, tag, ranges := random(50_000), `"v1"`, true
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if r.Header.Get("Authorization") != "" || r.Header.Get("X-Secret") != "" {
			t.Errorf("a reference was asked for with %v", r.Header)
		}
		if r.URL.Path == "/gone" {
			w.WriteHeader(404)
			return
		}
		if tag != "" {
			w.Header().Set("ETag", tag)
		}
		if !ranges {
			r.Header.Del("Range")
			_, _ = w.Write(content)
			return
		}
		http.ServeContent(w, r, "f", time.Time{}, bytes.NewReader(content))
	}))
	defer web.Close()
	srv := wandbtest.New(t, nil)
	s := open(t, srv, func(c *wandb.Config) { c.Headers = map[string]string{"X-Secret": "s"} })
	log(t, srv, wandbtest.Version{Name: "m", Refs: []wandbtest.Ref{
		{Name: "tagged", URI: web.URL + "/f?token=secret", Digest: "v1", Size: 50_000, Extra: map[string]any{"etag": `"v1"`}},
		{Name: "untagged", URI: web.URL + "/f"},
		{Name: "gone", URI: web.URL + "/gone", Size: 5},
		{Name: "azure", URI: "abfs://c/x"}, {Name: "bad", URI: "http://%zz"},
	}})
	f := filesOf(t, s, "m")
	for _, name := range []string{"tagged", "untagged"} {
		file := object(t, f, name)
		if file.Size != 50_000 {
			t.Errorf("%s has size %d", name, file.Size)
		}
		if got, err := read(ctx(t), file.Object, 100, 40_000); err != nil || !bytes.Equal(got, content[100:40_100]) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
	if a, b := object(t, f, "tagged").Object.Key(), object(t, f, "untagged").Object.Key(); a == "" || b != "" || strings.Contains(a, "secret") {
		t.Errorf("the keys are %q and %q", a, b)
	}
	mu.Lock()
	ranges = false
	mu.Unlock()
	if got, err := read(ctx(t), object(t, f, "tagged").Object, 100, 40_000); err != nil || !bytes.Equal(got, content[100:40_100]) {
		t.Errorf("of a server without ranges: %d bytes, %v", len(got), err)
	}
	mu.Lock()
	ranges, tag = true, `"v2"`
	mu.Unlock()
	for name, words := range map[string]string{"tagged": "changed since it was logged", "gone": "404"} {
		within, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		got, err := read(within, object(t, f, name).Object, 0, 5)
		cancel()
		if !errors.Is(err, syscall.EIO) || errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), words) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %q, %v; want EIO and %q", name, got, err, words)
		}
	}
	for _, name := range []string{"azure", "bad"} {
		if file, err := f.Stat(ctx(t), name); !errors.Is(err, syscall.EOPNOTSUPP) {
			t.Errorf("Stat(%s) = %+v, %v", name, file, err)
		}
	}
}

// reference is what W&B's SDK writes for an entry of another artifact.
func reference(t testing.TB, id, path string) string {
	t.Helper()
	raw, err := base64.StdEncoding.DecodeString(id)
	if err != nil {
		t.Fatal(err)
	}
	return "wandb-artifact://" + hex.EncodeToString(raw) + "/" + path
}

func TestArtifactReference(t *testing.T) {
	srv := wandbtest.New(t, nil)
	s := open(t, srv, nil)
	a := log(t, srv, wandbtest.Version{Project: "other", Name: "a", Files: map[string][]byte{"d/f": []byte("hello")}, Refs: []wandbtest.Ref{{Name: "l", URI: "file:///l/x"}}})
	b := log(t, srv, wandbtest.Version{Name: "b", Refs: []wandbtest.Ref{{Name: "to-a", URI: reference(t, a.ID, "d/f")}, {Name: "l", URI: reference(t, a.ID, "l")}}})
	log(t, srv, wandbtest.Version{Name: "c", Refs: []wandbtest.Ref{
		{Name: "to-b", URI: reference(t, b.ID, "to-a")}, {Name: "l", URI: reference(t, b.ID, "l")}, {Name: "gone", URI: reference(t, "QXJ0aWZhY3Q6OTk5OTk=", "x")},
		{Name: "none", URI: reference(t, a.ID, "none")}, {Name: "bad", URI: "wandb-artifact://zz/x"},
	}})
	f := filesOf(t, s, "c")
	file := object(t, f, "to-b")
	if got, err := read(ctx(t), file.Object, 0, 10); err != nil || string(got) != "hello" || file.Size != 5 || file.Name != "to-b" {
		t.Errorf("through two artifacts: %+v, %q, %v", file, got, err)
	}
	list, err := f.ReadDir(ctx(t), "")
	if err != nil || len(list) != 5 {
		t.Fatalf("ReadDir = %v, %v", list, err)
	}
	for _, file := range list {
		if file.Name == "to-b" {
			if got, err := read(ctx(t), file.Object, 1, 3); err != nil || string(got) != "ell" {
				t.Errorf("from a listing: %q, %v", got, err)
			}
		}
	}
	if file, err := f.Stat(ctx(t), "l"); err != nil || file.Local != "/l/x" {
		t.Errorf("a local file through two artifacts: %+v, %v", file, err)
	}
	for _, name := range []string{"gone", "none", "bad"} {
		if file, err := f.Stat(ctx(t), name); err == nil || !strings.Contains(err.Error(), "file "+name+" of c:v0") {
			t.Errorf("Stat(%s) = %+v, %v", name, file, err)
		}
	}
}

// References in a circle: the server's ids count up, so that the first can name the
// second before it is there.
func TestReferenceLoop(t *testing.T) {
	srv := wandbtest.New(t, nil)
	s := open(t, srv, nil)
	var manifest string
	a := log(t, srv, wandbtest.Version{Name: "a", Files: stored("1")})
	b := log(t, srv, wandbtest.Version{Name: "b", Refs: []wandbtest.Ref{{Name: "x", URI: reference(t, a.ID, "x")}}})
	manifest = fmt.Sprintf(`{"version":1,"contents":{"x":{"digest":"d","ref":%q},"self":{"digest":"d","ref":%q}}}`, reference(t, b.ID, "x"), reference(t, a.ID, "self"))
	srv.Fail("GET", wandbtest.Fault{Status: 200, Body: manifest})
	f := filesOf(t, s, "a")
	for _, name := range []string{"x", "self"} {
		if file, err := f.Stat(ctx(t), name); !errors.Is(err, syscall.ELOOP) {
			t.Errorf("Stat(%s) = %+v, %v; want ELOOP", name, file, err)
		}
	}
}

func TestBucketReference(t *testing.T) {
	srv := wandbtest.New(t, nil)
	s := open(t, srv, nil)
	in := make(map[string]*bucket.Bucket)
	s.SetBuckets(func(u bucket.URI) (*bucket.Bucket, error) {
		if in[u.String()] != nil {
			t.Errorf("%s is opened twice", u)
		}
		b, err := bucket.Open(context.Background(), bucket.URI{Scheme: "mem"})
		if err != nil {
			return nil, err
		}
		in[u.String()] = b
		return b, b.Create(context.Background(), "d/a b", []byte("hello"))
	})
	log(t, srv, wandbtest.Version{Name: "m", Refs: []wandbtest.Ref{
		{Name: "sized", URI: "s3://bkt/d/a b", Size: 5}, {Name: "unsized", URI: "gs://bkt/d/a b"},
		{Name: "grown", URI: "s3://bkt/d/a b", Size: 4}, {Name: "changed", URI: "s3://bkt/d/a b", Extra: map[string]any{"etag": "e"}},
		{Name: "generation", URI: "gs://bkt/d/a b", Extra: map[string]any{"versionID": 1700000000000001}},
		{Name: "gone", URI: "s3://bkt/none", Size: 5}, {Name: "none", URI: "s3://bkt"},
	}})
	f := filesOf(t, s, "m")
	if object(t, f, "sized"); len(in) != 0 {
		t.Error("a file whose size is known was looked at before it was read")
	}
	for _, name := range []string{"sized", "unsized"} {
		file := object(t, f, name)
		if got, err := read(ctx(t), file.Object, 1, 3); err != nil || string(got) != "ell" || file.Size != 5 {
			t.Errorf("%s, of %d bytes: %q, %v", name, file.Size, got, err)
		}
	}
	for name, words := range map[string]string{"grown": "has 5 bytes, and had 4", "changed": "expected e", "generation": "expected 1700000000000001", "gone": "none", "none": "no object"} {
		file, err := f.Stat(ctx(t), name)
		if err == nil {
			_, err = read(ctx(t), file.Object, 0, 3)
		}
		if err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: %v; want %q", name, err, words)
		}
	}
}
