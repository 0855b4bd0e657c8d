//go:build linux

package nodes

import (
	"strings"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// There are no extended attributes to read, and the kernel is told so in a way it remembers: else it asks security.capability of every
// file, measured 2.3 s instead of 0.12 s for `ls -l` of 20,000. Setting one is a change like any other, EROFS; go-fuse's DisableXAttrs
// would have that be EOPNOTSUPP.

func (r *raw) GetXAttr(<-chan struct{}, *fuse.InHeader, string, []byte) (uint32, fuse.Status) {
	return 0, fuse.ENOSYS
}

func (r *raw) ListXAttr(<-chan struct{}, *fuse.InHeader, []byte) (uint32, fuse.Status) {
	return 0, fuse.ENOSYS
}

func (r *raw) SetXAttr(_ <-chan struct{}, _ *fuse.SetXAttrIn, attr string, _ []byte) fuse.Status {
	if strings.HasPrefix(attr, "system.posix_acl_") {
		// cp -p sets the mode so, and takes this alone for "then chmod": anything else it reports, of a request that has been logged.
		return fuse.Status(syscall.EOPNOTSUPP)
	}
	return fuse.Status(syscall.EROFS)
}

func (r *raw) RemoveXAttr(<-chan struct{}, *fuse.InHeader, string) fuse.Status {
	return fuse.Status(syscall.EROFS)
}
