package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// served is a daemon as its supervisor sees it.
type served struct {
	process *os.Process
	wait    func() error // returns when it has ended; nil: in order
	line    *os.File     // the daemon holds the other end, and notices when we are gone
}

// adopt makes the daemon that has started us ours: its supervisor is gone. How
// it ends is not told to us; that it left a dead mount says enough.
func (v *supervisor) adopt() (*served, error) {
	pid := os.Getppid()
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil, os.NewSyscallError("pidfd_open", err)
	}
	if os.Getppid() != pid {
		unix.Close(fd)
		return nil, errors.New("the daemon has ended")
	}
	process, err := os.FindProcess(pid)
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	unix.CloseOnExec(lineFD)
	v.s.Daemon = pid
	wait := func() error {
		defer unix.Close(fd)
		for {
			if _, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, -1); err != unix.EINTR {
				break
			}
		}
		if check(v.s.Dir) == dead {
			return errors.New("it left a dead mount")
		}
		return nil
	}
	return &served{process, wait, os.NewFile(lineFD, "line")}, v.save()
}

// settleDown is how long a daemon whose supervisor has died waits: somebody may be
// about to end both.
const settleDown = 300 * time.Millisecond

// watch has the mount watched over by a new supervisor when the one there is has
// died; line comes to its end then.
func (d *daemon) watch(line *os.File) {
	for {
		_, _ = io.Copy(io.Discard, line)
		line.Close()
		time.Sleep(settleDown)
		if !d.s.current() { // the mount is being taken away, or has been replaced
			d.abandoned()
			return
		}
		var err error
		if line, err = d.startSupervisor(); err != nil {
			err = fmt.Errorf("its supervisor is gone, and another cannot be started: %w; nobody brings this mount back if its daemon dies: artifactfs mount --replace %s", err, d.s.Dir)
			d.log.Error(err.Error())
			d.alone.Store(&err)
			return
		}
	}
}

// abandoned ends a mount that nobody knows of: whoever made it has given up waiting
// for it, and was told that it failed.
func (d *daemon) abandoned() {
	if _, err := os.Stat(d.s.file); !errors.Is(err, os.ErrNotExist) {
		return // there is another, which takes this one's place
	}
	if err := d.server.Load().Detach(); err != nil {
		d.log.Error("a mount that nobody watches over stays", "dir", d.s.Dir, "err", err)
	}
}

// startSupervisor starts a supervisor for this daemon. line ends when that dies.
func (d *daemon) startSupervisor() (line *os.File, err error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	line, held, err := os.Pipe()
	if err != nil {
		w.Close()
		return nil, err
	}
	defer held.Close()
	lock, err := unix.FcntlInt(uintptr(d.lock), unix.F_DUPFD_CLOEXEC, 0) // a File closes what it is made of
	if err != nil {
		w.Close()
		line.Close()
		return nil, os.NewSyscallError("dup", err)
	}
	lk := os.NewFile(uintptr(lock), "lock")
	defer lk.Close()
	c := again("supervise", d.s)
	c.Args = append(c.Args, "--adopt")
	c.Stdout, c.Stderr = os.Stdout, os.Stderr
	c.ExtraFiles = []*os.File{w, lk, held}
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = c.Start()
	w.Close()
	if err == nil {
		err = answered(c, r)
	}
	if err != nil {
		line.Close()
		return nil, err
	}
	go func() { _ = c.Wait() }() // it is our child until we die
	d.supervisor.Store(int64(c.Process.Pid))
	d.log.Warn("the supervisor died; there is another", "dir", d.s.Dir, "pid", c.Process.Pid)
	return line, nil
}

// answered waits for a child to be ready, or to have ended instead.
func answered(c *exec.Cmd, r io.Reader) error {
	answer, _ := io.ReadAll(io.LimitReader(r, 64<<10))
	if string(answer) == ready {
		return nil
	}
	err := c.Wait()
	if len(answer) > 0 {
		err = errors.New(string(answer))
	}
	if err == nil {
		err = errors.New("it ended before it was ready")
	}
	return err
}
