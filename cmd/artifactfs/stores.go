package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"artifactfs.dev/artifactfs/cmd/artifactfs/config"
	"artifactfs.dev/artifactfs/manifest"
	"artifactfs.dev/artifactfs/resolver"
	"artifactfs.dev/artifactfs/wandb"
)

// openStores opens the stores that are on, and the two as one.
func (c *core) openStores(log *slog.Logger) error {
	cfg := c.cfg
	var m, w resolver.Source
	if cfg.Root != "" {
		dir, err := manifest.OpenDir(cfg.Root, &manifest.DirOptions{Local: c.root, TTL: cfg.TTL, Log: log})
		if err != nil {
			return err
		}
		c.dir, m = dir, dir
	}
	if cfg.WandB {
		c.wandb = &wandbSource{clients: &wandbClients{cfg: cfg}, opt: wandb.SourceOptions{TTL: cfg.TTL, Log: log}}
		w = c.wandb
	}
	u, err := resolver.NewUnion(m, w, manifest.Numbering(cfg.Numbering))
	c.src = u
	return err
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
	if c.dir != nil {
		s := storeStatus{Store: "manifest", Root: c.cfg.Root, State: "ok", Embedded: c.cfg.Embedded}
		if dev, ino, ok := c.dir.ID(); ok {
			s.ID = dirID(dev, ino)
		}
		if since, cause := c.dir.Degraded(); cause != nil {
			s.State, s.Since, s.Cause = "degraded", since, cause.Error()
		}
		out = append(out, s)
	}
	if c.wandb != nil {
		s := storeStatus{Store: "wandb", Root: strings.TrimPrefix(c.wandb.String(), "W&B at "), State: "ok"}
		if since, cause := c.wandb.Degraded(); cause != nil {
			s.State, s.Since, s.Cause = wandbWords(cause), since, cause.Error()
			if c.dir != nil {
				s.Cause += "; meanwhile the manifest store answers"
			}
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
	return fmt.Sprintf("on, %s at %s", project, server)
}
