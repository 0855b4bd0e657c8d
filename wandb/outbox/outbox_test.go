package outbox

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"artifactfs.dev/artifactfs/manifest"
	"artifactfs.dev/artifactfs/wandb"
	"artifactfs.dev/artifactfs/wandb/internal/gql"
	"artifactfs.dev/artifactfs/wandb/wandbtest"
)

// A server that is away is waited for, whatever happens to the process meanwhile.
func TestServerAway(t *testing.T) {
	srv := wandbtest.New(t, nil)
	srv.Down()
	dir := t.TempDir()
	func() {
		o := open(t, dir, srv)
		ctx, cancel := context.WithCancel(bg)
		var wg sync.WaitGroup
		wg.Go(func() { o.Run(ctx) })
		defer wg.Wait()
		defer cancel()
		for i := range 3 {
			pushed(t, o, "data", i+1, draft(t, "data", "/d"))
		}
		eventually(t, "it is tried", func() bool { p, err := o.Of(bg, "data", 1); return err == nil && p.Tries > 1 && p.Error != "" })
		p, err := o.Of(bg, "data", 2)
		if err != nil || p.State != manifest.PushQueued || p.Tries != 0 {
			t.Errorf("the second one does not wait for the first: %+v %v", p, err)
		}
	}()
	o := open(t, dir, srv)
	if all, err := o.List(); err != nil || len(all) != 3 {
		t.Fatalf("%v %v", all, err)
	}
	running(t, o)
	if err := srv.Up(); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if p := ended(t, o, o.idOf("data", i+1)); p.Version != manifest.Version(i).String() {
			t.Errorf("%d: %+v", i+1, p)
		}
	}
	if diff := cmp.Diff([]string{"v0", "v1", "v2 latest"}, versions(t, srv, "data")); diff != "" {
		t.Errorf("versions (-want +got):\n%s", diff)
	}
}

// A key that is missing, or refused, is no reason to give up: it may be there later.
func TestKey(t *testing.T) {
	srv := wandbtest.New(t, nil)
	var mu sync.Mutex
	key := ""
	o := open(t, t.TempDir(), srv, func(opt *Options) {
		opt.Client = func(server string) (*wandb.Client, error) {
			mu.Lock()
			defer mu.Unlock()
			return wandb.NewClient(wandb.Config{BaseURL: server, Key: wandb.Key(key)})
		}
	})
	running(t, o)
	p := pushed(t, o, "data", 1, draft(t, "data", "/d"))
	const wrong = "0123456789012345678901234567890123456789"
	for _, tt := range []struct{ key, want string }{{"", "no API key"}, {wrong, "key is refused"}, {srv.Key, ""}} {
		mu.Lock()
		key = tt.key
		mu.Unlock()
		eventually(t, "it says "+tt.want, func() bool {
			p, _ = o.Pushed(bg, p.ID)
			return strings.Contains(p.Error, tt.want) && (p.State == manifest.PushDone) == (tt.want == "")
		})
	}
	for _, file := range filesBelow(t, o.box.dir) {
		if b, err := os.ReadFile(file); err != nil || strings.Contains(string(b), srv.Key) || strings.Contains(string(b), wrong) {
			t.Errorf("%s holds a key (%v)", file, err)
		}
	}
}

func filesBelow(t *testing.T, dir string) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			all = append(all, p)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// A commit that another version came before is begun anew; the SDK gives up there.
func TestConflict(t *testing.T) {
	srv := wandbtest.New(t, nil)
	o := patient(open(t, t.TempDir(), srv))
	srv.Fail("Commit", wandbtest.Fault{Status: 409, Times: 3})
	p := pushed(t, o, "data", 1, draft(t, "data", "/d"))
	if p, err := o.Try(bg, p.ID); err != nil || p.State != manifest.PushDone || p.Tries != 0 {
		t.Errorf("%+v %v", p, err)
	}
	if n := srv.Requests("CreateArtifact"); n != 4 {
		t.Errorf("it was created %d times, want 4", n)
	}
	if diff := cmp.Diff([]string{"v0 latest"}, versions(t, srv, "data")); diff != "" {
		t.Errorf("versions (-want +got):\n%s", diff)
	}
}

// A version that was long on its way does not take latest from a later one.
func TestLatestMovesForward(t *testing.T) {
	srv := wandbtest.New(t, nil)
	o := open(t, t.TempDir(), srv)
	srv.Fail("Alias", wandbtest.Fault{Status: 503, Times: -1})
	p := pushed(t, o, "data", 1, draft(t, "data", `{"path": "/d", "aliases": ["prod"]}`))
	if p, err := o.Try(bg, p.ID); err != nil || p.State != manifest.PushQueued || p.Version != "v0" {
		t.Fatalf("%+v %v", p, err)
	}
	if _, err := srv.Log(wandbtest.Version{Name: "data", Type: "Artifact", Files: map[string][]byte{"later": nil}}); err != nil {
		t.Fatal(err)
	}
	srv.Heal()
	if p, err := o.Try(bg, p.ID); err != nil || p.State != manifest.PushDone {
		t.Fatalf("%+v %v", p, err)
	}
	if diff := cmp.Diff([]string{"v0 prod", "v1 latest"}, versions(t, srv, "data")); diff != "" {
		t.Errorf("versions (-want +got):\n%s", diff)
	}
}

// A job's own run logs what the job logs, if W&B has that run; it is not ended for it.
func TestCallersRun(t *testing.T) {
	srv := wandbtest.New(t, nil)
	env := map[string]string{"WANDB_RUN_ID": "job7", "NEMO_EXPERIMENT_ID": "exp-1"}
	o := patient(open(t, t.TempDir(), srv, func(opt *Options) { opt.Env = func(context.Context) map[string]string { return env } }))
	running(t, o)
	if p := ended(t, o, pushed(t, o, "data", 1, draft(t, "data", "/d")).ID); !strings.HasPrefix(p.Run, "team/nemotron/afs") {
		t.Errorf("a run that is not there: %+v", p)
	}
	if _, err := gql.UpsertRun(bg, client(t, srv), "team", "nemotron", "job7", "train", "", "", nil, ""); err != nil {
		t.Fatal(err)
	}
	ends := srv.Requests("file_stream")
	if p := ended(t, o, pushed(t, o, "data", 2, draft(t, "data", "/d")).ID); p.Run != "team/nemotron/job7" {
		t.Errorf("the job's run: %+v", p)
	}
	if n := srv.Requests("file_stream"); n != ends {
		t.Error("the job's run was ended")
	}
	if diff := cmp.Diff([]string{"v0", "v1 exp-1 latest"}, versions(t, srv, "data")); diff != "" {
		t.Errorf("versions (-want +got):\n%s", diff)
	}
	env["WANDB_PROJECT"] = "elsewhere"
	if p := ended(t, o, pushed(t, o, "data", 3, draft(t, "data", "/d")).ID); !strings.HasPrefix(p.Run, "team/nemotron/afs") {
		t.Errorf("a run of another project: %+v", p)
	}
}

// Several processes share an outbox: each version is logged once, in order.
func TestShared(t *testing.T) {
	srv := wandbtest.New(t, nil)
	dir := t.TempDir()
	var boxes []*Outbox
	for range 3 {
		o := open(t, dir, srv)
		running(t, o)
		boxes = append(boxes, o)
	}
	var wg sync.WaitGroup
	for i := range 12 {
		d := draft(t, "data", fmt.Sprintf(`{"path": "/d", "created_at": "2026-11-27T05:00:%02d+00:00"}`, i))
		for _, o := range boxes {
			wg.Go(func() {
				if _, err := o.Push(bg, fmt.Sprintf("data%d", i%2), i/2+1, d); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
	for i := range 12 {
		if p := ended(t, boxes[i%3], boxes[0].idOf(fmt.Sprintf("data%d", i%2), i/2+1)); p.Version != manifest.Version(i/2).String() {
			t.Errorf("%d: %+v", i, p)
		}
	}
	for _, name := range []string{"data0", "data1"} {
		if diff := cmp.Diff([]string{"v0", "v1", "v2", "v3", "v4", "v5 latest"}, versions(t, srv, name)); diff != "" {
			t.Errorf("versions of %s (-want +got):\n%s", name, diff)
		}
	}
}

// What cannot be read is set aside, and holds up nothing.
func TestBroken(t *testing.T) {
	srv := wandbtest.New(t, nil)
	dir := t.TempDir()
	o := open(t, dir, srv)
	first := pushed(t, o, "data", 1, draft(t, "data", "/d"))
	for name, text := range map[string]string{first.ID + ".json": `{"format": 1, "id":`, "afuture.json": `{"format": 9}`, "anempty.json": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p := pushed(t, o, "data", 2, draft(t, "data", "/d"))
	if err := os.WriteFile(filepath.Join(dir, p.ID+contentsExt), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	running(t, o)
	if p = ended(t, o, p.ID); p.State != manifest.PushDone {
		t.Errorf("%+v", p)
	}
	if aside, err := os.ReadDir(filepath.Join(dir, "broken")); err != nil || len(aside) != 4 {
		t.Errorf("set aside: %v %v", aside, err)
	}
}

// Data that takes long to look at does not keep the writer, and what the writer may
// read is looked at as the writer.
func TestSlowData(t *testing.T) {
	srv := wandbtest.New(t, nil)
	hold := make(chan struct{})
	o := open(t, t.TempDir(), srv)
	o.wait = time.Millisecond
	o.step = func(name string) {
		if name == "look slow" {
			<-hold
		}
	}
	running(t, o)
	p := pushed(t, o, "slow", 1, draft(t, "slow", tree(t, "x", "y")))
	o.wait = time.Minute
	other := ended(t, o, pushed(t, o, "quick", 1, draft(t, "quick", "/d")).ID)
	if p, err := o.Pushed(bg, p.ID); err != nil || p.State != manifest.PushQueued || other.State != manifest.PushDone {
		t.Errorf("%+v %v, %+v", p, err, other)
	}
	close(hold)
	if p = ended(t, o, p.ID); p.State != manifest.PushDone || len(storedManifest(t, srv, p.ArtifactID)) != 3 {
		t.Errorf("%+v", p)
	}
}

// Results are kept for a while, and not without end.
func TestSweep(t *testing.T) {
	o := open(t, t.TempDir(), wandbtest.New(t, nil))
	if err := o.box.make(); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	put := func(name string, age time.Duration) {
		p := o.box.path(name)
		if err := os.WriteFile(p, []byte("{}"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(p, now.Add(-age), now.Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	for i := range maxDone + 5 {
		put(fmt.Sprintf("done/r%d.json", i), time.Duration(i)*time.Second)
	}
	put("done/old.json", keepDone+time.Hour)
	put("gone.contents", 48*time.Hour)
	put("gone.00.entries", 48*time.Hour)
	put("new.contents", time.Hour)
	put("tmp-123", 48*time.Hour)
	put("there.json", 48*time.Hour)
	put("there.contents", 48*time.Hour)
	o.box.sweep(now)
	var left []string
	for _, f := range filesBelow(t, o.box.dir) {
		if filepath.Base(filepath.Dir(f)) != "done" {
			left = append(left, filepath.Base(f))
		}
	}
	if diff := cmp.Diff([]string{"new.contents", "there.contents", "there.json"}, sorted(left)); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
	if done, err := os.ReadDir(o.box.path("done")); err != nil || len(done) != maxDone {
		t.Errorf("%d results, %v", len(done), err)
	}
	if _, err := os.Stat(o.box.path("done", "r0.json")); err != nil {
		t.Error(err)
	}
}
