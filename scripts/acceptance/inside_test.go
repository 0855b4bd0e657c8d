//go:build linux

package acceptance

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// A mount inside the store that it shows is no artifact, at the top as below a name, by the path that the store is configured with or
// by another.
func TestMountInsideItsStore(t *testing.T) {
	s := newSite(t, siteOptions{Quiet: true})
	s.publish("team/corpus", 1, s.data("corpus", map[string]string{"part.txt": "text"}))
	must(t, os.Symlink(s.Root, s.Base+"/link"))
	for _, c := range []struct{ root, mnt string }{
		{s.Root, s.Root + "/mnt"}, {s.Root, s.Root + "/team/mnt"}, {s.Base + "/link", s.Root + "/mnt"}, {s.Base + "/link", s.Base + "/link/team/mnt"},
	} {
		must(t, os.MkdirAll(c.mnt, 0o755))
		must(t, os.Mkdir(s.Root+"/mint", 0o755)) // an empty directory is not hidden
		s.artifactfs("mount", c.mnt, "artifacts.manifest.root="+c.root)
		for _, dir := range []string{"", "/team", "/.manifest", "/.log"} {
			list, err := os.ReadDir(c.mnt + dir)
			must(t, err)
			names := make([]string, len(list))
			for i, e := range list {
				names[i] = e.Name()
			}
			if slices.Contains(names, "mnt") || dir == "" && !(slices.Contains(names, "team") && slices.Contains(names, "mint")) || dir == "/team" && !slices.Contains(names, "corpus") {
				t.Errorf("root %s, mount %s: in %q there are %q", c.root, c.mnt, dir, names)
			}
		}
		if out := s.shell("find '" + c.mnt + "'"); strings.Contains(out[len(c.mnt):], "/mnt/mnt") || !strings.Contains(out, "corpus/v1/part.txt") {
			t.Errorf("root %s, mount %s: find gives\n%s", c.root, c.mnt, out)
		}
		if out := s.artifactfs("ls", "artifacts.manifest.root="+c.root); strings.Contains(out, "mnt") {
			t.Errorf("root %s, mount %s: artifactfs ls gives\n%s", c.root, c.mnt, out)
		}
		s.artifactfs("umount", c.mnt)
		must(t, os.Remove(c.mnt))
		must(t, os.Remove(s.Root+"/mint"))
	}
}
