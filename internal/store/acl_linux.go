package store

import (
	"bytes"
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// hasACL reports whether a directory has an access ACL, or anything that is
// not known not to be one. The ACL's default entries do not concern it.
func hasACL(dir string) bool {
	var b [4096]byte
	if _, err := unix.Lgetxattr(dir, "system.posix_acl_access", b[:]); err != unix.ENODATA && err != unix.EOPNOTSUPP {
		return true
	}
	// NFSv4 has ACLs of its own, and every file has one: the mode's three lines
	// at least.
	n, err := unix.Lgetxattr(dir, "system.nfs4_acl", b[:])
	if err != nil {
		return err != unix.ENODATA && err != unix.EOPNOTSUPP
	}
	return !trivialNFS4(b[:n])
}

// trivialNFS4 reports whether an ACL as the NFS client shows it (XDR: a count,
// then type, flags, mask and who) speaks of owner, group and everyone only.
func trivialNFS4(b []byte) bool {
	word := func() (n uint32, ok bool) {
		if len(b) < 4 {
			return 0, false
		}
		n = binary.BigEndian.Uint32(b)
		b = b[4:]
		return n, true
	}
	count, ok := word()
	if !ok {
		return false
	}
	for range count {
		if len(b) < 12 {
			return false
		}
		b = b[12:]
		n, ok := word()
		padded := (int64(n) + 3) &^ 3
		if !ok || padded > int64(len(b)) {
			return false
		}
		who := b[:n]
		if !bytes.Equal(who, []byte("OWNER@")) && !bytes.Equal(who, []byte("GROUP@")) && !bytes.Equal(who, []byte("EVERYONE@")) {
			return false
		}
		b = b[padded:]
	}
	return true
}
