package resolver

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"artifactfs.dev/artifactfs/internal/store"
	"artifactfs.dev/artifactfs/manifest"
)

// loggers are where a version is logged: in the store first, then to W&B.
type loggers struct {
	store *Tree // nil: not there
	wandb Pusher
}

// backends returns those that a request names, and all that are on if it names none.
func (t *Tree) backends(name string, names []string) (loggers, error) {
	on := loggers{store: t, wandb: t.opt.Pusher}
	if t.manifest != nil {
		on.store = t.manifest
	}
	var active []string
	if _, ok := on.store.src.(Publisher); ok {
		active = append(active, string(manifest.ByManifest))
	} else {
		on.store = nil
	}
	if on.wandb != nil {
		active = append(active, string(manifest.ByWandB))
	}
	if len(active) == 0 {
		return on, fmt.Errorf("log of %s: the store takes no new versions: %w", name, syscall.EROFS)
	}
	if names == nil {
		return on, nil
	}
	var to loggers
	for _, b := range names {
		switch {
		case b == string(manifest.ByManifest) && on.store != nil:
			to.store = on.store
		case b == string(manifest.ByWandB) && on.wandb != nil:
			to.wandb = on.wandb
		default:
			return to, fmt.Errorf("log of %s: backend %q is not active; %s: %w", name, b, strings.Join(active, " and ")+map[bool]string{true: " are", false: " is"}[len(active) > 1], syscall.EOPNOTSUPP)
		}
	}
	if len(names) == 0 {
		return to, fmt.Errorf("log of %s: backends is empty, so there is nothing to log to: %w", name, fs.ErrInvalid)
	}
	return to, nil
}

// mayPush refuses to log to W&B alone for those who are not meant to: it knows no
// users, and takes all for the one whose key it is. Who logs to a store as well has its
// leave.
func (t *Tree) mayPush(ctx context.Context) error {
	c, ok := store.CallerOf(ctx)
	own := uint32(os.Geteuid())
	if !ok || c.UID == 0 || c.UID == own || t.opt.Writer != nil && t.opt.Writer(c) {
		return nil
	}
	return fmt.Errorf("W&B takes logs here from root, uid %d, who mounted, and artifactfs.writers; not from uid %d: %w", own, c.UID, fs.ErrPermission)
}

// publish logs a version in this store, and says in out what became of it.
func (t *Tree) publish(ctx context.Context, name string, d *manifest.Draft, known bool, out *Result) error {
	if t.main != nil {
		if u, ok := t.main.src.(*Union); ok {
			if err := u.Settle(ctx, true); err != nil {
				return err
			}
		}
	}
	n, err := t.src.(Publisher).Publish(ctx, name, d)
	if err != nil && n == 0 {
		return err
	}
	out.Version = n
	if err != nil {
		out.undone(err)
	}
	for _, a := range append([]string{manifest.Latest}, d.Aliases...) {
		t.wrote(ctx, name, a, t.own(ctx, name, n))
	}
	if !known {
		if first, err := t.isFirst(ctx, name, n); err == nil && first {
			out.New, out.Near = true, t.near(ctx, name)
		}
	}
	if rec, err := t.src.Manifest(ctx, name, n); err == nil {
		out.Manifest = rec.Dir + "/manifest.json"
		out.Path = rec.Manifest.Path
	}
	return nil
}

// recorded returns the draft that version n was logged from: d, unless an earlier
// request with its request_id was. W&B is to have what the store has.
func (t *Tree) recorded(ctx context.Context, name string, n int, d *manifest.Draft) *manifest.Draft {
	if d.RequestID == "" {
		return d
	}
	rec, err := t.src.Manifest(ctx, name, n)
	if err != nil || bytes.Equal(rec.RawMeta, d.MetadataBytes()) {
		return d
	}
	was := rec.Draft()
	was.Aliases, was.RequestID, was.Backends = d.Aliases, d.RequestID, d.Backends
	return was
}
