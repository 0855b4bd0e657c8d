package bucket

import (
	"errors"
	"io/fs"
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
	}{
		{"list of nothing", "hf_me", "hf://org/none", list, syscall.EIO},
		{"view of nothing", "hf_me", "hf://org/none", view, syscall.EIO},
		{"read of nothing", "hf_me", "hf://org/none", read, syscall.EIO},
		{"write to nothing", "hf_me", "hf://org/none", write, syscall.EIO},
		{"list of what is private", "", "hf://org/m", list, syscall.EIO},
		{"no such branch", "hf_me", "hf://org/m@none", list, syscall.EIO},
		{"a token that is none", "hf_no", "hf://org/m", list, fs.ErrPermission},
		{"a token that only reads", "hf_you", "hf://org/m", write, fs.ErrPermission},
		{"a gate", "hf_me", "hf://other/gated", read, fs.ErrPermission},
		{"read of what is there", "hf_you", "hf://org/m", read, nil},
	} {
		t.Setenv("HF_TOKEN", c.token)
		u, err := Parse(c.uri + "?endpoint=" + hub.URL)
		if err != nil {
			t.Fatal(err)
		}
		b, err := Open(t.Context(), u)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.do(b); !errors.Is(err, c.want) || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		b.Close()
	}
}
