//go:build linux

package acceptance

import (
	"fmt"
	"strings"
	"testing"
)

// Links that lead nowhere are listed and read as they are, and following them fails as it does without the mount.
func TestLinksThatLeadNowhere(t *testing.T) {
	lanes(t, func(t *testing.T, s *site) {
		dir := s.data("links", map[string]string{"part.txt": "text", "sub/part.txt": "text"})
		long := strings.Repeat("n", 256)
		targets := []string{"nowhere", long, "../" + long, "../" + strings.Repeat("n", 1025), "sub/" + long + "/x", s.Data + "/" + long, "part.txt/x",
			"../links/part.txt/x", "../none/../links/part.txt", "../none", "../links/sub//../../none", "l0", "sub/../" + long}
		for i, target := range targets {
			s.shell(fmt.Sprintf("ln -s '%s' '%s'/l%d", target, dir, i))
		}
		s.publish("links", 1, dir)
		for _, where := range []string{"", "/sub/.."} {
			for i, target := range targets {
				var said [2]string
				for k, place := range []string{dir, s.path("links/v1")} {
					l := fmt.Sprintf("%s%s/l%d", place, where, i)
					said[k] = s.shell(fmt.Sprintf(`stat -c %%F '%[1]s'; ls -d '%[1]s' >/dev/null && echo listed; test "$(stat -c %%s '%[1]s')" = "$(readlink -n '%[1]s' | wc -c)" && echo size
						(stat -L '%[1]s'; cat '%[1]s'; ls '%[1]s/') 2>&1 >/dev/null | sed 's/.*: //'`, l))
				}
				if said[0] != said[1] {
					t.Errorf("the link to %.60s: %q, without the mount %q", target, said[1], said[0])
				}
			}
		}
		if out := s.shell("ls '" + s.path("links/v1") + "'/ | wc -l"); strings.TrimSpace(out) != fmt.Sprint(len(targets)+2) {
			t.Errorf("%s names are listed, want %d", out, len(targets)+2)
		}
		s.shell(fmt.Sprintf("ls -lR '%[1]s'/ >/dev/null; cp -a '%[1]s'/ '%[2]s'/copy; tar cf - -C '%[1]s'/ . | tar tf - >/dev/null", s.path("links/v1"), s.Base))
	})
}

// In the symlink lane a version is a link of the length that it says, before and after it is read.
func TestSizeOfAVersionsLink(t *testing.T) {
	s := newSite(t, siteOptions{Lane: "symlink"})
	s.publish("links", 1, s.data("links", map[string]string{"part.txt": "text"}))
	for range 2 {
		if out := s.shell(fmt.Sprintf(`stat -c %%s '%[1]s'; readlink -n '%[1]s' | wc -c`, s.path("links/v1"))); out != fmt.Sprintf("%d\n%[1]d\n", len(s.Data+"/links")) {
			t.Errorf("size and length: %q", out)
		}
	}
}
