package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"artifactfs.dev/artifactfs/cmd/artifactfs/config"
	"artifactfs.dev/artifactfs/internal/store"
	"artifactfs.dev/artifactfs/internal/store/bucket"
)

// What doctor looks at of the configuration, the store and the data.

// configuration reads what a mount here would read; that of the mount at DIR, if
// there is one.
func (d *doctor) configuration(context.Context) {
	const check = "configuration"
	if d.dir != "" {
		if s, err := findState(d.dir); err == nil && s.held() {
			d.cfg = s.Config
			d.add(check, fine, "that of the mount at "+d.dir, "", "")
			return
		}
	}
	cfg, err := d.a.load(d.dotlist)
	if err != nil {
		d.add(check, fail, oneLine(err), "no command that needs it works", "")
		return
	}
	d.cfg = cfg
	from := cmp.Or(cfg.File, "no env.toml from here upward")
	switch {
	case cfg.Disabled != "":
		d.add(check, warn, "tracking is fully disabled by "+cfg.Disabled, "names do not resolve, and nothing can be logged", "set artifacts.manifest.root")
	case cfg.Embedded:
		d.add(check, warn, from, "an artifact is not found, and the completion panel shows no manifest path, where [artifacts.manifest] is not configured: "+
			"the store is one of your own, "+cfg.Root, "export NEMOTRON_ENV_FILE=/path/to/env.toml")
	default:
		d.add(check, fine, from, "", "")
	}
	for _, w := range cfg.Warnings {
		d.add(check, warn, w, "", "")
	}
}

// profiles looks at what job launchers would run with: they find out only then.
func (d *doctor) profiles(context.Context) {
	if d.cfg == nil || d.cfg.File == "" {
		return
	}
	for _, err := range config.BrokenProfiles(d.cfg.File, os.LookupEnv) {
		d.add("profiles", warn, oneLine(err), "upstream's launchers cannot use it; this mount does not", "")
	}
}

// stores looks at the manifest root and at what W&B would need.
func (d *doctor) stores(ctx context.Context) {
	if d.cfg == nil {
		return
	}
	if bucket.Is(d.cfg.Root) {
		if d.bucket(ctx) {
			d.artifacts(ctx)
		}
	} else {
		d.directory(ctx)
	}
	if !d.cfg.WandB {
		d.add("wandb", fine, "off; manifests work without it", "", "")
		return
	}
	d.wandb(ctx)
	if d.cfg.Wandb.Project == "" || d.cfg.Wandb.Entity == "" {
		d.add("wandb", warn, "[wandb] lacks project or entity", "upstream looks in the project \"nemotron\" of the default entity", "set both in env.toml")
	}
}

// directory looks at a manifest root that is one.
func (d *doctor) directory(ctx context.Context) {
	unmade := d.cfg.Embedded && reachable(d.cfg) != nil // the first mount or log makes it
	if d.cfg.Root != "" && !unmade {
		before := len(d.found)
		d.remote("manifest root", "store", d.cfg.Root)
		answered := d.found[before].Level != fail
		if answered && !d.cfg.Embedded {
			d.artifacts(ctx)
		}
	}
}

// wandb asks W&B one question, and says what keeps it from answering.
func (d *doctor) wandb(ctx context.Context) {
	const check = "wandb"
	k, err := openCore(d.cfg, coreOptions{Log: quiet()})
	if err != nil {
		d.add(check, fail, oneLine(err), "", "")
		return
	}
	defer d.outbox(k)
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if _, err := k.wandb.Names(ctx, ""); err != nil {
		level := fail
		if k.store != nil {
			level = warn // the store goes on answering for what it has too
		}
		d.add(check, level, oneLine(err), "names that only W&B has cannot be read; upstream cannot reach W&B either. Its digest mismatches are another "+
			"matter, of unchecked references, and do not concern this mount", wandbWayOut(err)+", or artifacts.wandb=false")
		return
	}
	if why := k.wandb.Unmade(); why != nil {
		d.add(check, warn, oneLine(why), "no artifact of W&B's is found", "log something, or correct project in [wandb] of env.toml, or WANDB_PROJECT")
		return
	}
	d.add(check, fine, wandbState(d.cfg), "", "")
}

// outbox says what is not in W&B yet, or never will be.
func (d *doctor) outbox(k *core) {
	const check = "outbox"
	all, err := k.push.List()
	if err != nil {
		d.add(check, fail, oneLine(err), "what is logged does not reach W&B", "")
		return
	}
	for _, p := range all {
		if p.Error != "" {
			d.add(check, warn, fmt.Sprintf("%d versions are on their way to W&B, and %s has failed %d times", len(all), pushed(p), p.Tries),
				p.Error, "artifactfs push tries it now, artifactfs push --give-up "+pushed(p)+" no more")
			return
		}
	}
}

// artifacts looks for what makes "artifact not found" of names that are there.
func (d *doctor) artifacts(ctx context.Context) {
	const check = "artifacts"
	k, err := openCore(d.cfg, coreOptions{Log: quiet()})
	if err != nil {
		d.add(check, fail, oneLine(err), "", "")
		return
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	arts, err := k.artifacts(ctx, "", false, func(artifact) {})
	if err != nil && ctx.Err() != nil { // of a store that has just answered
		d.add(check, fine, fmt.Sprintf("not all are listed within %v, and none was looked at", patience), "", "")
		return
	}
	if err != nil {
		d.add(check, fail, oneLine(err), "the store cannot be read", "")
		return
	}
	if len(arts) == 0 {
		d.add(check, warn, "there are none in "+d.cfg.Root, "nothing was logged yet, or artifacts.manifest.root is not where it was logged", "ls "+d.cfg.Root)
		return
	}
	for i, art := range arts {
		if art.Warning != "" && !art.silent && i < 20 { // what keeps a backend from answering is told once, of the backend
			d.add(check, warn, art.Name+": "+art.Warning, "upstream does not find its latest, and here the highest complete version is taken for it", "artifactfs ls "+art.Name)
		}
	}
	d.add(check, fine, fmt.Sprintf("%d of them", len(arts)), "", "")
}

// store runs in a child: it looks whether root can be read and written, and what
// time it is there.
func (d *doctor) store(root string) {
	const check = "manifest root"
	f, err := os.Open(root)
	if err == nil {
		_, err = f.Readdirnames(1)
		f.Close()
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		d.add(check, fail, err.Error(), "artifacts are not found: it is made by the first log, or its file system is not mounted", "mkdir -p "+root)
		return
	case errors.Is(err, fs.ErrPermission):
		d.add(check, fail, err.Error(), "this user may not read the store", "chmod o+rx "+root)
		return
	case err != nil && err != io.EOF:
		d.add(check, fail, err.Error(), "the store cannot be read", "")
		return
	}
	before := time.Now()
	tmp, err := os.CreateTemp(root, ".artifactfs-doctor-")
	if err != nil {
		d.add(check, warn, err.Error(), "this user can read the store and not log to it: upstream's completion panel then shows no manifest path", "chgrp/chmod g+w "+root)
		return
	}
	fi, err := tmp.Stat()
	after := time.Now()
	tmp.Close()
	os.Remove(tmp.Name())
	d.add(check, fine, root+" can be read and written", "", "")
	if err != nil {
		return
	}
	d.clock(fi.ModTime(), before, after)
}

// clock compares the time at which the file server says a file was made with
// the time here.
func (d *doctor) clock(there, before, after time.Time) {
	const slack = 2 * time.Second // of servers that count in seconds, and of the kernel's tick
	skew := time.Duration(0)
	switch {
	case there.Before(before.Add(-slack)):
		skew = there.Sub(before)
	case there.After(after.Add(slack)):
		skew = there.Sub(after)
	}
	if skew != 0 {
		d.add("clock", warn, fmt.Sprintf("the store's file server is %v off", skew.Round(time.Second)),
			"ages are judged wrongly: of temporary files of dead writers, and of what verify finds changed", "timedatectl set-ntp true, here and there")
		return
	}
	d.add("clock", fine, "as the store's file server has it", "", "")
}

// roots looks at where data may lie.
func (d *doctor) roots(context.Context) {
	if d.cfg == nil {
		return
	}
	if len(d.cfg.DataRoots) == 0 {
		d.add("data_roots", warn, "not set", "a mount by root is root's own: to others it is Permission denied", "artifactfs.data_roots=[/lustre]")
	}
	for _, r := range d.cfg.DataRoots {
		d.remote("data root "+r, "data_root", r)
	}
	if d.cfg.StateRoot != "" {
		d.remote("state_root", "state_root", d.cfg.StateRoot)
	}
}

// state runs in a child: it looks whether state_root can take the pins of jobs.
func (d *doctor) state(path string) {
	const check, means = "state_root", "pins of jobs that the store refuses stay on this node, and another may read another latest"
	fi, err := os.Stat(path)
	switch {
	case err != nil:
		d.add(check, fail, err.Error(), means, "mkdir -p "+path)
	case !fi.IsDir():
		d.add(check, fail, path+" is no directory", means, "correct artifactfs.state_root")
	default:
		d.add(check, fine, path, "", "")
	}
}

// root runs in a child: it looks whether a data root is there, and whom its
// directories let in.
func (d *doctor) root(ctx context.Context, path string) {
	check := "data root " + path
	l := store.NewLocal(nil)
	p, err := l.Resolve(ctx, path)
	if err != nil {
		d.add(check, fail, oneLine(err), "no data below it can be read", "mount it, or correct artifactfs.data_roots")
		return
	}
	if fi, err := os.Stat(p.Path); err == nil && !fi.IsDir() {
		d.add(check, fail, "it is not a directory", "no data lies below it", "correct artifactfs.data_roots")
		return
	}
	if err := l.OpenToAll(ctx, p.Path, nil); err != nil {
		d.add(check, warn, oneLine(err), "no version below it is bound, and the kernel keeps no names of it: listings are slower", "chmod o+x, where everybody may know the names")
		return
	}
	d.add(check, fine, "every user may search it: all lanes", "", "")
}

// tracking looks at what upstream would put into a record made here.
func (d *doctor) tracking(context.Context) {
	if os.Getenv("NEMO_EXPERIMENT_ID") != "" || os.Getenv("SLURM_JOB_ID") == "" {
		return
	}
	d.add("producer", warn, "SLURM_JOB_ID is set and NEMO_EXPERIMENT_ID is not", "upstream records the producer \"local\"", "export NEMO_EXPERIMENT_ID=slurm_$SLURM_JOB_ID")
}
