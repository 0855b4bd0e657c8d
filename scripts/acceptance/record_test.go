//go:build linux

package acceptance

import (
	"os"
	"strings"
	"testing"
)

// A record that its writer's umask has kept from others, in an artifact that everybody may list, and the way to its data, are for
// nobody else: not after root has read them, and not by a bind.
func TestRecordOfOne(t *testing.T) {
	for _, lane := range []string{"auto", "passthrough", "copy"} {
		t.Run(lane, func(t *testing.T) {
			s := newSite(t, siteOptions{Lane: lane})
			record := map[string]string{"manifest": "secret/v1/manifest.json", "directory": "secret/v2", "metadata": "secret/v3/metadata.json"}
			for i, what := range []string{"manifest", "directory", "metadata"} {
				s.publish("secret", i+1, s.data(what, map[string]string{"part.txt": "text", "sub/more.txt": "more"}))
				must(t, os.Chmod(s.Root+"/"+record[what], map[bool]os.FileMode{true: 0o700, false: 0o600}[what == "directory"]))
			}
			n := s.namespace("host")
			for _, v := range []string{"v1", "v2", "v3"} {
				places := []string{"secret/" + v + "/part.txt", "secret/" + v + "/sub/more.txt", ".fields/secret/" + v + "/path", ".manifest/secret/" + v + "/manifest.json", ".manifest/secret/" + v + "/metadata.json"}
				for _, p := range places {
					if _, err := os.ReadFile(s.path(p)); err != nil {
						t.Errorf("root: %v", err)
					}
				}
				out, err := s.command(binary, "warm", "--mount", s.Mnt, "secret:"+v).CombinedOutput()
				if err == nil || lane == "auto" && !strings.Contains(string(out), "not every user may") {
					t.Errorf("warm secret:%s: %v: %s; want it refused", v, err, out)
				}
				if v == "v3" {
					places = places[4:] // the rest is in manifest.json
				}
				for _, p := range places {
					if out, err := n.run(alice, "cat '"+s.path(p)+"'"); err == nil {
						t.Errorf("alice reads %s after root: %q", p, out)
					}
				}
			}
			if text, err := os.ReadFile(s.path(".manifest/secret/v3/metadata.json")); err != nil || len(text) == 0 {
				t.Errorf("root, after alice: %q, %v", text, err)
			}
		})
	}
}

// A bind does not outlive its record, nor everybody's right to read it.
func TestBindFollowsRecord(t *testing.T) {
	s := newSite(t, siteOptions{Lane: "bind"})
	for i, c := range []struct {
		change func(version string)
		why    string
	}{
		{func(v string) { must(t, os.Chmod(v+"/manifest.json", 0o600)) }, "not every user may read"},
		{func(v string) { must(t, os.Chmod(v, 0o700)) }, "not every user may search"},
		{func(v string) { must(t, os.RemoveAll(v)) }, "has no v3"},
		{func(v string) {
			must(t, os.RemoveAll(v))
			s.publish("changes", 4, s.data("other", map[string]string{"part.txt": "other"}))
		}, "is at"},
	} {
		version := "v" + string(rune('1'+i))
		s.publish("changes", i+1, s.data("data"+version, map[string]string{"part.txt": "text"}))
		s.warm("changes:" + version)
		c.change(s.Root + "/changes/" + version)
		s.gone("changes", version, c.why)
	}
	if text, err := os.ReadFile(s.path("changes/v4/part.txt")); err != nil || string(text) != "other" {
		t.Errorf("a number given anew shows %q, %v", text, err)
	}
}
