package outbox

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"artifactfs.dev/artifactfs/manifest"
	"artifactfs.dev/artifactfs/wandb/wandbtest"
)

func alias(t *testing.T, o *Outbox, name, alias string, inWandB, inStore int) *manifest.Push {
	t.Helper()
	p, err := o.PushAlias(bg, name, alias, inWandB, inStore)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Aliases that were asked for while W&B was away reach it when it is back, in the order
// in which they were asked for, behind the versions that they name; also by another
// process, and where an answer was lost.
func TestPushAlias(t *testing.T) {
	const none = manifest.NoVersion
	srv := wandbtest.New(t, nil)
	dir, data := t.TempDir(), tree(t, "a")
	first := open(t, dir, srv)
	srv.Down()
	pushed(t, first, "m", 1, draft(t, "m", data))
	pushed(t, first, "m", 2, draft(t, "m", data))
	alias(t, first, "m", "prod", none, 1)
	alias(t, first, "m", "other", none, 1)
	alias(t, first, "m", "none", none, none)
	alias(t, first, "m", "prod", 1, none)
	alias(t, first, "m", "other", none, none)
	last := alias(t, first, "team/nemotron/m", "best", 0, none)
	if p, err := first.Try(bg, last.ID); err != nil || p.State != manifest.PushQueued || p.Alias != "best" {
		t.Errorf("while W&B is down: %+v, %v", p, err)
	}
	if err := srv.Up(); err != nil {
		t.Fatal(err)
	}
	srv.Fail("AddAliases", wandbtest.Fault{Status: 503, Skip: 2})
	srv.Fail("AddAliases", wandbtest.Fault{Drop: true, Late: true, Skip: 4})
	o := open(t, dir, srv)
	running(t, o)
	p := ended(t, o, last.ID)
	if p.State != manifest.PushDone || p.Name != "team/nemotron/m" || p.Version != "v0" || p.Alias != "best" {
		t.Errorf("the last is %+v", p)
	}
	eventually(t, "the outbox is empty", func() bool { l, err := o.List(); return err == nil && len(l) == 0 })
	if got, want := versions(t, srv, "m"), []string{"v0 best", "v1 latest prod"}; !slices.Equal(got, want) {
		t.Errorf("W&B has %q, want %q", got, want)
	}
}

// What W&B refuses is said, and not tried again by itself; what it can never have is not
// queued.
func TestPushAliasRefused(t *testing.T) {
	const none = manifest.NoVersion
	srv := wandbtest.New(t, nil)
	o := patient(open(t, t.TempDir(), srv))
	running(t, o)
	ended(t, o, pushed(t, o, "m", 1, draft(t, "m", tree(t, "a"))).ID)
	for _, c := range []struct {
		alias, words string
		inWandB      int
		fault        bool
	}{
		{"gone", "W&B has no team/nemotron/m:v7", 7, false},
		{"protected", "protected alias", 0, true},
	} {
		if c.fault {
			srv.Fail("AddAliases", wandbtest.Fault{Status: 403, Body: `{"errors": [{"message": "protected alias"}]}`})
		}
		p := ended(t, o, alias(t, o, "m", c.alias, c.inWandB, none).ID)
		if p.State != manifest.PushFailed || !strings.Contains(p.Error, c.words) {
			t.Errorf("%s: %+v; want failed, %q", c.alias, p, c.words)
		}
	}
	if l, err := o.List(); err != nil || len(l) != 2 {
		t.Errorf("the outbox has %d, %v; want both that were refused", len(l), err)
	}
	if _, err := o.PushAlias(bg, "m", "prod", none, 9); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "artifactfs push m:v9") {
		t.Errorf("of a version that W&B does not have: %v", err)
	}
	for name, alias := range map[string]string{"m": strings.Repeat("a", 129), "n/m": "prod"} {
		if _, err := o.PushAlias(bg, name, alias, 0, none); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("%s:%.9s: %v, want that W&B does not take it", name, alias, err)
		}
	}
}
