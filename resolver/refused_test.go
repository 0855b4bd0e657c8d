package resolver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"

	"artifactfs.dev/artifactfs/internal/store"
	"artifactfs.dev/artifactfs/manifest"
)

// A version that is logged is a success for whoever logged it, even if latest or
// an alias could not follow: as an error it would be logged again.
func TestLoggedButNotFollowed(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root: it takes a caller who may make a version and not rename over latest")
	}
	s := newSite(t, nil)
	s.file("d/x", "1")
	local := store.NewLocal(&store.Options{AsCaller: true})
	dir, err := manifest.OpenDir(s.root, &manifest.DirOptions{Local: local, Log: s.Tree.opt.Log})
	ok(t, err)
	tree := New(dir, &Options{Data: local, Log: s.Tree.opt.Log})
	req, err := manifest.ParseRequest([]byte(fmt.Sprintf(`{"path": %q, "aliases": ["prod"]}`, s.data+"/d")))
	ok(t, err)
	_, err = tree.Log(ctx, "a", req, LogOptions{})
	ok(t, err)
	ok(t, os.Chmod(s.root+"/a", 0o777|os.ModeSticky)) // sticky: what another has made stays
	ok(t, os.Chmod(s.root, 0o777|os.ModeSticky))
	alice := store.WithCaller(ctx, store.Caller{UID: 54001, GID: 54001, PID: uint32(os.Getpid())})
	for n := 2; n <= 3; n++ {
		r, err := tree.Log(alice, "a", req, LogOptions{})
		ok(t, err)
		if r.Version != n {
			t.Errorf("logged as v%d, want v%d", r.Version, n)
		}
		for _, want := range []string{"a in " + s.root, "latest was not moved", "alias prod was not set"} {
			if !strings.Contains(r.Warning, want) {
				t.Errorf("the warning %q does not say %q", r.Warning, want)
			}
		}
	}
}

// An iteration that the directory does not have could never be shown.
func TestMissingIterationIsNotLogged(t *testing.T) {
	s := newSite(t, nil)
	s.file("ckpt/iter_0000500/x", "1")
	s.file("ckpt/latest_checkpointed_iteration.txt", "500")
	s.file("export/model.safetensors", "1")
	for _, c := range []struct {
		path string
		iter int
		want error
	}{
		{"ckpt", 500, nil}, {"ckpt", 600, fs.ErrNotExist}, {"ckpt/iter_0000500", 500, nil}, {"ckpt/iter_0000500", 501, fs.ErrNotExist}, {"export", 0, nil},
	} {
		req, err := manifest.ParseRequest([]byte(fmt.Sprintf(`{"path": %q, "iteration": %d}`, s.data+"/"+c.path, c.iter)))
		ok(t, err)
		if _, err = s.Tree.Log(ctx, "m", req, LogOptions{}); !errors.Is(err, c.want) {
			t.Errorf("%s, iteration %d: %v, want %v", c.path, c.iter, err, c.want)
		}
		if _, err = s.Tree.Log(ctx, "unchecked", req, LogOptions{NoCheck: true}); err != nil {
			t.Errorf("%s, iteration %d, unchecked: %v", c.path, c.iter, err)
		}
	}
}

func TestNear(t *testing.T) {
	s := newSite(t, nil)
	s.file("d/x", "1")
	req, err := manifest.NewRequest(s.data + "/d")
	ok(t, err)
	for _, name := range []string{"ab", "ckpt", "nano3-sft-data"} {
		_, err := s.Tree.Log(ctx, name, req, LogOptions{})
		ok(t, err)
	}
	for name, want := range map[string]string{
		"x": "", "zz": "", "ac": "", "abc": "ab", "ckptt": "ckpt", "cktp2": "", "nano3-sft-dta": "nano3-sft-data", "nano3_sft_data": "nano3-sft-data", "tokenizer": "",
	} {
		if got := s.Tree.near(ctx, name); got != want {
			t.Errorf("near %s: %q, want %q", name, got, want)
		}
	}
}

// What is refused is said once, of the artifact it is about.
func TestRefusalsAreSaidOnce(t *testing.T) {
	s := newSite(t, nil)
	s.file("d/x", "1")
	var said []string
	log := func(name, text string) {
		req, err := manifest.FinishRequest([]byte(text))
		if err == nil {
			_, err = s.Tree.Log(ctx, name, req, LogOptions{})
		}
		if err == nil {
			t.Errorf("%q into %q is not refused", text, name)
			return
		}
		said = append(said, err.Error())
	}
	good := s.data + "/d"
	for _, name := range []string{"", "..", "a/../b", ".x", "v3", "a:v1", "a\x00", strings.Repeat("x", 256)} {
		log(name, good+"\n")
	}
	for _, text := range []string{
		"\n", "relative\n", "{}", `{"path": 3}`, `{"path": "` + good + `", "aliases": ["v1"]}`, `{"path": "` + good + `", "aliases": ["a/b"]}`,
		`{"path": "` + good + `", "backends": []}`, `{"path": "` + good + `", "iteration": -1}`, `{"path": "/nowhere"}`, `{"path": "/proc/self/mem"}`, `[1]`, `{"path"`,
	} {
		log("a", text)
	}
	for _, bad := range []string{".", "..", "n/v1", strings.Repeat("n", 256), "n:..", "/n"} {
		if _, err := manifest.ParseRef(bad); err != nil {
			said = append(said, err.Error())
		}
	}
	for _, path := range []string{".log/v1", ".log/a:b", ".fields/x", ".manifest/..", "nothing", "v1", strings.Repeat("n", 256)} {
		if _, _, err := s.Tree.walk(context.Background(), path, true); err != nil {
			said = append(said, err.Error())
		}
	}
	for _, text := range said {
		for _, words := range []error{fs.ErrInvalid, syscall.EINVAL, fs.ErrNotExist, syscall.ENOENT, fs.ErrPermission, syscall.EPERM, syscall.EACCES, syscall.ENAMETOOLONG} {
			if strings.Count(text, words.Error()) > 1 {
				t.Errorf("said twice: %s", text)
			}
		}
		for _, words := range []string{"invalid argument: file does not exist", "invalid argument: operation not permitted", "invalid argument: no such file"} {
			if strings.Contains(text, words) {
				t.Errorf("two kinds in one: %s", text)
			}
		}
	}
	if len(said) < 25 {
		t.Errorf("only %d refusals", len(said))
	}
}
