package hfblob

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"artifactfs.dev/artifactfs/internal/store/hfblob/hfhubtest"
)

// One commit has many files, large ones among them, or nothing.
func TestCommit(t *testing.T) {
	hub, r := newHub(t, nil)
	head, err := r.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	sha, err := r.Commit(t.Context(), head.SHA, "artifact: m v1", []File{Bytes("m/v1/a", []byte("a")), Bytes("m/v1/large", []byte(large)), Bytes("m/v1/same", []byte(large)), Bytes("m//x", nil)})
	if err != nil {
		t.Fatal(err)
	}
	files := hub.Files("models", "org/m", sha)
	if files["m/v1/a"] != "a" || files["m/v1/large"] != large || files["m/v1/same"] != large || len(files) != 5 {
		t.Errorf("the commit has %d files", len(files))
	}
	if _, err := r.Commit(t.Context(), head.SHA, "late", []File{Bytes("b", []byte("b"))}); !errors.Is(err, ErrStale) {
		t.Errorf("commit on an old parent: %v", err)
	}
	if _, err := r.Commit(t.Context(), sha, "bad", []File{Bytes("b", []byte("b")), {Key: "none"}}); err == nil || errors.Is(err, ErrStale) {
		t.Errorf("commit that deletes nothing: %v", err)
	}
	if got := hub.Titles("models", "org/m", "main"); len(got) != 2 || got[0] != "artifact: m v1" {
		t.Errorf("commits are %q", got)
	}
}

// However a commit fails, and whatever came of it, it is made once.
func TestCommitFaults(t *testing.T) {
	for name, f := range map[string]hfhubtest.Fault{
		"500":            {Status: 500},
		"500 and landed": {Status: 500, Landed: true},
		"reset":          {Reset: true},
		"reset, landed":  {Reset: true, Landed: true},
		"stall":          {Stall: time.Hour},
		"stall, landed":  {Stall: time.Hour, Landed: true},
		"twice":          {Status: 503, Times: 2},
		"a limit":        {Status: 429, Header: http.Header{"RateLimit": {`"api";r=0;t=0`}}},
		"other work":     {Status: 409, Body: `{"error":"another conflicting operation is in progress"}`},
	} {
		t.Run(name, func(t *testing.T) {
			hub, _ := newHub(t, nil)
			r := openRepo(t, hub, Options{Timeout: 300 * time.Millisecond})
			f.Method, f.Path = "POST", "/commit/main"
			hub.Fail(f)
			if err := r.Bucket().WriteAll(t.Context(), "f", []byte("f"), &blob.WriterOptions{IfNotExist: true}); err != nil {
				t.Fatal(err)
			}
			if got := hub.Titles("models", "org/m", "main"); len(got) != 2 {
				t.Errorf("commits are %q", got)
			}
		})
	}
}

// A commit that is refused by a parent, after one whose answer was lost, is looked for.
func TestCommitLandsLate(t *testing.T) {
	hub, r := newHub(t, nil)
	head, err := r.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	hub.Fail(hfhubtest.Fault{Method: "POST", Path: "/commit/main", Status: 504, Landed: true})
	hub.Fail(hfhubtest.Fault{Method: "GET", Path: "/commits/", Status: 503}) // it is asked for again
	sha, err := r.Commit(t.Context(), head.SHA, "one", []File{Bytes("f", []byte("f"))})
	if err != nil || hub.Files("models", "org/m", sha)["f"] != "f" {
		t.Fatalf("commit %s, %v", sha, err)
	}
	hub.Fail(hfhubtest.Fault{Method: "POST", Path: "/commit/main", Status: 504, Landed: true})
	hub.Fail(hfhubtest.Fault{Method: "GET", Path: "/commits/", Status: 200, Body: `[{"id":"` + sha + `"}]`}) // it does not know yet
	sha, err = r.Commit(t.Context(), sha, "and a half", []File{Bytes("f", []byte("f"))})
	if got := hub.Titles("models", "org/m", "main"); err != nil || len(got) != 3 {
		t.Fatalf("commit %s, %v; there are %q", sha, err, got)
	}
	hub.Fail(hfhubtest.Fault{Method: "POST", Path: "/commit/main", Status: 504})
	hub.Fail(hfhubtest.Fault{Method: "GET", Path: "/commits/", Status: 503, Times: 1000})
	if _, err := r.Commit(t.Context(), sha, "two", []File{Bytes("g", []byte("g"))}); !errors.Is(err, errUnknown) {
		t.Errorf("a commit of which nothing is known: %v", err)
	}
}

// Of many processes that create one object, one wins; of those that replace the same
// content, too.
func TestConditions(t *testing.T) {
	hub, r := newHub(t, nil)
	race := func(do func(b *blob.Bucket, i int) error) {
		t.Helper()
		errs := make([]error, 12)
		var wg sync.WaitGroup
		for i := range errs {
			b := openRepo(t, hub, Options{}).Bucket()
			wg.Go(func() { errs[i] = do(b, i) })
		}
		wg.Wait()
		won := 0
		for _, err := range errs {
			if err == nil {
				won++
			} else if gcerrors.Code(err) != gcerrors.FailedPrecondition {
				t.Errorf("a loser is told %v", err)
			}
		}
		if won != 1 {
			t.Errorf("%d won, want 1", won)
		}
	}
	race(func(b *blob.Bucket, i int) error {
		return b.WriteAll(t.Context(), "k", fmt.Append(nil, i), &blob.WriterOptions{IfNotExist: true})
	})
	e, err := r.stat(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	on := func(as func(any) bool) error {
		var o *WriteOptions
		as(&o)
		o.Tag, o.Message = e.Tag, "replace"
		return nil
	}
	race(func(b *blob.Bucket, i int) error {
		return b.WriteAll(t.Context(), "k", fmt.Append(nil, "r", i), &blob.WriterOptions{BeforeWrite: on})
	})
	if err := r.Bucket().DeleteWithOptions(t.Context(), "k", &blob.DeleteOptions{BeforeDelete: on}); gcerrors.Code(err) != gcerrors.FailedPrecondition {
		t.Errorf("delete of what was replaced: %v", err)
	}
	if got := hub.Titles("models", "org/m", "main"); len(got) != 3 || got[0] != "replace" {
		t.Errorf("commits are %q", got)
	}
}

// What was last seen of a branch is good enough to commit on, not to refuse by.
func TestConditionAfterOthers(t *testing.T) {
	hub, r := newHub(t, nil)
	b := r.Bucket()
	create := func() error {
		return b.WriteAll(t.Context(), "k", []byte("k"), &blob.WriterOptions{IfNotExist: true})
	}
	if err := create(); err != nil {
		t.Fatal(err)
	}
	if err := openRepo(t, hub, Options{}).Bucket().Delete(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	if err := create(); err != nil {
		t.Errorf("create of what another has deleted: %v", err)
	}
	hub.Requests()
	if err := b.WriteAll(t.Context(), "l", []byte("l"), nil); err != nil || count(hub, "") != 2 {
		t.Errorf("a write with no condition asks more than preupload and commit, or %v", err)
	}
}

// A repository takes so many commits an hour. Who has no time to wait is told.
func TestQuota(t *testing.T) {
	hub, r := newHub(t, &hfhubtest.Options{Commits: 1})
	b := r.Bucket()
	if err := b.WriteAll(t.Context(), "a", nil, nil); err != nil {
		t.Fatal(err)
	}
	err := b.WriteAll(t.Context(), "b", nil, nil)
	if gcerrors.Code(err) != gcerrors.ResourceExhausted || !strings.Contains(err.Error(), "1 per hour") {
		t.Errorf("a commit over the quota: %v", err)
	}
	hub.Fail(hfhubtest.Fault{Path: "/revision/", Status: 429, Header: http.Header{"Retry-After": {"1"}}})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	begun := time.Now()
	if _, err := r.Head(ctx); err != nil || time.Since(begun) < time.Second {
		t.Errorf("a limit that ends in a second: %v after %v", err, time.Since(begun))
	}
	hub.Fail(hfhubtest.Fault{Path: "/revision/", Status: 429, Header: http.Header{"RateLimit": {`"api";r=0;t=30`}}})
	begun = time.Now()
	if _, err := r.Head(ctx); Code(err) != gcerrors.ResourceExhausted || time.Since(begun) > 5*time.Second {
		t.Errorf("a limit that ends after the deadline: %v after %v", err, time.Since(begun))
	}
}

// A tag can be read, and a commit to it is refused in words that name the way out; so is
// what is short for a commit. A branch can be committed to whatever its name.
func TestNoBranch(t *testing.T) {
	hub, r := newHub(t, nil)
	head, err := r.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	hub.Branch("models", "org/m", "refs/tags/v1.0", head.SHA)
	hub.Branch("models", "org/m", "a/b", head.SHA)
	for rev, words := range map[string]string{"v1.0": "is a tag", head.SHA[:8]: "is no branch", head.SHA: "is one commit", "a/b": ""} {
		uri := r.URI()
		uri.Rev = rev
		at, err := Open(uri, &r.c.o)
		if err != nil {
			t.Fatal(err)
		}
		_, commit := at.Commit(t.Context(), head.SHA, "m", []File{Bytes("x", []byte("x"))})
		change := at.Bucket().WriteAll(t.Context(), "y", []byte("y"), nil)
		for what, err := range map[string]error{"commit": commit, "write": change, "question": at.Branch(t.Context())} {
			if words == "" && err == nil {
				continue
			}
			if !errors.Is(err, ErrReadOnly) || !strings.Contains(err.Error(), words) || !strings.Contains(err.Error(), "hf://org/m@BRANCH") {
				t.Errorf("%s at %s: %v; want the words %q", what, rev, err, words)
			}
		}
	}
}
