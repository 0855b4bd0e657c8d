package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"golang.org/x/sys/unix"

	"artifactfs.dev/artifactfs/fs"
)

// What doctor looks at on this machine: the kernel, and what mounts without root.

// device looks at /dev/fuse.
func (d *doctor) device(context.Context) {
	const check = "/dev/fuse"
	var st unix.Stat_t
	if err := unix.Stat(check, &st); err != nil {
		d.add(check, fail, err.Error(), "nothing can be mounted",
			"modprobe fuse; for a container: --device /dev/fuse --cap-add SYS_ADMIN")
		return
	}
	mode := fmt.Sprintf("mode %04o, owner %d:%d", st.Mode&0o7777, st.Uid, st.Gid)
	if st.Mode&unix.S_IFMT != unix.S_IFCHR || st.Rdev != unix.Mkdev(10, 229) {
		d.add(check, fail, "it is not the FUSE device", "nothing can be mounted", "rm /dev/fuse && mknod -m 666 /dev/fuse c 10 229")
		return
	}
	fd, err := unix.Open(check, unix.O_RDWR|unix.O_CLOEXEC, 0)
	switch {
	case err == unix.EACCES:
		d.add(check, fail, mode+": permission denied", "this user cannot mount", "chmod 666 /dev/fuse")
		return
	case err != nil:
		d.add(check, fail, err.Error(), "a container's device rules keep it shut, or the module is gone",
			"start the container with --device /dev/fuse")
		return
	}
	unix.Close(fd)
	if st.Mode&0o006 != 0o006 {
		d.add(check, warn, mode, "only some users can mount without root", "chmod 666 /dev/fuse")
		return
	}
	d.add(check, fine, mode, "", "")
}

// helper looks at fusermount3, which mounts for ordinary users.
func (d *doctor) helper(context.Context) {
	const check = "fusermount3"
	l := fail // for an ordinary user it is all there is
	if os.Geteuid() == 0 {
		l = warn
	}
	path, err := exec.LookPath(check)
	if err != nil {
		d.add(check, l, "it is not installed", "only root can mount", "apt install fuse3")
		return
	}
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil || st.Uid != 0 || st.Mode&unix.S_ISUID == 0 {
		d.add(check, l, path+" is not setuid root", "it cannot mount for ordinary users", "chown root "+path+" && chmod 4755 "+path)
		return
	}
	if why := fs.HelperBlocked(); why != "" {
		d.add(check, l, path+": "+why, "it cannot mount for ordinary users", "")
		return
	}
	d.add(check, fine, path, "", "")
}

// privilege looks at what this user may do: mount alone, or for everybody.
func (d *doctor) privilege(context.Context) {
	if os.Geteuid() != 0 {
		const check = "user_allow_other"
		if userAllowOther() {
			d.add(check, fine, "users may share their mounts", "", "")
		} else {
			d.add(check, warn, "it is not set in /etc/fuse.conf", "a mount by a user is seen by that user only, root not excepted",
				"echo user_allow_other >> /etc/fuse.conf")
		}
		return
	}
	const check = "CAP_SYS_ADMIN"
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&hdr, &data[0]); err == nil && data[0].Effective&(1<<unix.CAP_SYS_ADMIN) == 0 {
		d.add(check, fail, "root does not have it here", "a container without it cannot mount",
			"start the container with --cap-add SYS_ADMIN, or mount on the host and give it the parent directory with rslave")
		return
	}
	d.add(check, fine, "this process may mount", "", "")
}

// kernel says which lanes there are.
func (d *doctor) kernel(context.Context) {
	k := fs.Probe()
	for _, f := range k.Features {
		check := "kernel: " + f.Name
		if f.Have {
			d.add(check, fine, fmt.Sprintf("Linux %s: %s", k.Release, f.Gives), "", "")
			continue
		}
		l, fix := warn, "Linux "+f.Since+" or newer has it"
		if os.Geteuid() != 0 && strings.Contains(f.Why, "CAP_SYS_ADMIN") {
			fix = "mount as root"
		}
		if f.Name == "copy" {
			l, fix = fail, "see /dev/fuse"
		}
		d.add(check, l, f.Why, "without it no "+f.Gives, fix)
	}
}
