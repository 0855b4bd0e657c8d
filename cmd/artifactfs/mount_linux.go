package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

// mountFlags are mount's own.
type mountFlags struct {
	foreground bool
	logFile    string
	options    []string // -o, as mount(8) has it
	allowOther bool
	debug      bool
	readOnly   bool
	noExec     bool
	fake       bool   // mount(8)'s -f: everything but the mount
	source     string // as mountinfo shows it; "": the file system's name
	config     string // -o config=, for fstab, where no flag can be
	job        string
	replace    bool
	settle     func(ok bool) // tells the mount that is replaced how it went; more than once is once
}

// mountCmds are the commands that only Linux has.
func (a *app) mountCmds() []*cobra.Command {
	return []*cobra.Command{a.mountCmd(), a.umountCmd(), a.warmCmd(), a.reloadCmd(), a.doctorCmd(), examineCmd(), a.superviseCmd(), a.serveCmd(), probeCmd()}
}

func (a *app) mountCmd() *cobra.Command {
	var m mountFlags
	c := &cobra.Command{
		Use:   "mount DIR [KEY=VALUE...]",
		Short: "Mount the store at DIR",
		Long: `Mount the store at DIR and return when it can be read. A supervisor stays behind
and brings the mount back if its daemon dies; artifactfs umount DIR ends both.

KEY=VALUE arguments override env.toml: artifacts.manifest.root=/lustre/artifacts,
artifacts.wandb=false, artifactfs.data=copy, artifactfs.data_roots=[/lustre]. With -o, and so
in fstab, the keys of [artifactfs] need no prefix (data=copy), and config=FILE, job=FILE and
log_file=FILE are the flags of those names.

With -f, SIGHUP reads the configuration again, SIGTERM unmounts, and systemd is told when the
tree can be read (Type=notify).`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: completeMount,
		RunE: func(c *cobra.Command, args []string) error {
			plain, dotlist := mountArgs(args)
			if len(plain) == 0 {
				return usagef("mount expects one directory, got none; see %s --help", c.CommandPath())
			}
			if len(plain) > 1 {
				return usagef("mount expects one directory and KEY=VALUE settings, got %q", args)
			}
			more, err := m.parseOptions()
			if err != nil {
				return err
			}
			if m.source != "" { // mount(8) says nothing either
				a.out = io.Discard
			}
			a.configFile, a.job = cmp.Or(m.config, a.configFile), cmp.Or(m.job, a.job)
			return a.mount(c.Context(), plain[0], append(more, dotlist...), &m)
		},
	}
	f := c.Flags()
	f.BoolVarP(&m.foreground, "foreground", "f", false, "stay in the foreground and serve until SIGTERM")
	f.StringVar(&m.logFile, "log-file", "", "where the daemon logs (default /var/log/artifactfs, or XDG_STATE_HOME)")
	f.StringArrayVarP(&m.options, "options", "o", nil, "mount options, as mount(8) gives them")
	f.BoolVar(&m.allowOther, "allow-other", false, "share the mount with every user; needs artifactfs.data_roots")
	f.BoolVar(&m.replace, "replace", false, "take over from the mount that is at DIR: names lead into the new one at once, and the\nold daemon leaves when the last file open in it is closed")
	f.BoolVar(&m.fake, "fake", false, "check everything and mount nothing")
	f.BoolVar(&m.debug, "debug", false, "log every request")
	return c
}

// mountArgs takes every argument with a = in it for a setting, known or not: a
// typo is to be named as one, not to become a second directory.
func mountArgs(args []string) (plain, dotlist []string) {
	for _, arg := range args {
		if strings.Contains(arg, "=") && !strings.Contains(strings.SplitN(arg, "=", 2)[0], "/") {
			dotlist = append(dotlist, arg)
		} else {
			plain = append(plain, arg)
		}
	}
	return plain, dotlist
}

// mount is the whole command: check, then serve here or leave it to a supervisor.
func (a *app) mount(ctx context.Context, where string, dotlist []string, m *mountFlags) error {
	from, err := a.configFrom(dotlist)
	if err != nil {
		return err
	}
	cfg, err := from.load()
	if err != nil {
		return err
	}
	dir, err := canonical(where)
	if err != nil {
		return fmt.Errorf("mount %s: %w", where, err)
	}
	s := &state{Dir: dir, Started: time.Now(), Config: cfg, From: from, file: stateFile(dir), Options: mountOptions{
		// A mount by root is shared as soon as it is said where data may lie.
		AllowOther: m.allowOther || os.Geteuid() == 0 && len(cfg.DataRoots) > 0,
		Debug:      m.debug,
		ReadOnly:   m.readOnly,
		NoExec:     m.noExec,
		Source:     m.source,
	}}
	if s.Place, err = place(); err != nil {
		return fmt.Errorf("mount %s: %w", where, err)
	}
	if err := mayShare(s); err != nil {
		return err
	}
	if err := covers(dir, cfg); err != nil {
		return err
	}
	if m.fake {
		return mountable(dir)
	}
	pruneStates()
	lk, done, settle, err := a.claim(s, m.replace)
	if err != nil || done {
		return err
	}
	defer lk.Close()
	m.settle = settle
	err = a.mountClaimed(ctx, s, m, lk)
	settle(err == nil)
	if err == nil && !m.foreground {
		tellUmount(dir, m.source)
	}
	return err
}

// mountClaimed mounts where nobody else does.
func (a *app) mountClaimed(ctx context.Context, s *state, m *mountFlags, lk *os.File) error {
	dir, cfg := s.Dir, s.Config
	if err := mountable(dir); err != nil {
		return err
	}
	if m.replace && !cfg.Embedded && check(dir) == serving {
		if err := reachable(cfg); err != nil {
			return fmt.Errorf("the mount at %s stays: the manifest root cannot be read now: %w", dir, err)
		}
	}
	if err := a.prepareRoot(cfg); err != nil {
		return err
	}
	if m.foreground {
		return a.serveForeground(ctx, s, m, lk)
	}
	return a.mountBackground(s, m, lk)
}

// mayShare refuses to share a mount that is not confined: any container's root
// could read the host's files by a record that points at them.
func mayShare(s *state) error {
	if !s.Options.AllowOther {
		return nil
	}
	if len(s.Config.DataRoots) == 0 {
		return errors.New("allow_other shares the mount with every user, and needs artifactfs.data_roots to say where data may lie: artifactfs.data_roots=[/lustre]")
	}
	if os.Geteuid() != 0 && !userAllowOther() {
		return errors.New("allow_other by a user needs the line user_allow_other in /etc/fuse.conf")
	}
	return nil
}

// mountBackground starts the supervisor and waits until it says the tree can be
// read, or why not.
func (a *app) mountBackground(s *state, m *mountFlags, lk *os.File) error {
	logName, err := logPath(m.logFile, s.Dir)
	if err != nil {
		return err
	}
	s.LogFile = logName
	logTo, err := os.OpenFile(logName, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o640) // it names artifacts that not every user may know of
	if err != nil {
		return fmt.Errorf("log file: %w; name another with --log-file", err)
	}
	defer logTo.Close()
	if err := s.save(); err != nil {
		return err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	cmd := again("supervise", s)
	cmd.Stdout, cmd.Stderr = logTo, logTo
	cmd.ExtraFiles = []*os.File{w, lk}
	// A session of its own: no terminal, and none of its signals.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		w.Close()
		s.remove()
		return err
	}
	w.Close()
	answer, _ := io.ReadAll(io.LimitReader(r, 64<<10))
	if string(answer) != ready {
		_ = cmd.Wait()
		if len(answer) == 0 && survived(s, cmd.Process.Pid, lk) {
			answer = []byte(ready)
		}
	}
	if string(answer) != ready {
		s.remove()
		if msg := strings.TrimSpace(string(answer)); msg != "" {
			if strings.Contains(msg, "fusermount") { // what it said went to the log
				msg += "; see " + logName
			}
			return errors.New(msg)
		}
		return fmt.Errorf("mount %s: the daemon died before it was ready; see %s", s.Dir, logName)
	}
	if now, err := readState(s.file); err == nil {
		s = now
	}
	return a.reportMount(s.Dir, askReport(s))
}

// ready is what comes through the pipe when the tree can be read; anything else
// is an error's text.
const ready = "ready\n"

// again starts what keeps the mount going.
func again(command string, s *state) *exec.Cmd {
	return self(command, "--state", s.file, s.Dir)
}
