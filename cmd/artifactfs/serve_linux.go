package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
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
			named()
			unix.CloseOnExec(readyFD)
			unix.CloseOnExec(lockFD)
			unix.CloseOnExec(lineFD)
			_ = unix.SetNonblock(lineFD, true) // to wait for it takes no thread then
			up := os.NewFile(readyFD, "ready")
			s, err := readState(file)
			if err == nil {
				d := newDaemon(s, os.Stderr)
				d.lock = lockFD
				err = d.serve(c.Context(), func() {
					fmt.Fprint(up, ready)
					up.Close()
					go d.watch(os.NewFile(lineFD, "line"))
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
		f, err := os.OpenFile(m.logFile, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o640) // it names artifacts that not every user may know of
		if err != nil {
			return fmt.Errorf("log file: %w", err)
		}
		defer f.Close()
		out = f
	}
	s.Daemon = os.Getpid()
	s.LogFile = m.logFile
	defer s.letGo()
	d := newDaemon(s, out)
	d.foreground = true
	return d.serve(ctx, func() {
		if err := s.save(); err != nil {
			d.log.Error("status and umount will not find this mount's state", "err", err)
		}
		m.settle(true)
		r, st := newReport(s), d.server.Load().Status()
		r.Lane, r.Why = st.Lane, st.Why
		r.Metrics = d.port.status().words()
		_ = a.reportMount(s.Dir, r)
		d.tellReady()
	})
}

// gcPercent lets the heap grow by a quarter between collections, not double: what
// hostile records leave behind must not add up to the 300 MiB that we promise. A
// fixed limit would do that too, and collect without end where the kernel keeps
// more names than fit below it (measured: 400,000 at 1 KiB each).
const gcPercent = 25

// gcSlack is counted as heap, and never touched, so it takes no memory: a quarter of it may
// be allocated between collections of a heap that is small. The buffers of reads would have
// one every few milliseconds, and be made anew after each.
const gcSlack = 32 << 20

// limitMemory returns what is to be kept for as long as its limits are to hold.
func limitMemory() (slack []byte) {
	if os.Getenv("GOGC") != "" {
		return nil
	}
	debug.SetGCPercent(gcPercent)
	return make([]byte, gcSlack)
}

// shareRecords keeps of the umask what it takes from others' writing. A writer's own
// umask counts for what it logs; where it cannot be seen, as from another pid
// namespace, the record is for all who may read the store: the shell that mounted may
// have been root's, with 077.
func shareRecords() {
	unix.Umask(unix.Umask(0o077) & 0o022)
}

// errAborted is a mount that ended without being unmounted: its connection was
// aborted. The supervisor mounts again.
var errAborted = errors.New("the kernel's connection was aborted")

// serve mounts, calls up when the tree can be read, and returns when the mount
// is gone: unmounted from outside, or by us on SIGTERM or SIGINT.
func (d *daemon) serve(ctx context.Context, up func()) error {
	defer runtime.KeepAlive(limitMemory())
	if d.s.Options.AllowOther {
		shareRecords()
	}
	stop := make(chan os.Signal, 2)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	signal.Ignore(syscall.SIGPIPE)
	d.openCache(d.s.Config)
	c, err := d.open(d.s.Config)
	if err != nil {
		return err
	}
	srv, err := d.mount(c)
	if err != nil {
		return err
	}
	defer d.stopPush()
	d.log.Info("mounted", "dir", d.s.Dir, "root", d.s.Config.Root, "lane", srv.Status().Lane, "shared", d.s.Options.AllowOther)
	d.port.set(c.cfg.Metrics)
	defer d.port.close()
	up()
	d.port.keep()
	for gone := ended(srv); ; {
		select {
		case <-gone:
			if check(d.s.Dir) == dead {
				return errAborted
			}
			d.log.Info("unmounted", "dir", d.s.Dir)
			d.leave()
			return nil
		case sig := <-stop:
			d.tellStopping()
			d.log.Info("unmounting", "dir", d.s.Dir, "signal", sig.String())
			d.unmount(d.server.Load(), gone)
			d.log.Info("unmounted", "dir", d.s.Dir)
			d.s.unpin()
			return nil
		case <-hup:
			d.tellReloading()
			if now := d.reloadConfig(); now != nil {
				old := gone
				d.older.Go(func() { <-old })
				gone = ended(now)
			}
			d.tellReady()
		}
	}
}

// ended is closed when the mount is gone.
func ended(srv *fs.Server) <-chan struct{} {
	gone := make(chan struct{})
	go func() {
		srv.Wait()
		close(gone)
	}()
	return gone
}

// leave waits for what is still open in the mounts that reloads took over from.
// Meanwhile the mount point is free for another.
func (d *daemon) leave() {
	d.s.letGo()
	d.older.Wait()
	d.s.unpin()
}

// unmount takes the mount away. What is still open in it loses us a moment later:
// whoever sent the signal wants the process gone.
func (d *daemon) unmount(srv *fs.Server, gone <-chan struct{}) {
	if err := srv.Unmount(); err != nil {
		for _, h := range holders(d.s.Dir) {
			d.log.Warn("still in use", "pid", h.PID, "command", h.Command, "what", h.What)
		}
		if err := srv.Detach(); err != nil {
			d.log.Error("cannot detach", "err", err)
			return
		}
	}
	select { // other mount namespaces may have it for ever
	case <-gone:
	case <-time.After(time.Second):
	}
}
