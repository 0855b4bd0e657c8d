package bucket

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"testing"

	"artifactfs.dev/artifactfs/internal/store/hfblob/hfhubtest"
)

// A view does not change, and takes a commit only while it is the latest.
func TestView(t *testing.T) {
	hub := hfhubtest.New(nil)
	t.Cleanup(hub.Close)
	hub.AddUser("me", "hf_me", "org")
	hub.CreateRepo("models", "org/m", nil)
	t.Setenv("HF_TOKEN", "hf_me")
	t.Setenv("HF_HOME", t.TempDir())
	b, ctx := open(t, "hf://org/m/root?endpoint="+hub.URL), t.Context()
	v, err := b.View(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Commit(ctx, "artifact: m v1", map[string][]byte{"m/latest": []byte("v1"), "m/v1/manifest.json": []byte("{}")}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := v.Read(ctx, "m/latest", 10); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a view from before has what came after: %v", err)
	}
	if got, _, err := b.Read(ctx, "m/latest", 10); err != nil || string(got) != "v1" {
		t.Errorf("read %q, %v; want v1", got, err)
	}
	if err := v.Commit(ctx, "late", map[string][]byte{"x": nil}); !errors.Is(err, ErrChanged) {
		t.Errorf("commit on what has moved on: %v, want ErrChanged", err)
	}
	if got := hub.Titles("models", "org/m", "main"); len(got) != 2 || got[0] != "artifact: m v1" {
		t.Errorf("commits are %q", got)
	}
}

// What the Hub says of a repository is never taken for an object that is absent.
func TestHubErrors(t *testing.T) {
	hub := hfhubtest.New(nil)
	t.Cleanup(hub.Close)
	hub.AddUser("me", "hf_me", "org")
	hub.AddReader("you", "hf_you", "org")
	hub.CreateRepo("models", "org/m", &hfhubtest.RepoOptions{Private: true})
	hub.CreateRepo("models", "other/gated", &hfhubtest.RepoOptions{Gated: true})
	t.Setenv("HF_HOME", t.TempDir())
	list := func(b *Bucket) error {
		return b.List(t.Context(), "", "/", func(Entry) error { return nil })
	}
	read := func(b *Bucket) error {
		_, _, err := b.Read(t.Context(), ".gitattributes", 100)
		return err
	}
	write := func(b *Bucket) error { return b.Write(t.Context(), "x", []byte("x")) }
	view := func(b *Bucket) error {
		_, err := b.View(t.Context())
		return err
	}
	for _, c := range []struct {
		name, token, uri string
		do               func(*Bucket) error
		want             error
		words            string
	}{
		{"list of nothing", "hf_me", "hf://org/none", list, syscall.EIO, "HF_TOKEN"},
		{"view of nothing", "hf_me", "hf://org/none", view, syscall.EIO, "HF_TOKEN"},
		{"read of nothing", "hf_me", "hf://org/none", read, syscall.EIO, "no repository org/none"},
		{"write to nothing", "hf_me", "hf://org/none", write, syscall.EIO, "no repository org/none"},
		{"list of what is private", "", "hf://org/m", list, syscall.EIO, "HF_TOKEN"},
		{"no such branch", "hf_me", "hf://org/m@none", list, syscall.EIO, "no revision"},
		{"a token that is none", "hf_no", "hf://org/m", list, fs.ErrPermission, "Invalid credentials"},
		{"a token that only reads", "hf_you", "hf://org/m", write, fs.ErrPermission, "Forbidden"},
		{"something else", "hf_me", "hf://org/m", func(b *Bucket) error {
			hub.Fail(hfhubtest.Fault{Status: 418})
			return b.Ping(t.Context())
		}, syscall.EIO, "418"},
		{"a gate", "hf_me", "hf://other/gated", read, fs.ErrPermission, "must have access to it"},
		{"read of what is there", "hf_you", "hf://org/m", read, nil, ""},
	} {
		t.Setenv("HF_TOKEN", c.token)
		err := c.do(openURI(t, c.uri+"?endpoint="+hub.URL))
		if !errors.Is(err, c.want) || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		if err != nil && (!strings.Contains(err.Error(), c.words) || strings.Contains(err.Error(), "code=")) {
			t.Errorf("%s: %v; want the words %q, and none of gocloud's", c.name, err, c.words)
		}
	}
}

// A listing that takes more than one deadline is of one commit all the same.
func TestListInParts(t *testing.T) {
	hub := hfhubtest.New(&hfhubtest.Options{PageSize: 1})
	t.Cleanup(hub.Close)
	hub.AddUser("me", "hf_me", "org")
	hub.CreateRepo("models", "org/m", nil)
	files := map[string]string{}
	for i := range 40 {
		files[fmt.Sprintf("d/%02d", i)] = "x"
	}
	hub.Commit("models", "org/m", "main", "many", files)
	t.Setenv("HF_TOKEN", "hf_me")
	t.Setenv("HF_HOME", t.TempDir())
	b, n := openURI(t, "hf://org/m?endpoint="+hub.URL), 0
	if err := b.List(t.Context(), "d/", "/", func(Entry) error { n++; return nil }); err != nil || n != 40 {
		t.Fatalf("the list has %d names, %v", n, err)
	}
	heads, trees := 0, 0
	for _, r := range hub.Requests() {
		if strings.Contains(r, "/revision/") {
			heads++
		}
		if strings.Contains(r, "/tree/") {
			trees++
		}
	}
	if heads != 1 || trees != 40 {
		t.Errorf("%d times the head and %d pages were asked for, want 1 and 40", heads, trees)
	}
	// Whether it can be read at all is known by the first page.
	if err := openURI(t, "hf://org/m/d?endpoint="+hub.URL).Ping(t.Context()); err != nil || len(hub.Requests()) > 2 {
		t.Errorf("a look whether it answers: %v, and it takes more than 2 requests", err)
	}
}

func openURI(t *testing.T, uri string) *Bucket {
	t.Helper()
	u, err := Parse(uri)
	if err != nil {
		t.Fatal(err)
	}
	b, err := Open(t.Context(), u)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}
