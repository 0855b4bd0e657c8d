package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/moby/sys/mountinfo"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"artifactfs.dev/artifactfs/fs"
)

// mountPoints returns where artifactfs is mounted in this namespace, in order. A
// directory is there once: it may have two mounts, one that has taken over from the
// other, or one that came by propagation below a directory that is bound to itself.
func mountPoints() ([]string, error) {
	infos, err := mountinfo.GetMounts(func(i *mountinfo.Info) (skip, stop bool) { return i.FSType != fs.Type, false })
	if err != nil {
		return nil, err
	}
	var out []string
	for _, i := range infos {
		if !slices.Contains(out, i.Mountpoint) {
			out = append(out, i.Mountpoint)
		}
	}
	return out, nil
}

// topMount returns the type of what is mounted on top at exactly dir; "" if nothing is.
func topMount(dir string) (string, error) {
	top, err := fs.Top(dir)
	if err != nil || top == nil {
		return "", err
	}
	return top.FSType, nil
}

// health is what a mount answers.
type health int

const (
	notMounted health = iota
	dead              // ENOTCONN: its daemon is gone
	hung              // no answer in time
	serving
)

// check asks the mount at dir.
func check(dir string) health {
	if t, err := topMount(dir); err != nil || t != fs.Type {
		return notMounted
	}
	switch _, err := ask(dir, 3*time.Second); {
	case errors.Is(err, errNoAnswer):
		return hung
	case err != nil:
		return dead
	}
	return serving
}

// covered is an error if there is a mount at dir that its path does not lead to.
func covered(dir string) error {
	if !fs.Covered(dir) {
		return nil
	}
	return fmt.Errorf("%s is mounted, and hidden below what was mounted later over a directory above it; findmnt -T %s shows that: unmount it, and mount it first", dir, dir)
}

// closedTo says whose mount it is that the kernel shows to nobody else; "" if it may
// be looked into.
func closedTo(dir string) string {
	m, err := fs.Top(dir)
	if err != nil || m == nil || mayLook(m, outside(os.Geteuid())) {
		return ""
	}
	return fmt.Sprintf("it is the own mount of user %d, who does not share it: nobody else sees into it, root not excepted", mounter(m))
}

var errNoAnswer = errors.New("its daemon does not answer")

// ask has a child look into a mount: at path as a file system, or with more
// arguments as probe takes them. Its daemon may be stuck, and then whoever asked
// cannot be killed, nor end, before the connection is aborted
// (request_wait_answer in the kernel): the child is left to that.
func ask(path string, wait time.Duration, more ...string) ([]byte, error) {
	var out, said bytes.Buffer
	child := self(append([]string{"probe", path}, more...)...)
	child.Stdout, child.Stderr = &out, &said
	if err := child.Start(); err != nil {
		return nil, err
	}
	answer := make(chan error, 1)
	go func() { answer <- child.Wait() }()
	select {
	case err := <-answer:
		if why := strings.TrimPrefix(strings.TrimSpace(said.String()), "artifactfs: "); err != nil && why != "" {
			err = errors.New(why) // the child's exit status says nothing
		}
		return out.Bytes(), err
	case <-time.After(wait):
		_ = child.Process.Kill()
		return nil, errNoAnswer
	}
}

// probeCmd is that child. It fails if the mount's daemon is gone.
func probeCmd() *cobra.Command {
	var read bool
	c := &cobra.Command{
		Use:    "probe PATH",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if read {
				b, err := os.ReadFile(args[0])
				_, _ = os.Stdout.Write(b)
				return err
			}
			var st unix.Statfs_t
			if err := unix.Statfs(args[0], &st); err == unix.ENOTCONN || err == unix.ECONNABORTED {
				return err
			}
			return nil
		},
	}
	c.Flags().BoolVar(&read, "read", false, "print the file")
	return c
}

// self runs this program as one of its hidden commands. /proc/self/exe is this
// binary even when the file has been replaced by an upgrade.
func self(args ...string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Args[0] = "artifactfs"
	cmd.Dir = "/" // hold no directory
	return cmd
}

// named has ps, top and pgrep call this process artifactfs, and not exe, as the kernel
// does after self.
func named() { _ = os.WriteFile("/proc/self/comm", []byte("artifactfs"), 0) }

// canonical is dir as mountinfo has it: absolute, without links. A dead mount
// cannot be looked into, so its own name is not followed.
func canonical(dir string) (string, error) {
	if dir == "" { // "$DIR", unset, is not this directory
		return "", errors.New("the directory's name is empty")
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if abs == "/" {
		return "", errors.New("cannot mount over /")
	}
	parent, err := filepath.EvalSymlinks(filepath.Dir(abs))
	if err != nil {
		return "", err
	}
	abs = filepath.Join(parent, filepath.Base(abs))
	if t, err := topMount(abs); err == nil && t == fs.Type {
		return abs, nil
	}
	if real, err := filepath.EvalSymlinks(abs); err == nil {
		return real, nil
	}
	return abs, nil
}

// detach takes every artifactfs mount off dir, whatever is open in it.
func detach(dir string) error {
	for range 100 {
		t, err := topMount(dir)
		if err != nil || t != fs.Type {
			return err
		}
		if err := unmountNow(dir, unix.MNT_DETACH); err != nil {
			return err
		}
	}
	return fmt.Errorf("%s: mounts keep appearing here", dir)
}

// unmountNow unmounts dir; without privilege fusermount3 does. What it says is
// turned back into the errno that it stands for.
func unmountNow(dir string, flags int) error {
	if os.Geteuid() == 0 {
		if err := unix.Unmount(dir, flags|unix.UMOUNT_NOFOLLOW); err != nil {
			return &os.PathError{Op: "umount", Path: dir, Err: err}
		}
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	args := []string{"-u"}
	if flags&unix.MNT_DETACH != 0 {
		args = append(args, "-z")
	}
	bin, err := exec.LookPath("fusermount3")
	if err != nil {
		return fmt.Errorf("fusermount3 is not installed (Debian: apt install fuse3)")
	}
	out, err := exec.CommandContext(ctx, bin, append(args, dir)...).CombinedOutput()
	if err == nil {
		return nil
	}
	switch msg := strings.TrimSpace(string(out)); {
	case strings.Contains(msg, "busy"):
		return &os.PathError{Op: "umount", Path: dir, Err: unix.EBUSY}
	case strings.Contains(msg, "not permitted"), strings.Contains(msg, "must be"):
		return &os.PathError{Op: "umount", Path: dir, Err: unix.EPERM}
	case strings.Contains(msg, "not found in"): // it looks only among the caller's own mounts
		if top, err := topMount(dir); err == nil && top == fs.Type {
			return &os.PathError{Op: "umount", Path: dir, Err: unix.EPERM}
		}
		return &os.PathError{Op: "umount", Path: dir, Err: unix.EINVAL}
	default:
		return errors.New(msg)
	}
}

// userAllowOther says whether /etc/fuse.conf lets users share their mounts.
func userAllowOther() bool {
	f, err := os.Open("/etc/fuse.conf")
	if err != nil {
		return false
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if strings.TrimSpace(s.Text()) == "user_allow_other" {
			return true
		}
	}
	return false
}

// pruneStates removes the state of mounts that are gone with all that served
// them. Where the machine was restarted or a container ended, nobody else does.
func pruneStates() {
	for _, s := range states() {
		if filepath.Dir(s.file) == runDir() && !s.held() && check(s.Dir) == notMounted {
			s.unpin()
			_ = os.Remove(s.file)
			_ = os.Remove(s.lockFile())
		}
	}
}
