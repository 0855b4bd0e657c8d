package web

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"artifactfs.dev/artifactfs/internal/store"
)

var content = func() []byte {
	b := make([]byte, 1<<20)
	rand.NewChaCha8([32]byte{7}).Read(b)
	return b
}()

// server is a web server, and what it is told to do to requests for ranges: its answer
// is the function's if that says so.
type server struct {
	*httptest.Server
	t     *testing.T
	asked atomic.Int64
	fault atomic.Pointer[func(w http.ResponseWriter, r *http.Request) bool]
}

func serve(t *testing.T, h http.HandlerFunc) *server {
	s := &server{t: t}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked.Add(1)
		if r.Header.Get("Authorization")+r.Header.Get("Cookie")+r.Header.Get("Referer") != "" {
			t.Errorf("%s: a request brings %v", r.URL.Path, r.Header)
		}
		if h := r.Header; h.Get("Range") != "" && h.Get("Range") != "bytes=0-0" && h.Get("If-Match") == "" && h.Get("If-Unmodified-Since") == "" {
			t.Errorf("%s: a range without a condition: %v", r.URL.Path, h)
		}
		if f := s.fault.Load(); f != nil && (*f)(w, r) {
			return
		}
		h(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

// files serves content with a tag.
func files(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("ETag", `"one"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
}

func (s *server) url(path string) *url.URL {
	u, err := Parse(s.URL + path)
	if err != nil {
		s.t.Fatal(err)
	}
	return u
}

// client asks any server that is not of deny.
func client(deny ...*server) *Client {
	return NewClient(&Options{Deadline: 10 * time.Second, Lasts: time.Millisecond, Allowed: func(u *url.URL) (bool, error) {
		for _, s := range deny {
			if u.Host == s.Listener.Addr().String() {
				return false, fmt.Errorf("outside: %w", syscall.EPERM)
			}
		}
		return true, nil
	}})
}

func read(ctx context.Context, o *Object, off, n int64) ([]byte, error) {
	r, err := o.ReadRange(ctx, off, n)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

func (s *server) look(c *Client, path string) *Object {
	s.t.Helper()
	o, err := c.Look(s.t.Context(), s.url(path))
	if err != nil {
		s.t.Fatal(err)
	}
	return o
}

func TestRead(t *testing.T) {
	s := serve(t, files)
	f, err := client().Files(s.url("/d/a%20b.bin?sig=secret"))
	if err != nil {
		t.Fatal(err)
	}
	list, err := f.ReadDir(t.Context(), "")
	if err != nil || len(list) != 1 || list[0].Name != "a b.bin" || list[0].Size != int64(len(content)) {
		t.Fatalf("%+v, %v; want one file", list, err)
	}
	o := list[0].Object.(*Object)
	if k := o.Key(); !strings.HasSuffix(k, `#"one"`) || strings.Contains(k, "secret") {
		t.Errorf("key %s: want the tag, and no query", k)
	}
	for _, r := range []struct{ off, n, want int64 }{{0, 10, 10}, {1000, 1 << 19, 1 << 19}, {1<<20 - 5, 100, 5}, {1 << 20, 1, 0}, {1 << 21, 1, 0}, {5, 0, 0}} {
		got, err := read(t.Context(), o, r.off, r.n)
		if err != nil || !bytes.Equal(got, content[min(r.off, 1<<20):][:r.want]) {
			t.Errorf("%d bytes at %d: %d, %v; want %d", r.n, r.off, len(got), err, r.want)
		}
	}
	for _, name := range []string{"none", "a b.bin/x"} {
		if _, err := f.Stat(t.Context(), name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Stat(%s): %v, want ErrNotExist", name, err)
		}
	}
	s.Close() // and what was known of it is still answered
	if g, err := f.Stat(t.Context(), "a b.bin"); err != nil || g.Object != o {
		t.Errorf("while the server is away: %+v, %v", g, err)
	}
}

// What a server does not say of a file, and what is none.
func TestLook(t *testing.T) {
	old := time.Now().Add(-time.Hour)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body := bytes.NewReader([]byte("12345"))
		switch r.URL.Path {
		case "/empty":
			w.Header().Set("ETag", `"e"`)
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(nil))
		case "/old":
			http.ServeContent(w, r, "", old, body)
		case "/new":
			http.ServeContent(w, r, "", time.Now(), body)
		case "/weak":
			w.Header().Set("ETag", `W/"w"`)
			http.ServeContent(w, r, "", old, body)
		case "/anonymous":
			http.ServeContent(w, r, "", time.Time{}, body)
		case "/sized", "/chunked", "/encoded":
			w.Header().Set("ETag", `"e"`)
			if r.URL.Path == "/encoded" {
				w.Header().Set("Content-Encoding", "gzip")
			}
			if r.Method == http.MethodHead && r.URL.Path == "/sized" {
				w.Header().Set("Content-Length", "5")
				return
			}
			w.WriteHeader(http.StatusOK)
			w.(http.Flusher).Flush()
			_, _ = body.WriteTo(w)
		case "/private":
			w.WriteHeader(http.StatusForbidden)
		default:
			http.NotFound(w, r)
		}
	})
	for path, want := range map[string]struct {
		size int64
		key  bool
		err  error
	}{
		"/empty": {0, true, nil}, "/old": {5, true, nil}, "/new": {5, false, nil}, "/weak": {5, false, nil}, "/sized": {5, true, nil},
		"/anonymous": {0, false, syscall.EOPNOTSUPP}, "/chunked": {0, false, syscall.EOPNOTSUPP}, "/encoded": {0, false, syscall.EOPNOTSUPP},
		"/none": {0, false, fs.ErrNotExist}, "/private": {0, false, fs.ErrPermission},
	} {
		o, err := client().Look(t.Context(), s.url(path))
		if !errors.Is(err, want.err) || (err == nil) != (want.err == nil) {
			t.Errorf("%s: %v, want %v", path, err, want.err)
		} else if err == nil && (o.Size != want.size || (o.Key() != "") != want.key) {
			t.Errorf("%s: %d bytes, key %q; want %d, a key: %t", path, o.Size, o.Key(), want.size, want.key)
		}
	}
	for _, path := range []string{"", "/", "/d/"} {
		if _, err := client().Files(s.url(path)); !errors.Is(err, syscall.EOPNOTSUPP) {
			t.Errorf("%q: %v, want EOPNOTSUPP: no server lists", path, err)
		}
	}
}

// Whatever comes between, there are the right bytes or an error, and what can pass is
// asked for again.
func TestFaults(t *testing.T) {
	times := func(n int, status int) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, r *http.Request) bool {
			if n--; n >= 0 {
				w.WriteHeader(status)
			}
			return n >= 0
		}
	}
	answer := func(status int, h ...string) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, r *http.Request) bool {
			w.Header().Set("ETag", `"one"`)
			for i := 0; i < len(h); i += 2 {
				w.Header().Set(h[i], h[i+1])
			}
			w.WriteHeader(status)
			_, _ = w.Write(content[:1000])
			return true
		}
	}
	all := fmt.Sprint("/", len(content))
	for what, c := range map[string]struct {
		do  func(http.ResponseWriter, *http.Request) bool
		err error // nil: the right bytes
	}{
		"503 twice":              {times(2, http.StatusServiceUnavailable), nil},
		"503 for good":           {times(99, http.StatusServiceUnavailable), syscall.EIO},
		"403":                    {times(99, http.StatusForbidden), fs.ErrPermission},
		"404":                    {times(99, http.StatusNotFound), fs.ErrNotExist},
		"changed, and says so":   {func(w http.ResponseWriter, r *http.Request) bool { r.Header.Set("If-Match", `"two"`); return false }, syscall.EIO},
		"changed, heeds no If":   {answer(206, "Content-Range", "bytes 1000-1999"+all, "ETag", `"two"`), syscall.EIO},
		"another length":         {answer(206, "Content-Range", "bytes 1000-1999/7"), syscall.EIO},
		"no tag any more":        {answer(206, "Content-Range", "bytes 1000-1999"+all, "ETag", ""), syscall.EIO},
		"a wrong range":          {answer(206, "Content-Range", "bytes 0-999"+all), syscall.EIO},
		"a range of what?":       {answer(206), syscall.EIO},
		"a short range":          {answer(206, "Content-Range", "bytes 1000-1499"+all, "Content-Length", "500"), io.ErrUnexpectedEOF},
		"all, though of a range": {func(w http.ResponseWriter, r *http.Request) bool { r.Header.Del("Range"); return false }, nil},
		"a connection cut": {func(w http.ResponseWriter, r *http.Request) bool {
			w.Header().Set("Content-Length", "1000")
			answer(206, "Content-Range", "bytes 1000-1999"+all)(cut{w}, r)
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}, io.ErrUnexpectedEOF},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			s := serve(t, files)
			o := s.look(client(), "/f")
			s.fault.Store(&c.do)
			got, err := read(t.Context(), o, 1000, 1000)
			if c.err == nil && (err != nil || !bytes.Equal(got, content[1000:2000])) || !errors.Is(err, c.err) {
				t.Errorf("%d bytes, %v; want %v", len(got), err, c.err)
			}
			if err != nil && !strings.Contains(err.Error(), s.URL+"/f") {
				t.Errorf("the error does not say of what it is: %v", err)
			}
			s.fault.Store(nil)
			if got, err := read(t.Context(), o, 1000, 1000); err != nil || !bytes.Equal(got, content[1000:2000]) {
				t.Errorf("afterwards: %d bytes, %v", len(got), err)
			}
		})
	}
}

// cut writes half.
type cut struct{ http.ResponseWriter }

func (c cut) Write(p []byte) (int, error) { return c.ResponseWriter.Write(p[:len(p)/2]) }

func TestDeadline(t *testing.T) {
	end := make(chan struct{})
	s := serve(t, files)
	t.Cleanup(func() { close(end) }) // before the server
	o := s.look(client(), "/f")
	hang := func(w http.ResponseWriter, r *http.Request) bool { <-end; return true }
	s.fault.Store(&hang)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := read(ctx, o, 0, 10); !errors.Is(store.NetworkError(err), context.DeadlineExceeded) && !strings.Contains(err.Error(), "in time") {
		t.Errorf("%v, want that there is no answer in time", err)
	}
}

// A redirect is followed where requests may go, and nowhere else; a place that refuses
// what it gave before is asked for anew.
func TestRedirect(t *testing.T) {
	cdn := serve(t, files)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		to := map[string]string{"/f": cdn.URL + "/x?sig=1", "/round": "/round", "/cloud": "http://169.254.169.254/x", "/nowhere": "://"}[r.URL.Path]
		http.Redirect(w, r, to, http.StatusFound)
	})
	o := s.look(client(), "/f")
	for range 3 {
		if got, err := read(t.Context(), o, 5, 100); err != nil || !bytes.Equal(got, content[5:105]) {
			t.Fatalf("%d bytes, %v", len(got), err)
		}
	}
	if n := s.asked.Load(); n != 2 {
		t.Errorf("the address was asked %d times, want 2: one look, one read", n)
	}
	expired := func(w http.ResponseWriter, r *http.Request) bool {
		w.WriteHeader(http.StatusForbidden)
		cdn.fault.Store(nil)
		return true
	}
	cdn.fault.Store(&expired)
	if got, err := read(t.Context(), o, 5, 100); err != nil || !bytes.Equal(got, content[5:105]) {
		t.Errorf("when the place has expired: %d bytes, %v", len(got), err)
	}

	before := cdn.asked.Load()
	_, err := client(cdn).Look(t.Context(), s.url("/f"))
	if !errors.Is(err, syscall.EPERM) || strings.Contains(err.Error(), "sig=") || cdn.asked.Load() != before {
		t.Errorf("to where requests may not go: %v", err)
	}
	strict := NewClient(&Options{Allowed: func(u *url.URL) (bool, error) { return u.Host == s.Listener.Addr().String(), nil }})
	for _, path := range []string{"/f", "/cloud"} {
		if _, err := strict.Look(t.Context(), s.url(path)); !errors.Is(err, syscall.EPERM) || cdn.asked.Load() != before {
			t.Errorf("%s, to this machine's own, which was not named: %v; want EPERM", path, err)
		}
	}
	for _, path := range []string{"/round", "/nowhere"} {
		if _, err := client().Look(t.Context(), s.url(path)); !errors.Is(err, syscall.EIO) {
			t.Errorf("%s: %v, want EIO", path, err)
		}
	}
}

// A name is not the address that it stands for.
func TestReach(t *testing.T) {
	s := serve(t, files)
	u := s.url("/f")
	u.Host = "localhost:" + u.Port()
	for r, want := range map[reach]bool{anywhere: true, usual: true, outside: false} {
		res, err := NewClient(nil).send(t.Context(), http.MethodGet, u, nil, r)
		if (err == nil) != want || err != nil && !errors.Is(err, errRefused) {
			t.Errorf("%d: %v, want that it is asked: %t", r, err, want)
		}
		if err == nil {
			res.Body.Close()
		}
	}
}

func TestParse(t *testing.T) {
	for in, want := range map[string]error{
		"https://h/p": nil, "HTTP://H:80/p": nil, "https://h": nil, "https://h/a%20b?x=..": nil, "https://[::1]:8/p": nil,
		"s3://h/p": fs.ErrInvalid, "https:///p": fs.ErrInvalid, "https:h/p": fs.ErrInvalid, "https://h/a/../b": fs.ErrInvalid,
		"https://h/a/%2e%2E/b": fs.ErrInvalid, "https://h/..%2fb": fs.ErrInvalid, "https://h/a\\b": fs.ErrInvalid, "https://h/a%00": fs.ErrInvalid,
		"https://u:secret@h/p": syscall.EPERM,
	} {
		_, err := Parse(in)
		if !errors.Is(err, want) || (err == nil) != (want == nil) || err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, want %v", in, err, want)
		}
	}
	root, _ := Parse("https://h/a/")
	for in, want := range map[string]bool{"https://h/a": true, "https://h:443/a/b": true, "https://h/ab": false, "http://h/a": false, "https://h.evil/a": false, "https://h:8/a": false} {
		if u, _ := Parse(in); Below(u, root) != want {
			t.Errorf("%s lies below %s: want %t", in, root, want)
		}
	}
}
