package main

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"artifactfs.dev/artifactfs/cmd/artifactfs/config"
	"artifactfs.dev/artifactfs/fs"
	"artifactfs.dev/artifactfs/internal/store/cache"
)

func (a *app) reloadCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "reload DIR",
		Short: "Have the mount at DIR read its configuration again",
		Long: `Have the mount at DIR read its configuration again, from where mount read it: stores
and limits change, and whoever reads goes on. SIGHUP to its daemon does the same.
A configuration that cannot be used changes nothing. The data lane, and whether the mount
is shared, change only with mount --replace.`,
		Args:              args(1, 1, "one mount"),
		ValidArgsFunction: completeMounted,
		RunE:              func(_ *cobra.Command, args []string) error { return a.reload(args[0]) },
	}
}

// reload asks the daemon and waits for its answer, which comes in the state file.
func (a *app) reload(where string) error {
	dir, err := canonical(where)
	if err != nil {
		return fmt.Errorf("reload %s: %w", where, err)
	}
	s, err := findState(dir)
	if err != nil || !s.held() {
		top, _ := topMount(dir)
		return notMountedError(dir, top)
	}
	if !isOurs(s.Daemon) {
		return fmt.Errorf("reload %s: its daemon is just being started; try again", dir)
	}
	asked := s.Reload
	if err := unix.Kill(s.Daemon, syscall.SIGHUP); err != nil {
		return fmt.Errorf("reload %s: signal to its daemon, pid %d: %w", dir, s.Daemon, err)
	}
	for range 1000 {
		now, err := readState(s.file)
		if err == nil && now.Reload != nil && (asked == nil || !now.Reload.At.Equal(asked.At)) {
			return a.reportReload(dir, now.Reload)
		}
		time.Sleep(20 * time.Millisecond)
	}
	return fmt.Errorf("reload %s: its daemon, pid %d, does not answer; see artifactfs status %s", dir, s.Daemon, dir)
}

func (a *app) reportReload(dir string, r *reloadStatus) error {
	switch {
	case a.json:
		if err := a.printJSON(r); err != nil {
			return err
		}
	case r.Error == "":
		fmt.Fprintf(a.out, "%s\t%s\n", dir, clean(r.words()))
	default:
		return fmt.Errorf("reload %s: %s", dir, r.words())
	}
	if r.Error != "" {
		return errSilent
	}
	return nil
}

// reloadConfig loads the configuration again and puts it in force. It returns the
// mount that has taken over, if that took one.
func (d *daemon) reloadConfig() *fs.Server {
	r := &reloadStatus{At: time.Now()}
	srv, cfg, err := d.apply(r)
	if err != nil {
		r.Error = oneLine(err)
		d.log.Error("the configuration cannot be used, the old one stays", "dir", d.s.Dir, "err", err)
	} else {
		d.log.Info("configuration loaded", "dir", d.s.Dir, "changed", r.Changed, "needs_remount", r.Remount)
	}
	d.reload.Store(r)
	// The supervisor, umount and status read the file; after umount --lazy there is none.
	if now, err := readState(d.s.file); err == nil && now.Started.Equal(d.s.Started) {
		now.Config, now.Reload = cfg, r
		if err := now.save(); err != nil {
			d.log.Error("a restarted daemon will have the old configuration", "err", err)
		}
	}
	return srv
}

// apply returns the configuration that is in force afterwards.
func (d *daemon) apply(r *reloadStatus) (*fs.Server, *config.Config, error) {
	old := d.core.Load()
	if d.s.From == nil {
		return nil, old.cfg, errors.New("it is not known where the configuration came from")
	}
	cfg, err := d.s.From.load()
	if err != nil {
		return nil, old.cfg, err
	}
	if d.s.Options.AllowOther && len(cfg.DataRoots) == 0 {
		return nil, old.cfg, errors.New("the mount is shared with every user, and artifactfs.data_roots would no longer say where data may lie")
	}
	if cfg.Data != old.cfg.Data {
		r.Remount = append(r.Remount, fmt.Sprintf("data = %q", cfg.Data))
		cfg.Data = old.cfg.Data
	}
	if cfg.Lineage != old.cfg.Lineage {
		r.Remount = append(r.Remount, fmt.Sprintf("lineage = %q", cfg.Lineage))
		cfg.Lineage = old.cfg.Lineage
	}
	if cfg.CacheDir != old.cfg.CacheDir {
		r.Remount = append(r.Remount, fmt.Sprintf("cache_dir = %q", cfg.CacheDir))
		cfg.CacheDir = old.cfg.CacheDir
	}
	if !d.s.Options.AllowOther && len(old.cfg.DataRoots) == 0 && len(cfg.DataRoots) > 0 && unix.Geteuid() == 0 {
		r.Remount = append(r.Remount, "sharing with every user")
	}
	change := changed(old.cfg, cfg)
	if d.cache != nil && change["cache_size"] {
		d.cache.Resize(cmp.Or(cfg.CacheSize, cache.DefaultSize))
	}
	r.Changed = slices.Sorted(maps.Keys(change))
	if newTree(change) {
		if err := reachable(cfg); err != nil {
			return nil, old.cfg, fmt.Errorf("the manifest root cannot be read now: %w", err)
		}
		c, err := d.open(cfg)
		if err != nil {
			return nil, old.cfg, err
		}
		srv, err := d.mount(c)
		if err != nil {
			return nil, old.cfg, err
		}
		d.level.Set(cfg.LogLevel)
		d.port.set(cfg.Metrics)
		return srv, cfg, nil
	}
	d.level.Set(cfg.LogLevel)
	d.port.set(cfg.Metrics)
	old.data.Reconfigure(cfg.DataRoots, cfg.Deadline)
	if old.store != nil {
		old.root.Reconfigure(nil, cfg.Deadline)
		old.store.SetTTL(cfg.TTL)
	}
	if old.at != nil {
		old.at.SetDeadline(cfg.Deadline)
	}
	if old.remote != nil {
		old.remote.cfg.Store(cfg)
	}
	d.server.Load().SetMaxBinds(cmp.Or(cfg.MaxBinds, fs.DefaultMaxBinds))
	c := *old
	c.cfg = cfg
	d.core.Store(&c)
	c.tree.Refresh()
	return nil, cfg, nil
}

// changed names the settings that differ.
func changed(a, b *config.Config) map[string]bool {
	out := map[string]bool{}
	x, y := reflect.ValueOf(*a), reflect.ValueOf(*b)
	for i := range x.NumField() {
		if name := settingOf[x.Type().Field(i).Name]; name != "" && !reflect.DeepEqual(x.Field(i).Interface(), y.Field(i).Interface()) {
			out[name] = true
		}
	}
	return out
}

// settingOf are the fields of a configuration that something here depends on.
var settingOf = map[string]string{
	"Root": "artifacts.manifest.root", "WandB": "artifacts.wandb", "Disabled": "artifacts",
	"DataRoots": "data_roots", "DataURIs": "data_roots (URIs)", "MaxBinds": "max_binds", "UID": "uid", "GID": "gid", "Umask": "umask",
	"Numbering": "numbering", "Writers": "writers", "Wandb": "wandb", "Snapshot": "snapshot", "StateRoot": "state_root", "CacheSize": "cache_size",
	"TTL": "ttl", "Deadline": "deadline", "LogLevel": "log_level", "Metrics": "metrics",
}

// newTree says whether a change takes another tree: what the kernel keeps of the
// one that is mounted would be answers of the old store, or carry old owners.
func newTree(change map[string]bool) bool {
	for _, key := range []string{"artifacts.manifest.root", "artifacts.wandb", "artifacts", "wandb", "numbering", "writers", "data_roots (URIs)", "uid", "gid", "umask", "snapshot", "state_root"} {
		if change[key] {
			return true
		}
	}
	return false
}
