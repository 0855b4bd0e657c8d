package main

import (
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

func (a *app) superviseCmd() *cobra.Command {
	var file string
	var adopt bool
	c := &cobra.Command{
		Use:    "supervise DIR",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(*cobra.Command, []string) error {
			named()
			s, err := readState(file)
			if err != nil {
				return err
			}
			return supervise(s, adopt)
		},
	}
	c.Flags().StringVar(&file, "state", "", "state file")
	c.Flags().BoolVar(&adopt, "adopt", false, "watch over the daemon that has started us")
	return c
}

// Files that mount hands to the supervisor, and the supervisor to each daemon.
const (
	readyFD = 3
	lockFD  = 4
	lineFD  = 5 // a pipe between the two that ends with the supervisor: see watch
)

// supervisor keeps one mount served.
type supervisor struct {
	s     *state
	log   *slog.Logger
	lock  *os.File
	stop  chan os.Signal
	hup   chan os.Signal
	pause time.Duration // before the next start; grows while daemons die young
}

// supervise starts the daemon, and starts it again when it dies. It ends when
// the mount was taken away in order, or on SIGTERM, and leaves nothing behind.
// With adopt the daemon is there already.
func supervise(s *state, adopt bool) error {
	unix.CloseOnExec(readyFD)
	unix.CloseOnExec(lockFD)
	up := os.NewFile(readyFD, "ready")
	v := &supervisor{s: s, log: newLogger(os.Stderr, s.Config.LogLevel), lock: os.NewFile(lockFD, "lock"), stop: make(chan os.Signal, 2), hup: make(chan os.Signal, 1)}
	signal.Notify(v.stop, syscall.SIGTERM, syscall.SIGINT)
	signal.Notify(v.hup, syscall.SIGHUP)
	signal.Ignore(syscall.SIGPIPE)
	s.Supervisor = os.Getpid()

	start := v.start
	if adopt {
		start = v.adopt
	}
	d, err := start()
	switch {
	case err == nil:
		defer v.cleanUp()
	case !adopt: // the mount of a daemon that is not ours is left alone
		defer v.giveUp()
	}
	if err != nil {
		fmt.Fprint(up, err)
		return errSilent
	}
	fmt.Fprint(up, ready)
	up.Close()
	for {
		began := time.Now()
		err, stopped := v.wait(d)
		if stopped || err == nil || !v.ours() {
			return nil
		}
		for {
			v.log.Error("the daemon died; mounting again", "dir", s.Dir, "cause", err)
			s.Restarts++
			s.LastDeath = fmt.Sprintf("%s: %v", time.Now().UTC().Format(time.RFC3339), err)
			if v.backOff(began) {
				return nil
			}
			began = time.Now()
			if d, err = v.start(); err == nil {
				break
			}
		}
	}
}

// start starts a daemon, and returns when it serves. It takes over from a dead
// one, whose mount stays until then: names in it are errors, never absent.
func (v *supervisor) start() (*served, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	watched, line, err := os.Pipe()
	if err != nil {
		w.Close()
		return nil, err
	}
	defer watched.Close()
	v.s.Daemon = 0
	d := again("serve", v.s)
	d.Stdout, d.Stderr = os.Stdout, os.Stderr
	d.ExtraFiles = []*os.File{w, v.lock, watched}
	if err = v.save(); err == nil {
		err = d.Start()
	}
	w.Close()
	if err == nil {
		err = answered(d, r)
	}
	if err != nil {
		line.Close()
		return nil, err
	}
	v.s.Daemon = d.Process.Pid
	return &served{d.Process, d.Wait, line}, v.save()
}

// save keeps the configuration that a daemon has written since: it may have been
// told to load it again.
func (v *supervisor) save() error {
	if now, err := readState(v.s.file); err == nil && now.Started.Equal(v.s.Started) {
		v.s.Config, v.s.Reload = now.Config, now.Reload
	}
	return v.s.save()
}

// wait returns when the daemon has ended; stopped, if we were asked to end it.
// A daemon that does not go when asked, since its storage hangs, is killed; one that
// then does not end is left to itself.
func (v *supervisor) wait(d *served) (err error, stopped bool) {
	defer d.line.Close()
	done := make(chan error, 1)
	go func() { done <- d.wait() }()
	var kill <-chan time.Time
	look := time.NewTicker(lookDying)
	defer look.Stop()
	for {
		select {
		case err := <-done:
			return err, stopped
		case <-look.C:
			if !dying(d.process.Pid) {
				continue
			}
			select {
			case err := <-done:
				return err, stopped
			case <-time.After(dies):
			}
			v.stuck()
			return errStuck, stopped
		case <-v.hup:
			_ = d.process.Signal(syscall.SIGHUP)
		case <-v.stop:
			stopped = true
			_ = d.process.Signal(syscall.SIGTERM)
			kill = time.After(10 * time.Second)
		case <-kill:
			v.log.Error("the daemon does not end; killing it", "dir", v.s.Dir)
			_ = detach(v.s.Dir)
			_ = d.process.Kill()
		}
	}
}

// backOff waits before another start: not at all the first time, then longer the
// more daemons die young, up to half a second: the mount is promised back
// within two.
// It reports whether it was told to stop.
func (v *supervisor) backOff(began time.Time) (stop bool) {
	if time.Since(began) > 30*time.Second {
		v.pause = 0
	}
	select {
	case <-v.stop:
		return true
	case <-time.After(v.pause):
	}
	v.pause = min(max(2*v.pause, 100*time.Millisecond), 500*time.Millisecond)
	return !v.ours()
}

// ours says whether the state file is still this supervisor's: umount --lazy
// takes it away, and then a dead daemon stays dead.
func (v *supervisor) ours() bool {
	return v.s.current()
}

// giveUp is cleanUp of a mount that did not come about: what serves there is another,
// which it was to replace.
func (v *supervisor) giveUp() {
	if check(v.s.Dir) == dead {
		v.cleanUp()
		return
	}
	if v.ours() {
		_ = os.Remove(v.s.lockFile())
	}
	v.s.remove()
}

func (v *supervisor) cleanUp() {
	if v.ours() {
		if err := detach(v.s.Dir); err != nil {
			v.log.Error("the mount stays", "dir", v.s.Dir, "err", err)
		} else {
			v.s.unpin()
		}
		_ = os.Remove(v.s.lockFile())
	}
	v.s.remove()
	v.log.Info("supervisor ended", "dir", v.s.Dir)
}
