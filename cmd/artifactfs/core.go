package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/BurntSushi/toml"

	"artifactfs.dev/artifactfs/cmd/artifactfs/config"
	"artifactfs.dev/artifactfs/internal/store"
	"artifactfs.dev/artifactfs/internal/store/bucket"
	"artifactfs.dev/artifactfs/internal/store/cache"
	"artifactfs.dev/artifactfs/manifest"
	"artifactfs.dev/artifactfs/resolver"
	"artifactfs.dev/artifactfs/wandb/outbox"
)

// core is the namespace that a configuration asks for: the same for the daemon
// and for commands that need no mount.
type core struct {
	cfg   *config.Config
	tree  *resolver.Tree
	src   *resolver.Union // what tree shows; nil if tracking is disabled
	store recordStore     // nil without a manifest store
	dir   *manifest.Dir   // store, if it is a directory; else nil
	at    *bucket.Bucket  // what store is in, if it is a bucket; else nil
	wandb *wandbSource    // nil if W&B is off
	pins  []pinPlace
	data  *store.Local
	root  *store.Local   // what dir is reached through
	push  *outbox.Outbox // what logs to W&B; nil if that is off

	remote *remoteData
}

// coreOptions are what only the daemon sets.
type coreOptions struct {
	Log      *slog.Logger
	Cache    *cache.Cache // of what stores hand out; nil: none
	Lane     string       // a command reads data itself, whatever the lane of a mount
	AsCaller bool
	Own      func() []string // where it is mounted, before mountinfo shows it
	Mounts   func() []string // where this very tree is mounted
	Status   func(context.Context) any
	Config   func() []byte // nil: the one it is opened with
	Metrics  func(context.Context) []byte
	Events   func(context.Context) []byte
	Logged   func(took time.Duration, err error)
	Producer func(context.Context) string
	Warm     func(ctx context.Context, name string, n int) error
	Job      func(context.Context) (id string, seen bool)
	NodePins string // directory of the pins that no other place takes; "": memory
}

// openCore opens the stores and the tree over them.
func openCore(cfg *config.Config, o coreOptions) (*core, error) {
	c := &core{cfg: cfg, remote: newRemoteData(cfg)}
	local := func(roots []string) *store.Local {
		return store.NewLocal(&store.Options{Roots: roots, AsCaller: o.AsCaller, Deadline: cfg.Deadline, Own: o.Own})
	}
	if o.Config == nil {
		o.Config = c.configText
	}
	c.data = local(cfg.DataRoots)
	opts := &resolver.Options{
		Data: c.data, Cache: o.Cache, Lane: o.Lane, Log: o.Log, Disabled: cfg.Disabled,
		UID: uint32(os.Geteuid()), GID: uint32(os.Getegid()),
		Status: o.Status, Config: o.Config, Metrics: o.Metrics, Events: o.Events, Logged: o.Logged, Producer: o.Producer, Mounts: o.Mounts, Warm: o.Warm,
	}
	for _, f := range []struct{ set, dst *uint32 }{{cfg.UID, &opts.UID}, {cfg.GID, &opts.GID}, {cfg.Umask, &opts.Umask}} {
		if f.set != nil {
			*f.dst = *f.set
		}
	}
	if cfg.Disabled != "" {
		c.tree = resolver.New(nil, opts)
		return c, nil
	}
	// The store is not data: data_roots do not confine it.
	c.root = local(nil)
	if err := c.openStores(o.Log); err != nil {
		return nil, err
	}
	opts.Remote = c.remote
	opts.NoPins, opts.NoUses = cfg.Snapshot == "off", cfg.Lineage == "off"
	if !opts.NoPins || !opts.NoUses {
		opts.Job = o.Job
	}
	c.pins = c.openPins(o)
	for _, p := range c.pins {
		opts.Pins = append(opts.Pins, p)
	}
	if o.NodePins != "" && opts.Job != nil {
		opts.Pins = append(opts.Pins, openNodePins(o.NodePins, cfg.Root, o.Job, o.Log))
	} else if opts.Job != nil { // a command, which reads what a mount here has, if it may
		for _, p := range nodePinsOf(cfg.Root) {
			opts.Pins = append(opts.Pins, p)
		}
	}
	if err := c.openOutbox(o.Log); err != nil {
		return nil, err
	}
	if c.push != nil {
		opts.Pusher = c.push
		opts.Writer = func(who store.Caller) bool {
			return mayLog(store.WithCaller(context.Background(), who), "W&B", cfg.Writers) == nil
		}
	}
	c.tree = resolver.New(c.src, opts)
	return c, nil
}

// configText is what .artifactfs/config shows: the configuration in force, as an
// env.toml that would give it again.
func (c *core) configText() []byte {
	var b bytes.Buffer
	if c.cfg.File != "" {
		fmt.Fprintf(&b, "# from %s\n", c.cfg.File)
	}
	if c.cfg.Disabled != "" {
		fmt.Fprintf(&b, "# fully disabled by %s\n", c.cfg.Disabled)
	}
	own := map[string]any{"data": c.cfg.Data}
	if roots := c.cfg.Roots(); len(roots) > 0 {
		own["data_roots"] = roots
	}
	for key, id := range map[string]*uint32{"uid": c.cfg.UID, "gid": c.cfg.GID} {
		if id != nil {
			own[key] = *id
		}
	}
	if c.cfg.Umask != nil {
		own["umask"] = fmt.Sprintf("%03o", *c.cfg.Umask)
	}
	if w := c.cfg.Writers.List(); len(w) > 0 {
		own["writers"] = w
	}
	if c.cfg.Numbering != "" {
		own["numbering"] = c.cfg.Numbering
	}
	if c.cfg.Snapshot != "" {
		own["snapshot"] = c.cfg.Snapshot
	}
	if c.cfg.Lineage != "" {
		own["lineage"] = c.cfg.Lineage
	}
	if c.cfg.StateRoot != "" {
		own["state_root"] = c.cfg.StateRoot
	}
	if c.cfg.CacheDir != "" {
		own["cache_dir"] = c.cfg.CacheDir
	}
	if c.cfg.CacheSize != 0 {
		own["cache_size"] = c.cfg.CacheSize
	}
	if c.cfg.TTL != 0 {
		own["ttl"] = c.cfg.TTL.String()
	}
	if c.cfg.Deadline != 0 {
		own["deadline"] = c.cfg.Deadline.String()
	}
	if c.cfg.Metrics != "" {
		own["metrics"] = c.cfg.Metrics
	}
	own["log_level"] = strings.ToLower(c.cfg.LogLevel.String())
	artifacts := map[string]any{"wandb": c.cfg.WandB}
	if c.cfg.Root != "" {
		artifacts["manifest"] = map[string]any{"root": c.cfg.Root}
	}
	e := toml.NewEncoder(&b)
	e.Indent = ""
	_ = e.Encode(map[string]any{"artifacts": artifacts, "artifactfs": own})
	return b.Bytes()
}

// status is the part of the status that needs no mount.
func (c *core) status(ctx context.Context) *statusDoc {
	if c.wandb != nil { // nobody may have asked it anything yet
		ctx, cancel := context.WithTimeout(ctx, time.Second/2)
		c.wandb.Check(ctx)
		cancel()
	}
	doc := &statusDoc{
		Build: thisBuild().Version, WandB: wandbState(c.cfg), Disabled: c.cfg.Disabled, DataRoots: c.cfg.Roots(),
		Warnings: c.cfg.Warnings, Versions: []*versionStatus{}, Stores: c.storeStates(),
	}
	for _, m := range c.tree.Missing() {
		doc.version(m.Name, m.Version).Missing = m.Path
	}
	return doc
}

// hide drops the versions whose records the caller cannot read: their names and
// paths are not to be learnt here either. Those that cannot be asked about in time
// are among them.
func (c *core) hide(ctx context.Context, doc *statusDoc) {
	if c.src == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	doc.Versions = slices.DeleteFunc(doc.Versions, func(v *versionStatus) bool {
		_, err := c.src.Manifest(ctx, v.Name, v.Version)
		return err != nil
	})
}

// warn adds what is odd about the versions in use: a latest that had to be
// guessed, a retired version that is still read. A store that does not answer at
// once is left alone: the status is most wanted then.
func (c *core) warn(ctx context.Context, doc *statusDoc) {
	if c.src == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	listings := map[string]*manifest.Listing{}
	for _, v := range doc.Versions {
		l, known := listings[v.Name]
		if !known && len(listings) < 100 && ctx.Err() == nil {
			l, _ = c.src.Versions(ctx, v.Name)
			listings[v.Name] = l
			if l != nil && l.Warning != "" {
				doc.Warnings = append(doc.Warnings, v.Name+": "+l.Warning)
			}
		}
		if l != nil && slices.Contains(l.Retired, v.Version) {
			words := fmt.Sprintf("%s:v%d is retired and in use", v.Name, v.Version)
			if r, err := c.src.Retirement(ctx, v.Name, v.Version); err == nil {
				words += ": " + r.String()
			}
			doc.Warnings = append(doc.Warnings, words)
		}
	}
}
