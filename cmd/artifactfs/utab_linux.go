package main

import (
	"bytes"
	"cmp"
	"context"
	"os"
	"os/exec"
	"time"

	"artifactfs.dev/artifactfs/fs"
)

// umount(8) has a table of its own beside the kernel's. Of a FUSE mount that is not in
// it it sees no more than that, looks for a helper umount.fuse, and then finds the mount
// busy with the binds below it. (Measured with util-linux 2.38, which asks statfs for
// the type where its table has no line of a mount.)

// tellUmount has umount(8) call our helper for a mount, where it is installed.
func tellUmount(dir, source string) {
	if _, err := os.Stat("/sbin/umount." + fs.Type); err != nil || os.Geteuid() != 0 {
		return
	}
	tableOf("mount", "--fake", "--internal-only", "-t", fs.Type, "-o", "helper="+fs.Type, cmp.Or(source, "artifactfs"), dir)
}

// tellUmountGone takes the line back. umount(8) does so itself.
func tellUmountGone(dir string) {
	table, err := os.ReadFile("/run/mount/utab")
	if err == nil && bytes.Contains(table, []byte("helper="+fs.Type)) {
		tableOf("umount", "--fake", "--internal-only", dir)
	}
}

// tableOf has util-linux write its table. What fails, or takes long since it looks into
// the mount, leaves umount(8) as it is.
func tableOf(program string, args ...string) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_ = exec.CommandContext(ctx, program, args...).Run()
}
