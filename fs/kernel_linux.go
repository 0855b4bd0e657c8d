package fs

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Probe finds out what the kernel can do by trying, since distributions backport,
// and containers take away. It mounts nothing that anybody can see.
func Probe() *Kernel {
	k := &Kernel{Release: release()}
	add := func(name, since, gives string, err error) {
		f := Feature{Name: name, Since: since, Gives: gives, Have: err == nil}
		if err != nil {
			f.Why = err.Error()
		}
		k.Features = append(k.Features, f)
	}
	init, err := firstRequest()
	if err == nil {
		k.FUSE = fmt.Sprintf("%d.%d", init.major, init.minor)
	}
	add("copy", "4.18", "reads through the daemon", openable("/dev/fuse"))
	add("bind", "5.12", "versions served natively, by bind mounts made read-only in one step", bindable())
	add("takeover", "6.5", "take-over by a new daemon without a moment in between (move_mount beneath)", knowsBeneath())
	if err == nil && !init.passthrough() {
		err = errors.New("the kernel does not offer it (CONFIG_FUSE_PASSTHROUGH)")
	}
	add("passthrough", "6.9", "reads from the kernel itself, which go on when the daemon dies", err)
	return k
}

func release() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Release[:])
}

func openable(path string) error {
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: path, Err: err}
	}
	return unix.Close(fd)
}

func bindable() error {
	if why := unbindable(); why != "" {
		return errors.New(why)
	}
	return nil
}

// knowsBeneath asks with descriptors that are none: a kernel that does not know
// the flag says so before it looks at them.
func knowsBeneath() error {
	err := unix.MoveMount(-1, "", -1, "", unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH|moveBeneath)
	switch err {
	case unix.EBADF:
		return nil
	case unix.EPERM:
		return errors.New("only root can tell: move_mount needs CAP_SYS_ADMIN")
	}
	return os.NewSyscallError("move_mount beneath", err)
}

// initIn is the kernel's first request on a connection, FUSE_INIT: what it offers.
type initIn struct{ major, minor, flags, flags2 uint32 }

// passthrough is FUSE_PASSTHROUGH, bit 37, which counts with FUSE_INIT_EXT, bit 30.
func (i initIn) passthrough() bool { return i.flags&(1<<30) != 0 && i.flags2&(1<<(37-32)) != 0 }

// firstRequest makes a FUSE file system that is mounted nowhere, and reads what
// the kernel asks first.
func firstRequest() (in initIn, err error) {
	dev, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return in, &os.PathError{Op: "open", Path: "/dev/fuse", Err: err}
	}
	defer unix.Close(dev)
	fsfd, err := unix.Fsopen("fuse", unix.FSOPEN_CLOEXEC)
	if err == unix.EPERM {
		return in, errors.New("only root can have it: it needs CAP_SYS_ADMIN")
	} else if err != nil {
		return in, os.NewSyscallError("fsopen", err)
	}
	defer unix.Close(fsfd)
	for _, s := range [][2]string{
		{"source", "artifactfs"}, {"fd", strconv.Itoa(dev)}, {"rootmode", fmt.Sprintf("%o", syscall.S_IFDIR)},
		{"user_id", strconv.Itoa(os.Geteuid())}, {"group_id", strconv.Itoa(os.Getegid())},
	} {
		if err := unix.FsconfigSetString(fsfd, s[0], s[1]); err != nil {
			return in, os.NewSyscallError("fsconfig "+s[0], err)
		}
	}
	if err := unix.FsconfigCreate(fsfd); err != nil {
		return in, os.NewSyscallError("fsconfig create", err)
	}
	ready := []unix.PollFd{{Fd: int32(dev), Events: unix.POLLIN}}
	for end := time.Now().Add(time.Second); ; {
		n, err := unix.Poll(ready, 1000)
		if n > 0 {
			break
		}
		if err != unix.EINTR || time.Now().After(end) {
			return in, errors.New("the kernel asks nothing on a new connection")
		}
	}
	buf := make([]byte, 128<<10)
	n, err := unix.Read(dev, buf)
	if err != nil {
		return in, os.NewSyscallError("read /dev/fuse", err)
	}
	const header = 40 // struct fuse_in_header, its opcode at 4
	if n < header+12 || binary.NativeEndian.Uint32(buf[4:]) != opInit {
		return in, errors.New("the kernel does not begin with FUSE_INIT")
	}
	body := buf[header:n]
	in.major, in.minor = binary.NativeEndian.Uint32(body), binary.NativeEndian.Uint32(body[4:])
	if len(body) >= 20 { // major, minor, max_readahead, flags, flags2
		in.flags, in.flags2 = binary.NativeEndian.Uint32(body[12:]), binary.NativeEndian.Uint32(body[16:])
	}
	return in, nil
}

const opInit = 26
