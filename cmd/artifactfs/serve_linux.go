package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"artifactfs.dev/artifactfs/fs"
)

func (a *app) serveCmd() *cobra.Command {
	var file string
	c := &cobra.Command{
		Use:    "serve DIR",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, _ []string) error {
			unix.CloseOnExec(readyFD)
			unix.CloseOnExec(lockFD)
			up := os.NewFile(readyFD, "ready")
			s, err := readState(file)
			if err == nil {
				d := &daemon{s: s, log: newLogger(os.Stderr, s.Config.LogLevel)}
				err = d.serve(c.Context(), func() {
					fmt.Fprint(up, ready)
					up.Close()
				})
			}
			if err != nil {
				fmt.Fprint(up, oneLine(err)) // closed by then, if it was ready
			}
			return err
		},
	}
	c.Flags().StringVar(&file, "state", "", "state file")
	return c
}

// serveForeground is mount -f: this process is the daemon, and nobody watches it.
func (a *app) serveForeground(ctx context.Context, s *state, m *mountFlags, lk *os.File) error {
	out := os.Stderr
	if m.logFile != "" {
		f, err := os.OpenFile(m.logFile, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
		if err != nil {
			return fmt.Errorf("log file: %w", err)
		}
		defer f.Close()
		out = f
	}
	s.Daemon = os.Getpid()
	s.LogFile = m.logFile
	defer func() {
		if s.current() {
			_ = os.Remove(s.lockFile())
		}
		s.remove()
	}()
	d := &daemon{s: s, log: newLogger(out, s.Config.LogLevel)}
	return d.serve(ctx, func() {
		if err := s.save(); err != nil {
			d.log.Error("status and umount will not find this mount's state", "err", err)
		}
		r, st := newReport(s), d.server.Load().Status()
		r.Lane, r.Why = st.Lane, st.Why
		_ = a.reportMount(s.Dir, r)
	})
}

// heapGoal is where the garbage collector stops letting the heap double: what
// hostile records leave behind must not add up to the 300 MiB that we promise.
const heapGoal = 128 << 20

func limitMemory() {
	if debug.SetMemoryLimit(-1) == math.MaxInt64 { // GOMEMLIMIT is not set
		debug.SetMemoryLimit(heapGoal)
	}
}

// errAborted is a mount that ended without being unmounted: its connection was
// aborted. The supervisor mounts again.
var errAborted = errors.New("the kernel's connection was aborted")

// serve mounts, calls up when the tree can be read, and returns when the mount
// is gone: unmounted from outside, or by us on SIGTERM or SIGINT.
func (d *daemon) serve(ctx context.Context, up func()) error {
	limitMemory()
	stop := make(chan os.Signal, 2)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	signal.Ignore(syscall.SIGHUP, syscall.SIGPIPE)
	tree, err := d.open(ctx)
	if err != nil {
		return err
	}
	srv, err := fs.Mount(d.s.Dir, tree, &fs.Options{
		AllowOther: d.s.Options.AllowOther,
		Lane:       d.s.Config.Data,
		MaxBinds:   d.s.Config.MaxBinds,
		Debug:      d.s.Options.Debug,
		Log:        d.log,
	})
	if err != nil {
		return err
	}
	d.server.Store(srv)
	d.log.Info("mounted", "dir", d.s.Dir, "root", d.s.Config.Root, "lane", srv.Status().Lane, "shared", d.s.Options.AllowOther)
	up()
	gone := make(chan struct{})
	go func() {
		srv.Wait()
		close(gone)
	}()
	select {
	case <-gone:
		if check(d.s.Dir) == dead {
			return errAborted
		}
	case sig := <-stop:
		d.log.Info("unmounting", "dir", d.s.Dir, "signal", sig.String())
		d.unmount(srv, gone)
	}
	d.log.Info("unmounted", "dir", d.s.Dir)
	return nil
}

// unmount takes the mount away. What is still open in it loses us a moment later:
// whoever sent the signal wants the process gone.
func (d *daemon) unmount(srv *fs.Server, gone <-chan struct{}) {
	if err := srv.Unmount(); err == nil {
		<-gone
		return
	}
	for _, h := range holders(d.s.Dir) {
		d.log.Warn("still in use", "pid", h.PID, "command", h.Command, "what", h.What)
	}
	if err := srv.Detach(); err != nil {
		d.log.Error("cannot detach", "err", err)
		return
	}
	select {
	case <-gone:
	case <-time.After(time.Second):
	}
}
