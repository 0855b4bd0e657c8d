package resolver

import (
	"context"
	"io/fs"
	"os"
	"syscall"
	"testing"

	"artifactfs.dev/artifactfs/internal/store"
	"artifactfs.dev/artifactfs/manifest"
)

// W&B knows no users: alone it takes logs from who mounted, root, and those who are
// said to be writers.
func TestPushAlone(t *testing.T) {
	t.Parallel()
	b := newBoth(t)
	p := &pushes{}
	s := b.mount("w", "", &Options{Pusher: p, Writer: func(c store.Caller) bool { return c.UID == 4242 }})
	b.file("one/f", "one")
	ok(t, os.Chmod(b.data, 0o755))
	req, err := manifest.FinishRequest([]byte(b.data + "/one"))
	ok(t, err)
	for uid, may := range map[uint32]bool{4242: true, 4243: false, uint32(os.Getuid()): true} {
		before := p.n
		r, err := s.Tree.Log(store.WithCaller(ctx, store.Caller{UID: uid, GID: uid, PID: uint32(os.Getpid())}), "m", req, LogOptions{})
		if may && (err != nil || r.WandB == nil || r.Version != 0 || p.n != before+1) {
			t.Errorf("uid %d: %+v, %v", uid, r, err)
		}
		if !may {
			wantErr(t, "a log by a stranger", err, fs.ErrPermission, "artifactfs.writers", "uid 4243")
			if p.n != before {
				t.Error("it was pushed")
			}
		}
	}
	_, err = s.Tree.Log(ctx, "m", &manifest.Request{Path: req.Path, Backends: []string{"manifest"}}, LogOptions{})
	wantErr(t, "a backend that is off", err, syscall.EOPNOTSUPP, "wandb is")
}

// pushes counts what it is given.
type pushes struct{ n int }

func (p *pushes) Push(context.Context, string, int, *manifest.Draft) (*manifest.Push, error) {
	p.n++
	return &manifest.Push{ID: "x", State: manifest.PushQueued}, nil
}
func (p *pushes) Pushed(context.Context, string) (*manifest.Push, error) { return nil, fs.ErrNotExist }
