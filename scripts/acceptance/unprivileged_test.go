//go:build linux

package acceptance

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// nobody is in every passwd: fusermount3 mounts for users it can name.
const nobody = 65534

// A user without any privilege mounts through fusermount3, reads, logs, and unmounts. Machines differ in who may open /dev/fuse, so the user
// gets one of its own in a namespace.
func TestUnprivilegedMount(t *testing.T) {
	needProgram(t, "fusermount3", "setpriv")
	for _, lane := range []string{"auto", "copy", "symlink"} {
		t.Run(lane, func(t *testing.T) {
			s := newSite(t, siteOptions{Lane: lane, Quiet: true})
			dir := s.data("corpus", map[string]string{"part.txt": "text", "closed.txt": "secret"})
			must(t, os.Chmod(dir+"/closed.txt", 0o600))
			s.publish("corpus", 1, dir)
			s.shell(fmt.Sprintf("chown -R 65534:65534 %s %s/home %s/run %s; chmod 700 %s/run; chmod 755 %s", s.Root, s.Base, s.Base, s.Mnt, s.Base, s.Base))
			c := s.container("private", fmt.Sprintf("mkdir %[1]s/dev; mount -t tmpfs none %[1]s/dev; mknod %[1]s/dev/fuse c 10 229; chmod 666 %[1]s/dev/fuse; mount --bind %[1]s/dev/fuse /dev/fuse", s.Base))
			out, err := c.run(nobody, fmt.Sprintf(`cd %[1]s/home
				artifactfs mount %[2]s --log-file %[1]s/home/daemon.log
				cat %[2]s/corpus/latest/part.txt
				if cat %[2]s/corpus/v1/closed.txt 2>/dev/null || touch %[2]s/corpus/new 2>/dev/null; then exit 9; fi
				echo %[3]s > %[2]s/.log/corpus
				readlink %[2]s/corpus/latest
				artifactfs status --json %[2]s >/dev/null
				artifactfs umount %[2]s
				if grep ' %[2]s ' /proc/self/mountinfo; then exit 8; fi`, s.Base, s.Mnt, dir))
			if err != nil || !strings.HasSuffix(strings.TrimSpace(out), "v2") && !strings.Contains(out, "textv2") {
				text, _ := os.ReadFile(s.Base + "/home/daemon.log")
				t.Errorf("%v\n%s\n%s", err, out, text)
			}
		})
	}
}
