//go:build linux

package acceptance

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
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

// Why a version is not bound is told to everybody, and so without names that not everybody may list; and binding is for everybody,
// so whoever asks for it need not be able to read all of it.
func TestWarmAsUser(t *testing.T) {
	s := newSite(t, siteOptions{Lane: "bind", Keys: []string{`deadline = "1s"`}})
	n := s.namespace("host")
	warm := func(ref string) (string, error) {
		return n.run(alice, "'"+binary+"' warm --mount '"+s.Mnt+"' "+ref)
	}
	for name, spoil := range map[string]func(dir string){
		"link": func(dir string) { must(t, os.Symlink("/etc/hostname", dir+"/unlisted")) },
		"fifo": func(dir string) { must(t, unix.Mkfifo(dir+"/unlisted", 0o644)) },
	} {
		dir := s.data(name, map[string]string{"part.txt": "text", "own/deep/more.txt": "more"})
		s.publish(name, 1, dir)
		spoil(dir + "/own/deep")
		must(t, os.Chmod(dir+"/own", 0o711))
		if out, err := warm(name + ":v1"); err == nil || strings.Contains(out, "unlisted") || !strings.Contains(out, dir+"/own") {
			t.Errorf("warm as alice: %v, %s", err, out)
		}
		if out, _ := n.run(alice, "cat '"+s.path(".artifactfs/status")+"'"); strings.Contains(out, "unlisted") || !strings.Contains(out, dir+"/own") {
			t.Errorf("status as alice: %s", out)
		}
	}
	// It waits for open directories to be closed, but not beyond the deadline.
	s.publish("open", 1, s.data("open", map[string]string{"part.txt": "text"}))
	f, err := os.Open(s.path("open/v1"))
	must(t, err)
	defer f.Close()
	if out, err := warm("open:v1"); err == nil || !strings.Contains(out, "a directory of it open") {
		t.Errorf("warm with a directory open: %v, %s", err, out)
	}
	must(t, f.Close())
	eventually(t, 10*comeback, "it is bound once that is closed", func() error {
		if !mounted(s.path("open/v1")) {
			return errors.New("it is not")
		}
		return nil
	})
	dir := s.data("fit", map[string]string{"part.txt": "text", "own/more.txt": "more"})
	must(t, os.Chmod(dir+"/own", 0o700))
	s.publish("fit", 1, dir)
	for range 2 { // bound, it stays so
		if out, err := warm("fit:v1"); err != nil {
			t.Errorf("warm as alice: %v, %s", err, out)
		}
	}
	if out, err := n.run(alice, "cat '"+s.path("fit/v1/own/more.txt")+"'"); err == nil {
		t.Errorf("alice reads %q", out)
	}
}

// The first access to a version is often that of a walk, which must not find something bound over the directory it has open.
func TestFirstWalk(t *testing.T) {
	s := newSite(t, siteOptions{Lane: "bind"})
	dir := s.data("walked", map[string]string{"part.txt": "text"})
	var open []*os.File
	for v := range 40 {
		s.publish("walked", v+1, dir)
		f, err := os.Open(s.path("walked", fmt.Sprint("v", v+1)))
		must(t, err)
		defer f.Close()
		open = append(open, f)
	}
	s.publish("after", 1, dir)
	s.warm("after:v1") // what an open has bound is there by now
	for _, f := range open {
		if mounted(f.Name()) {
			t.Errorf("%s is bound while it is open", f.Name())
		}
	}
}
