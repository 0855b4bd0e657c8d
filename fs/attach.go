//go:build linux

package fs

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// moveBeneath is MOVE_MOUNT_BENEATH: attach below what is mounted there (Linux 6.5).
const moveBeneath = 0x200

// detached is a FUSE mount that is in no directory yet.
type detached struct {
	dev int // /dev/fuse, connected to it
	mnt int // the mount
}

// newDetached makes one by the mount API of Linux 5.2. To have the mount before it
// can be seen is what lets a new daemon take over from a dead one at once.
func newDetached(o *Options, maxRead int) (d *detached, err error) {
	dev, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("open /dev/fuse", err)
	}
	defer func() {
		if err != nil {
			unix.Close(dev)
		}
	}()
	fsfd, err := unix.Fsopen("fuse", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("fsopen", err)
	}
	defer unix.Close(fsfd)
	settings := [][2]string{
		{"source", o.source()}, {"subtype", "artifactfs"}, {"fd", strconv.Itoa(dev)},
		{"rootmode", fmt.Sprintf("%o", syscall.S_IFDIR)}, {"user_id", strconv.Itoa(os.Geteuid())},
		{"group_id", strconv.Itoa(os.Getegid())}, {"max_read", strconv.Itoa(maxRead)},
	}
	for _, s := range settings {
		if err := unix.FsconfigSetString(fsfd, s[0], s[1]); err != nil {
			return nil, os.NewSyscallError("fsconfig "+s[0], err)
		}
	}
	if o.AllowOther {
		if err := unix.FsconfigSetFlag(fsfd, "allow_other"); err != nil {
			return nil, os.NewSyscallError("fsconfig allow_other", err)
		}
	}
	if err := unix.FsconfigCreate(fsfd); err != nil {
		return nil, os.NewSyscallError("fsconfig create", err)
	}
	mnt, err := unix.Fsmount(fsfd, unix.FSMOUNT_CLOEXEC, int(o.attrs()))
	if err != nil {
		return nil, os.NewSyscallError("fsmount", err)
	}
	return &detached{dev: dev, mnt: mnt}, nil
}

// beneath attaches d below the mount at dir, where nobody sees it before that one
// goes.
func (d *detached) beneath(dir string) error {
	return unix.MoveMount(d.mnt, "", unix.AT_FDCWD, dir, unix.MOVE_MOUNT_F_EMPTY_PATH|moveBeneath)
}

// attach attaches d at dir, over whatever is mounted there.
func (d *detached) attach(dir string) error {
	return os.NewSyscallError("move_mount", unix.MoveMount(d.mnt, "", unix.AT_FDCWD, dir, unix.MOVE_MOUNT_F_EMPTY_PATH))
}

// old is a mount of artifactfs that a new one takes over from.
type old struct {
	id    int
	binds []string // what is bound in it: NAME/vN
}

// oldAt returns the mount of artifactfs on top at dir, nil if there is none.
func oldAt(dir string) (*old, error) {
	infos, err := mountinfo.GetMounts(mountinfo.PrefixFilter(dir))
	if err != nil {
		return nil, err
	}
	top := onTop(infos, dir)
	if top == nil || top.FSType != Type {
		return nil, nil
	}
	return &old{top.ID, bindsIn(infos, top.ID, dir)}, nil
}

// bindsIn returns what is mounted in one of the mounts at dir.
func bindsIn(infos []*mountinfo.Info, id int, dir string) (binds []string) {
	for _, i := range infos {
		if i.Parent == id && i.Mountpoint != dir {
			binds = append(binds, i.Mountpoint[len(dir)+1:])
		}
	}
	return binds
}

// shed makes a stack of dead mounts as low as it can be. A daemon that died between
// attaching its mount beneath a dead one and taking that away left two, and nothing
// can be taken away from below another: so the upper ones go before a third comes.
// What is bound in an upper one alone is an error until the new mount is there, a
// moment later; and lost, unless it has been taken over: if it has not, they stay.
func shed(dir string, taken bool) error {
	for {
		infos, err := mountinfo.GetMounts(mountinfo.PrefixFilter(dir))
		if err != nil {
			return err
		}
		top := onTop(infos, dir)
		if top == nil || top.FSType != Type {
			return nil
		}
		below := slices.IndexFunc(infos, func(i *mountinfo.Info) bool {
			return i.ID == top.Parent && i.Mountpoint == dir && i.FSType == Type
		})
		if below < 0 || !isDead(dir) {
			return nil
		}
		kept := bindsIn(infos, infos[below].ID, dir)
		for _, b := range bindsIn(infos, top.ID, dir) {
			if !taken && !slices.Contains(kept, b) {
				return nil
			}
		}
		if err := detach(dir); err != nil {
			return err
		}
	}
}

// isDead reports whether the mount on top at dir has lost its daemon. One that
// does not answer has not; a dead one is told at once, but on a busy machine that can
// take a while.
func isDead(dir string) bool {
	dead := make(chan bool, 1)
	go func() {
		var st unix.Statfs_t
		dead <- unix.Statfs(dir, &st) == unix.ENOTCONN
	}()
	select {
	case d := <-dead:
		return d
	case <-time.After(2 * time.Second):
		return false
	}
}

// Top returns the mount that is on top at dir, nil if none is.
func Top(dir string) (*mountinfo.Info, error) {
	infos, err := mountinfo.GetMounts(mountinfo.PrefixFilter(dir))
	if err != nil {
		return nil, err
	}
	return onTop(infos, dir), nil
}

// Binds returns the mount points in the mount of artifactfs at dir.
func Binds(dir string) ([]string, error) {
	o, err := oldAt(dir)
	if err != nil || o == nil {
		return nil, err
	}
	var points []string
	for _, b := range o.binds {
		points = append(points, dir+"/"+b)
	}
	return points, nil
}

// onTop finds the mount at dir that no other lies on. The order of mountinfo does
// not tell: a mount that was attached beneath another has the higher number. There is
// more than one where the directory above is bound to itself and both share what is
// mounted below: then it is the one that a path leads to.
func onTop(infos []*mountinfo.Info, dir string) *mountinfo.Info {
	covered := make(map[int]bool)
	for _, i := range infos {
		if i.Mountpoint == dir {
			covered[i.Parent] = true
		}
	}
	var tops []*mountinfo.Info
	for _, i := range infos {
		if i.Mountpoint == dir && !covered[i.ID] {
			tops = append(tops, i)
		}
	}
	if len(tops) > 1 {
		id := mountID(dir)
		if k := slices.IndexFunc(tops, func(i *mountinfo.Info) bool { return i.ID == id }); k >= 0 {
			return tops[k]
		}
	}
	if len(tops) == 0 {
		return nil
	}
	return tops[len(tops)-1]
}

// Covered reports whether the mount of artifactfs at dir cannot be reached by that
// path: something was mounted later over a directory above it.
func Covered(dir string) bool {
	top, err := Top(dir)
	if err != nil || top == nil || top.FSType != Type {
		return false
	}
	id := mountID(dir)
	return id != 0 && id != top.ID
}

// mountID returns the number of the mount that dir leads to, 0 if that cannot be said.
// Whoever serves it is not asked.
func mountID(dir string) int {
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0
	}
	defer unix.Close(fd)
	text, err := os.ReadFile(fmt.Sprintf("/proc/thread-self/fdinfo/%d", fd))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if id, ok := strings.CutPrefix(line, "mnt_id:"); ok {
			n, _ := strconv.Atoi(strings.TrimSpace(id))
			return n
		}
	}
	return 0
}

// detachAll takes every artifactfs mount off dir, with what is bound in it, down
// to the one whose root is keep.
func detachAll(dir string, keep ...int) error {
	for range 100 {
		o, err := oldAt(dir)
		if err != nil || o == nil || len(keep) > 0 && o.is(keep[0]) {
			return err
		}
		if err := detach(dir); err != nil {
			return err
		}
	}
	return fmt.Errorf("%s: mounts keep appearing here", dir)
}

// is reports whether o is the mount that fd is the root of.
func (o *old) is(fd int) bool {
	var st unix.Statx_t
	const mountID = unix.STATX_MNT_ID
	err := unix.Statx(fd, "", unix.AT_EMPTY_PATH|unix.AT_STATX_DONT_SYNC, mountID, &st)
	return err == nil && int(st.Mnt_id) == o.id
}
