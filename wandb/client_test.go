package wandb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"artifactfs.dev/artifactfs/wandb/internal/gql"
)

const testKey = "0123456789abcdef0123456789abcdef01234567"

// server answers what it is told to, and counts.
func server(t *testing.T, answer http.HandlerFunc) (*httptest.Server, *atomic.Int32) {
	t.Helper()
	var n atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n.Add(1)
		answer(w, r)
	}))
	t.Cleanup(s.Close)
	return s, &n
}

func client(t *testing.T, base string) *Client {
	t.Helper()
	c, err := NewClient(Config{BaseURL: base, Key: testKey, Entity: "team", Project: "proj"})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

const viewer = `{"data": {"viewer": {"id": "1", "username": "me", "entity": "mine"}}}`

func TestRequest(t *testing.T) {
	s, _ := server(t, func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Query, OperationName string
			Variables            map[string]any
		}
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		user, key, _ := r.BasicAuth()
		if r.Method != "POST" || r.URL.Path != "/at/a/path/graphql" || user != "api" || key != testKey ||
			body.OperationName != "Alias" || !strings.Contains(body.Query, "query Alias") || body.Variables["name"] != "n:latest" {
			t.Errorf("the request is %s %s by %s, %+v", r.Method, r.URL, user, body)
		}
		if r.Header.Get("Content-Type") != "application/json" || r.Header.Get("X-Team") != "blue" || r.Header.Get("X-WANDB-USERNAME") != "someone" {
			t.Errorf("headers: %v", r.Header)
		}
		io.WriteString(w, `{"data": {"project": {"artifactCollectionMembership": {"versionIndex": 0, "artifact": {"id": "A"}}}}}`)
	})
	c, err := NewClient(Config{BaseURL: s.URL + "/at/a/path/", Key: testKey, Username: "someone", Headers: map[string]string{"X-Team": "blue"}})
	if err != nil {
		t.Fatal(err)
	}
	r, err := gql.Alias(within(t, time.Minute), c, "team", "proj", "n:latest")
	if err != nil || r.Project.ArtifactCollectionMembership.Artifact.Id != "A" || *r.Project.ArtifactCollectionMembership.VersionIndex != 0 {
		t.Errorf("the answer is %+v, %v", r, err)
	}
}

func TestDefaultEntity(t *testing.T) {
	s, n := server(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, viewer) })
	c, err := NewClient(Config{BaseURL: s.URL, Key: testKey})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if e, err := c.Entity(within(t, time.Minute)); e != "mine" || err != nil || c.Project() != "nemotron" {
			t.Errorf("Entity = %q, %v, project %s; want the viewer's and nemotron", e, err, c.Project())
		}
	}
	if n.Load() != 1 {
		t.Errorf("the viewer was asked for %d times", n.Load())
	}
}

// What can pass is asked again, what cannot is not.
func TestRetry(t *testing.T) {
	for _, c := range []struct {
		status int
		again  bool
		kind   Kind
		is     error
	}{
		{400, false, BadAnswer, syscall.EIO},
		{401, false, Unauthorized, fs.ErrPermission},
		{403, false, Forbidden, fs.ErrPermission},
		{404, false, NotFound, fs.ErrNotExist},
		{408, true, Unreachable, syscall.EIO},
		{409, false, Conflict, fs.ErrExist},
		{410, false, NotFound, fs.ErrNotExist},
		{413, false, BadAnswer, syscall.EIO},
		{422, false, BadAnswer, syscall.EIO},
		{429, true, RateLimited, syscall.EIO},
		{500, true, Unreachable, syscall.EIO},
		{501, false, BadAnswer, syscall.EIO},
		{502, true, Unreachable, syscall.EIO},
		{503, true, Unreachable, syscall.EIO},
	} {
		t.Run(fmt.Sprint(c.status), func(t *testing.T) {
			t.Parallel()
			s, n := server(t, func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(c.status)
				io.WriteString(w, `{"errors": [{"message": "because"}]}`)
			})
			_, err := gql.Viewer(WithTries(within(t, time.Minute), 2), client(t, s.URL))
			var e *Error
			if !errors.As(err, &e) || e.Kind != c.kind || e.Status != c.status || !errors.Is(err, c.is) || !strings.Contains(err.Error(), "because") {
				t.Errorf("err = %v; want %v", err, c.kind)
			}
			if (n.Load() > 1) != c.again {
				t.Errorf("asked %d times; want again: %v", n.Load(), c.again)
			}
		})
	}
}

func TestRetrySucceeds(t *testing.T) {
	for name, fault := range map[string]http.HandlerFunc{
		"503":         func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(503) },
		"reset":       reset,
		"retry-after": func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Retry-After", "0.3"); w.WriteHeader(429) },
		"date": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Retry-After", time.Now().Add(1500*time.Millisecond).UTC().Format(http.TimeFormat))
			w.WriteHeader(503)
		},
		"rate limit": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("RateLimit-Reset", "0.3")
			w.Header().Set("RateLimit-Remaining", "0")
			w.WriteHeader(429)
		},
		"cut": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "1000")
			io.WriteString(w, `{"data": `)
		},
		"hang": func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var tries atomic.Int32
			s, _ := server(t, func(w http.ResponseWriter, r *http.Request) {
				io.Copy(io.Discard, r.Body)
				if tries.Add(1) <= 1 {
					fault(w, r)
					return
				}
				io.WriteString(w, viewer)
			})
			start := time.Now()
			deadline := 12 * time.Second // of which an attempt that hangs has half
			if r, err := gql.Viewer(within(t, deadline), client(t, s.URL)); err != nil || r.Viewer.Entity != "mine" {
				t.Errorf("Viewer = %v, %v", r, err)
			}
			if d := time.Since(start); (name == "retry-after" || name == "rate limit") && d < 300*time.Millisecond {
				t.Errorf("asked again after %v; the server asked for 300 ms", d)
			}
		})
	}
}

func reset(w http.ResponseWriter, r *http.Request) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		_ = conn.(*net.TCPConn).SetLinger(0)
		conn.Close()
	}
}

// A wait that passes the deadline is not begun.
func TestRetryWithinDeadline(t *testing.T) {
	t.Parallel()
	s, n := server(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "60")
		w.WriteHeader(429)
	})
	start := time.Now()
	_, err := gql.Viewer(within(t, 20*time.Second), client(t, s.URL))
	if !IsKind(err, RateLimited) || n.Load() != 1 || time.Since(start) > 5*time.Second {
		t.Errorf("err = %v after %v and %d requests; want the refusal at once", err, time.Since(start), n.Load())
	}
}

func TestDeadline(t *testing.T) {
	t.Parallel()
	s, _ := server(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	})
	start := time.Now()
	_, err := gql.Viewer(within(t, 300*time.Millisecond), client(t, s.URL))
	if !IsKind(err, TimedOut) || !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 15*time.Second { // an attempt alone has 30
		t.Errorf("err = %v after %v; want a deadline that passed", err, time.Since(start))
	}
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err := gql.Viewer(ctx, client(t, s.URL)); !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v; want that the caller left", err)
	}
}

// A server that has few requests left is asked more slowly.
func TestPace(t *testing.T) {
	t.Parallel()
	s, _ := server(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("RateLimit-Remaining", "1")
		w.Header().Set("RateLimit-Reset", "0.4")
		io.WriteString(w, viewer)
	})
	c := client(t, s.URL)
	start := time.Now()
	for range 3 {
		if _, err := gql.Viewer(within(t, 5*time.Second), c); err != nil {
			t.Fatal(err)
		}
	}
	if d := time.Since(start); d < 400*time.Millisecond {
		t.Errorf("three requests in %v; want 200 ms between two", d)
	}
}

func TestAnswers(t *testing.T) {
	for _, c := range []struct {
		status int
		body   string
		kind   Kind
		words  string
	}{
		{200, `{"data": null, "errors": [{"message": "no such field"}]}`, BadAnswer, "no such field"},
		{200, `{"error": "in words"}`, BadAnswer, "in words"},
		{200, `{"error": {"message": "in an object"}}`, BadAnswer, "in an object"},
		{200, `{"errors": [{}]}`, BadAnswer, "without words"},
		{200, `<html>login</html>`, BadAnswer, "WANDB_BASE_URL"},
		{200, `{}`, BadAnswer, "WANDB_BASE_URL"},
		{200, ``, BadAnswer, "WANDB_BASE_URL"},
		{200, `{"data": {"viewer": []}}`, BadAnswer, "WANDB_BASE_URL"},
		{404, `<html>not here</html>`, BadAnswer, "WANDB_BASE_URL"},
		{401, `{"errors": [{"message": "invalid key ` + testKey + `"}]}`, Unauthorized, "WANDB_API_KEY"},
		{403, `no`, Forbidden, "WANDB_PROJECT"},
		{400, `{"errors": [{"message": "see https://store/x?X-Amz-Signature=abc now"}]}`, BadAnswer, "https://store/x?… now"},
	} {
		s, _ := server(t, func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(c.status)
			io.WriteString(w, c.body)
		})
		_, err := gql.Viewer(WithTries(within(t, time.Minute), 1), client(t, s.URL))
		if !IsKind(err, c.kind) || !strings.Contains(err.Error(), c.words) || !strings.Contains(err.Error(), s.URL+", team/proj (Viewer)") {
			t.Errorf("%d %s: %v; want %v and %q", c.status, c.body, err, c.kind, c.words)
		}
		if strings.Contains(err.Error(), testKey) || strings.Contains(err.Error(), "Signature") {
			t.Errorf("a secret is in %v", err)
		}
	}
}

func TestUnreachable(t *testing.T) {
	s := httptest.NewServer(nil)
	s.Close()
	_, err := gql.Viewer(WithTries(within(t, time.Minute), 1), client(t, s.URL))
	if !IsKind(err, Unreachable) || !errors.Is(err, syscall.EIO) || errors.Is(err, syscall.ECONNREFUSED) || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("err = %v; want EIO, and the cause in words", err)
	}
}

// The key goes to the server's own address and nowhere else, and not to a signed
// address there either.
func TestKeyStaysHome(t *testing.T) {
	leak := func(w http.ResponseWriter, r *http.Request) {
		if text := fmt.Sprint(r.Header); strings.Contains(text, "Authorization") || strings.Contains(text, "X-Wandb") || strings.Contains(text, "Cookie") {
			t.Errorf("%s was sent %s", r.URL, text)
		}
	}
	elsewhere, n := server(t, leak)
	var keyed atomic.Int32
	s, _ := server(t, func(w http.ResponseWriter, r *http.Request) {
		to := map[string]string{"/api/graphql": elsewhere.URL + "/graphql", "/api/away": elsewhere.URL + "/f", "/api/home": "/api/signed?signature=1"}[r.URL.Path]
		if to == "" || r.URL.Query().Has("plain") {
			leak(w, r)
		} else if _, key, _ := r.BasicAuth(); key == testKey {
			keyed.Add(1)
		}
		if to != "" {
			http.Redirect(w, r, to, http.StatusTemporaryRedirect)
		}
	})
	c, err := NewClient(Config{BaseURL: s.URL + "/api", Key: testKey, Username: "me", Headers: map[string]string{"Cookie": "c", "X-Team": "t"}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = gql.Viewer(within(t, time.Minute), c)
	if !IsKind(err, BadAnswer) || !strings.Contains(err.Error(), "redirects") || n.Load() != 0 || keyed.Load() != 1 {
		t.Errorf("a redirected question: %v, asked %d times", err, n.Load())
	}
	for _, u := range []string{
		"/away", "/home", s.URL + "/api/away?plain", s.URL + "/api/signed?signature=1", s.URL + "/other", elsewhere.URL + "/api/x",
		strings.Replace(s.URL, "127.0.0.1", "localhost", 1) + "/other",
	} {
		r, err := c.fetch(within(t, time.Minute), c.files, u, nil)
		if err != nil {
			t.Error(err)
			continue
		}
		r.Body.Close()
	}
	// Even a request that may bring the key brings it to the server alone.
	for _, u := range []string{s.URL + "/other", s.URL + "/apis/x", s.URL + "/api/../x", elsewhere.URL + "/api/x", strings.Replace(s.URL, "127.0.0.1", "localhost", 1) + "/api/x"} {
		r, err := c.fetch(withKey(within(t, time.Minute)), c.files, u, nil)
		if err != nil {
			t.Error(err)
			continue
		}
		r.Body.Close()
	}
	if keyed.Load() != 3 || n.Load() != 4 {
		t.Errorf("%d requests with the key, %d elsewhere; want 3 and 4", keyed.Load(), n.Load())
	}
}

func TestFeatures(t *testing.T) {
	s, n := server(t, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, `{"data": {"serverInfo": {"features": [{"name": "A", "isEnabled": true}, {"name": "B", "isEnabled": false}]}}}`)
	})
	c := client(t, s.URL)
	for name, want := range map[string]bool{"A": true, "B": false, "C": false} {
		if got, err := c.Has(within(t, time.Minute), name); got != want || err != nil {
			t.Errorf("Has(%s) = %v, %v; want %v", name, got, err, want)
		}
	}
	if n.Load() != 1 {
		t.Errorf("asked %d times", n.Load())
	}
	old, _ := server(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(400)
		io.WriteString(w, `{"errors": [{"message": "Cannot query field \"features\" on type \"ServerInfo\"."}]}`)
	})
	if got, err := client(t, old.URL).Has(within(t, time.Minute), "A"); got || err != nil {
		t.Errorf("Has on a server without features = %v, %v", got, err)
	}
}
