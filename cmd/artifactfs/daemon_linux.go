package main

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"artifactfs.dev/artifactfs/cmd/artifactfs/config"
	"artifactfs.dev/artifactfs/fs"
	"artifactfs.dev/artifactfs/internal/store"
	"artifactfs.dev/artifactfs/internal/store/cache"
)

// daemon is what serves one mount.
type daemon struct {
	s      *state
	log    *slog.Logger
	level  *slog.LevelVar
	server atomic.Pointer[fs.Server] // nil until it is mounted
	core   atomic.Pointer[core]
	reload atomic.Pointer[reloadStatus] // nil: never

	events  *events
	metrics *gauges
	port    *metricsPort
	kernel  func() *fs.Kernel // probed once

	cache    *cache.Cache // nil: none, and then
	cacheOff string       // says why, if there should be one

	foreground bool

	lock       int                   // the mount point's, open for as long as we live
	supervisor atomic.Int64          // its pid; 0: mount -f
	alone      atomic.Pointer[error] // why there is no supervisor any more

	endPush func() // ends the work on the outbox; nil: there is none

	older sync.WaitGroup // mounts that a reload took over from, while something is open in them
}

func newDaemon(s *state, logTo io.Writer) *daemon {
	d := &daemon{s: s, level: &slog.LevelVar{}, kernel: sync.OnceValue(fs.Probe)}
	d.level.Set(s.Config.LogLevel)
	d.events = &events{next: newLogger(logTo, d.level).Handler(), ring: &ring{}}
	d.log = slog.New(d.events)
	d.metrics = newMetrics(d)
	d.port = newMetricsPort(d.metrics.text, s.current, d.log)
	d.supervisor.Store(int64(s.Supervisor))
	return d
}

// openCache opens the cache that the configuration asks for, once for all trees that
// the daemon has. Without it everything is read as well, from the stores.
func (d *daemon) openCache(cfg *config.Config) {
	if cfg.CacheDir == "" {
		return
	}
	c, err := cache.Open(cfg.CacheDir, &cache.Options{Size: cfg.CacheSize, Deadline: d.deadline, Log: d.log})
	if err != nil {
		d.cacheOff = "nothing is kept of what is read from stores: " + err.Error()
		d.log.Error("nothing is kept of what is read from stores", "err", err)
		return
	}
	d.cache = c
}

// deadline is that of any call, as the configuration in force has it.
func (d *daemon) deadline() time.Duration {
	if c := d.core.Load(); c != nil {
		return cmp.Or(c.cfg.Deadline, store.DefaultDeadline)
	}
	return store.DefaultDeadline
}

// open opens the tree that is to be mounted.
func (d *daemon) open(cfg *config.Config) (*core, error) {
	c, err := openCore(cfg, coreOptions{
		Log: d.log, Cache: d.cache, Lane: cfg.Data,
		// A shared mount acts for many users. Another acts for its own user alone.
		AsCaller: d.s.Options.AllowOther && os.Geteuid() == 0,
		Own:      func() []string { return []string{d.s.Dir} },
		Mounts:   func() []string { return []string{d.s.Dir} },
		Status:   d.status,
		Metrics:  d.metrics.text,
		Events:   d.events.text,
		Logged:   d.metrics.logged,
		Config:   func() []byte { return d.core.Load().configText() },
		Producer: callerProducer,
		Job:      callerJob,
		NodePins: d.s.pinsDir(),
		Warm: func(_ context.Context, name string, n int) error {
			if srv := d.server.Load(); srv != nil {
				ctx, cancel := context.WithTimeout(context.Background(), d.deadline()) // as ourselves: it is for everybody
				defer cancel()
				return srv.Warm(ctx, name, n)
			}
			return errors.New("the mount is not there yet")
		},
	})
	if err == nil && reachable(cfg) == nil {
		err = c.settle(context.Background())
	}
	if err == nil {
		d.core.CompareAndSwap(nil, c) // who is quick asks for the status as soon as the mount is there
	}
	return c, err
}

// noBinds says why no version is to be bound, if none is: what is bound is read without
// anybody being asked, and so without being seen.
func noBinds(cfg *config.Config) string {
	if cfg.Lineage == "complete" {
		return `lineage = "complete" is set`
	}
	return ""
}

// mount mounts a tree, taking over from what is mounted there.
func (d *daemon) mount(c *core) (*fs.Server, error) {
	srv, err := fs.Mount(d.s.Dir, c.tree, &fs.Options{
		AllowOther: d.s.Options.AllowOther,
		Lane:       c.cfg.Data,
		MaxBinds:   c.cfg.MaxBinds,
		NoBinds:    noBinds(c.cfg),
		Debug:      d.s.Options.Debug,
		ReadOnly:   d.s.Options.ReadOnly,
		NoExec:     d.s.Options.NoExec,
		Source:     d.s.Options.Source,
		Log:        d.log,
	})
	if err != nil {
		return nil, err
	}
	d.server.Store(srv)
	d.core.Store(c)
	d.startPush(c)
	return srv, nil
}

// startPush has the outbox of a core worked on, in place of that of the core before.
func (d *daemon) startPush(c *core) {
	d.stopPush()
	if c.push == nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.push.Run(ctx)
	}()
	d.endPush = func() {
		cancel()
		c.push.Close()
		<-done
	}
}

// stopPush returns when nothing is sent any more. What is left lies in the outbox.
func (d *daemon) stopPush() {
	if d.endPush != nil {
		d.endPush()
		d.endPush = nil
	}
}

// status is what .artifactfs/status shows.
func (d *daemon) status(ctx context.Context) any {
	c := d.core.Load()
	doc := c.status(ctx)
	doc.Mountpoint = d.s.Dir
	doc.PID, doc.Supervisor = os.Getpid(), int(d.supervisor.Load())
	doc.Started, doc.Restarts, doc.LastDeath = d.s.Started, d.s.Restarts, d.s.LastDeath
	doc.LogFile = d.s.LogFile
	doc.Place, _ = place()
	doc.Shared = d.s.Options.AllowOther
	doc.Reload = d.reload.Load()
	k := d.kernel()
	doc.Kernel, doc.Features = k.Release, k.Features
	if srv := d.server.Load(); srv != nil {
		st := srv.Status()
		doc.Lane, doc.Why = st.Lane, st.Why
		for _, v := range st.Versions {
			doc.version(v.Name, v.Version).lane(v.Lane, v.Why)
		}
		for dev, why := range st.Refused {
			doc.Refused = append(doc.Refused, refusal{dev, why})
		}
	}
	if why := d.alone.Load(); why != nil {
		doc.Warnings = append(doc.Warnings, (*why).Error())
	}
	if d.cache != nil {
		u := d.cache.Usage()
		doc.Cache = &cacheStatus{d.cache.Dir(), u.Objects, u.Used, u.Limit, u.Trouble}
		if !d.cache.First() {
			doc.Warnings = append(doc.Warnings, "another process has the cache open: what this mount keeps lies beside that, and takes as much again, in "+d.cache.Dir())
		}
	}
	doc.Metrics = d.port.status()
	if d.cacheOff != "" {
		doc.Warnings = append(doc.Warnings, d.cacheOff)
	}
	if !seesAll(ctx) {
		c.hide(ctx, doc)
	} else if c.push != nil {
		doc.Outbox, _ = c.push.List()
	}
	c.warn(ctx, doc)
	if c.src != nil {
		c.job(ctx, doc)
	}
	return doc
}
