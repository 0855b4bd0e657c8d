package main

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"artifactfs.dev/artifactfs/fs"
)

const namespaceVar = "ARTIFACTFS_TEST_NAMESPACE"

// ownNamespace starts the tests again in a mount namespace of their own. Whatever makes
// a namespace elsewhere on the machine has copies of all mounts that it sees: ours would
// be served there after we have unmounted them. What the tests run is not a test.
func ownNamespace() {
	if os.Getuid() != 0 || !strings.HasSuffix(os.Args[0], ".test") {
		return
	}
	if os.Getenv(namespaceVar) != "" {
		withoutOthers()
		return
	}
	if exec.Command("unshare", "--mount", "true").Run() != nil {
		return
	}
	unshare, err := exec.LookPath("unshare")
	if err == nil {
		err = os.Setenv(namespaceVar, "1")
	}
	if err == nil {
		args := append([]string{"unshare", "--mount", "--propagation", "private", "--"}, os.Args...)
		err = syscall.Exec(unshare, args, os.Environ())
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// withoutOthers takes out of this namespace the mounts of artifactfs that came with it: one
// that hangs would be asked by whoever logs.
func withoutOthers() {
	infos, _ := mountinfo.GetMounts(mountinfo.FSTypeFilter(fs.Type))
	for _, i := range slices.Backward(infos) {
		_ = unix.Unmount(i.Mountpoint, unix.MNT_DETACH)
	}
}

// outerIsHost says whether who has started the tests is in no container. Scripts enter
// the mount namespace there by $OUTER.
func outerIsHost() bool {
	outer := rootMount(os.Getppid())
	return hostPIDs() && outer != "" && outer == rootMount(1) && exec.Command("nsenter", fmt.Sprintf("--mount=/proc/%d/ns/mnt", os.Getppid()), "true").Run() == nil
}
