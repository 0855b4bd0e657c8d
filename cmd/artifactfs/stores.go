package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"artifactfs.dev/artifactfs/cmd/artifactfs/config"
	"artifactfs.dev/artifactfs/internal/store/bucket"
	"artifactfs.dev/artifactfs/manifest"
	"artifactfs.dev/artifactfs/resolver"
	"artifactfs.dev/artifactfs/wandb"
)

// openStores opens the stores that are on, and the two as one.
func (c *core) openStores(log *slog.Logger) error {
	cfg := c.cfg
	var m, w resolver.Source
	if cfg.Root != "" {
		if err := c.openManifest(log); err != nil {
			return err
		}
		m = c.store
	}
	if cfg.WandB {
		c.wandb = &wandbSource{clients: &wandbClients{cfg: cfg}, opt: wandb.SourceOptions{TTL: cfg.TTL, Log: log, Outside: references{c.remote}}}
		w = c.wandb
	}
	u, err := resolver.NewUnion(m, w, manifest.Numbering(cfg.Numbering))
	c.src = u
	return err
}

// recordStore is a manifest store of any kind.
type recordStore interface {
	resolver.Source
	resolver.Book
	Degraded() (time.Time, error)
	SetTTL(time.Duration)
	NoteWandB(ctx context.Context, name string, w manifest.WandB) error
	String() string
}

// openManifest opens the manifest store: a directory, or a bucket by its URI.
func (c *core) openManifest(log *slog.Logger) error {
	cfg := c.cfg
	if !bucket.Is(cfg.Root) {
		dir, err := manifest.OpenDir(cfg.Root, &manifest.DirOptions{Local: c.root, TTL: cfg.TTL, Log: log})
		c.dir, c.store = dir, dir
		return err
	}
	at, err := openBucket(cfg)
	if err != nil {
		return err
	}
	c.at = at
	c.store = &guarded{manifest.NewCatalog(at, &manifest.CatalogOptions{TTL: cfg.TTL, Log: log}), cfg.Writers}
	return nil
}

func openBucket(cfg *config.Config) (*bucket.Bucket, error) {
	u, err := bucket.Parse(cfg.Root)
	if err != nil {
		return nil, err
	}
	at, err := bucket.Open(context.Background(), u)
	if err != nil {
		return nil, fmt.Errorf("artifacts.manifest.root: %w", err)
	}
	at.SetDeadline(cfg.Deadline)
	return at, nil
}

// pinPlace is where pins of jobs are kept.
type pinPlace interface {
	resolver.Pinner
	resolver.SnapshotLister
	Unpin(ctx context.Context, id, name, alias string) error
	String() string
}

// settle records whose numbers the tree has, and refuses backends that would change
// what vN means. A store that cannot be read now is no reason not to mount.
func (c *core) settle(ctx context.Context) error {
	var changed *resolver.Renumbered
	if c.src == nil {
		return nil
	}
	if err := c.src.Settle(ctx, false); errors.As(err, &changed) {
		return err
	}
	return nil
}

// storeStates are the stores that are on, and whether they answer.
func (c *core) storeStates() []storeStatus {
	out := []storeStatus{}
	if c.store != nil {
		s := storeStatus{Store: "manifest", Root: c.cfg.Root, State: "ok", Embedded: c.cfg.Embedded}
		if c.dir != nil {
			if dev, ino, ok := c.dir.ID(); ok {
				s.ID = dirID(dev, ino)
			}
		}
		if since, cause := c.store.Degraded(); cause != nil {
			s.State, s.Since, s.Cause = "degraded", since, cause.Error()
		}
		out = append(out, s)
	}
	if c.wandb != nil {
		s := storeStatus{Store: "wandb", Root: strings.TrimPrefix(c.wandb.String(), "W&B at "), State: "ok"}
		if since, cause := c.wandb.Degraded(); cause != nil {
			s.State, s.Since, s.Cause = wandbWords(cause), since, cause.Error()
			if c.store != nil {
				s.Cause += "; meanwhile the manifest store answers"
			}
		}
		if why := c.wandb.Unmade(); why != nil && s.State == "ok" {
			s.State, s.Cause = "no project yet", why.Error()
		}
		out = append(out, s)
	}
	return out
}

// wandbState says in words what became of artifacts.wandb.
func wandbState(c *config.Config) string {
	if !c.WandB {
		return "off"
	}
	to, err := wandbConfig(c)
	if err != nil {
		return "on, and " + oneLine(err)
	}
	project := to.Project
	if project == "" {
		project = wandb.DefaultProject
	}
	if to.Entity != "" {
		project = to.Entity + "/" + project
	}
	server := to.BaseURL
	if server == "" {
		server = wandb.DefaultBaseURL
	}
	if u, err := url.Parse(server); err != nil || u.User != nil || u.RawQuery != "" {
		return "on, and the address in WANDB_BASE_URL is more than a server's: no user, password or query belongs there"
	}
	return fmt.Sprintf("on, %s at %s", project, server)
}
