package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"artifactfs.dev/artifactfs/fs"
	"artifactfs.dev/artifactfs/resolver"
)

// daemon is what serves one mount.
type daemon struct {
	s      *state
	log    *slog.Logger
	server atomic.Pointer[fs.Server] // nil until it is mounted
	core   *core
}

// open opens the tree that is to be mounted.
func (d *daemon) open(context.Context) (*resolver.Tree, error) {
	c, err := openCore(d.s.Config, coreOptions{
		Log: d.log, Lane: d.s.Config.Data,
		// A shared mount acts for many users. Another acts for its own user alone.
		AsCaller: d.s.Options.AllowOther && os.Geteuid() == 0,
		Own:      func() []string { return []string{d.s.Dir} },
		Mounts:   func() []string { return []string{d.s.Dir} },
		Status:   d.status,
		Producer: callerProducer,
		Warm: func(ctx context.Context, name string, n int) error {
			if srv := d.server.Load(); srv != nil {
				return srv.Warm(context.WithoutCancel(ctx), name, n)
			}
			return errors.New("the mount is not there yet")
		},
	})
	if err != nil {
		return nil, err
	}
	d.core = c
	return c.tree, nil
}

// status is what .artifactfs/status shows.
func (d *daemon) status(ctx context.Context) any {
	doc := d.core.status(ctx)
	doc.Mountpoint = d.s.Dir
	doc.PID, doc.Supervisor = os.Getpid(), d.s.Supervisor
	doc.Started, doc.Restarts, doc.LastDeath = d.s.Started, d.s.Restarts, d.s.LastDeath
	doc.LogFile = d.s.LogFile
	doc.Shared = d.s.Options.AllowOther
	doc.Kernel = kernelRelease()
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
	d.core.warn(ctx, doc)
	return doc
}

func kernelRelease() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Release[:])
}
