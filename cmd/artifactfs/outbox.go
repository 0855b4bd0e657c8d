package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"strings"
	"sync"

	"artifactfs.dev/artifactfs/cmd/artifactfs/config"
	"artifactfs.dev/artifactfs/internal/store"
	"artifactfs.dev/artifactfs/manifest"
	"artifactfs.dev/artifactfs/wandb"
	"artifactfs.dev/artifactfs/wandb/outbox"
)

// stateDir is where this user's artifactfs keeps what must not be lost.
// XDG_STATE_HOME wins where it is set, for root too.
func stateDir() (string, error) {
	if base := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(base) {
		return filepath.Join(base, "artifactfs"), nil
	}
	if os.Geteuid() == 0 {
		return "/var/lib/artifactfs", nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("no place for what is on its way to W&B: %w; set XDG_STATE_HOME", err)
	}
	return filepath.Join(home, ".local/state/artifactfs"), nil
}

// outboxDir is the outbox of one store: who works on it has the store's configuration.
func outboxDir(root string) (string, error) {
	dir, err := stateDir()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(root))
	return filepath.Join(dir, "outbox", hex.EncodeToString(sum[:8])), nil
}

// wandbVars are the variables of a job that say how to log for it. None is a secret.
var wandbVars = []string{"WANDB_RUN_ID", "WANDB_ENTITY", "WANDB_PROJECT", "WANDB_TAGS", "NEMO_EXPERIMENT_ID"}

// openOutbox opens the outbox of the core's store, unless W&B is off.
func (c *core) openOutbox(log *slog.Logger) error {
	if c.wandb == nil {
		return nil
	}
	at, err := outboxDir(c.cfg.Root)
	if err != nil {
		return err
	}
	to, _ := wandbConfig(c.cfg) // what is wrong with the key is said when it is needed
	opt := outbox.Options{
		Client: c.wandb.clients.of, Server: strings.TrimRight(to.BaseURL, "/"), Entity: to.Entity, Project: to.Project,
		Store: c.cfg.Root, Data: c.data, Log: log, Done: c.pushed,
		Env: func(ctx context.Context) map[string]string { return store.Environ(ctx, wandbVars...) },
	}
	if c.store != nil {
		opt.Find = outbox.FindIn(c.store)
		opt.Known = func(ctx context.Context, name string, n int) (*manifest.Push, error) {
			p, err := inWandB(ctx, c.store, name, n)
			if p == nil && err == nil {
				err = fs.ErrNotExist
			}
			return p, err
		}
		opt.Used = func(ctx context.Context, ref string) (string, error) {
			return wandbRef(ctx, c.store, manifest.Numbering(c.cfg.Numbering), ref)
		}
	}
	c.push = outbox.Open(at, opt)
	return nil
}

// pushed tells the store what W&B calls a version of it, and has W&B asked anew.
func (c *core) pushed(ctx context.Context, p *manifest.Push) error {
	if c.store != nil && p.Alias == "" {
		if err := noteWandB(ctx, c.store, p); err != nil {
			return err
		}
	}
	c.wandb.Refresh(path.Base(p.Name))
	return nil
}

// inWandB is what the store knows of a version that W&B has, whoever pushed it; nil if
// it knows nothing.
func inWandB(ctx context.Context, records recordStore, name string, n int) (*manifest.Push, error) {
	all, err := records.WandBVersions(ctx, name)
	if err != nil {
		return nil, err
	}
	for _, v := range all {
		w, err := records.FromWandB(ctx, name, v)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		if err == nil && w.Manifest == n {
			return &manifest.Push{
				State: manifest.PushDone, Name: w.Artifact, Version: vN(v), URL: w.URL,
				ArtifactID: w.ID, Digest: w.Digest, Manifest: fmt.Sprintf("%s:v%d", name, n),
			}, nil
		}
	}
	return nil, nil
}

// noteWandB tells the store what W&B calls a version of it.
func noteWandB(ctx context.Context, records recordStore, p *manifest.Push) error {
	if p.Manifest == "" {
		return nil
	}
	ref, err := manifest.ParseRef(p.Manifest)
	if err != nil {
		return err
	}
	n, _ := ref.Number()
	v, ok := manifest.ParseVersion(p.Version)
	if !ok {
		return fmt.Errorf("W&B calls %s %q, which is no version", p.Manifest, p.Version)
	}
	return records.NoteWandB(ctx, ref.Name, manifest.WandB{Version: int(v), Manifest: int(n), Artifact: p.Name, ID: p.ArtifactID, Digest: p.Digest, URL: p.URL})
}

// wandbConfig is where W&B is and who asks, looked up anew each time. A variable
// counts more than env.toml, and that more than the files of W&B's own tools.
func wandbConfig(cfg *config.Config) (wandb.Config, error) {
	home, _ := os.UserHomeDir()
	dir, _ := os.Getwd()
	var given wandb.Config
	if os.Getenv("WANDB_ENTITY") == "" {
		given.Entity = cfg.Wandb.Entity
	}
	if os.Getenv("WANDB_PROJECT") == "" {
		given.Project = cfg.Wandb.Project
	}
	return wandb.Env{Getenv: os.LookupEnv, Home: home, Dir: dir}.Find(given)
}

// wandbClients keeps a client as long as nothing that it was made of changes.
type wandbClients struct {
	cfg *config.Config

	mu   sync.Mutex // guards what follows
	last wandb.Config
	c    *wandb.Client
}

// of returns a client for a server. The key of one server is not for another.
func (w *wandbClients) of(server string) (*wandb.Client, error) {
	c, err := wandbConfig(w.cfg)
	if err != nil {
		return nil, err
	}
	now := strings.TrimRight(c.BaseURL, "/")
	if now == "" {
		now = wandb.DefaultBaseURL
	}
	if server != "" && server != now {
		return nil, fmt.Errorf("it was logged for W&B at %s, and W&B is at %s now: set WANDB_BASE_URL back to have it pushed", server, now)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.c != nil && reflect.DeepEqual(c, w.last) {
		return w.c, nil
	}
	made, err := wandb.NewClient(c)
	if err != nil {
		return nil, err
	}
	w.last, w.c = c, made
	return made, nil
}
