//go:build linux

package acceptance

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// What is logged has the permissions that its writer's umask gives, through whichever door: a private version stays private, and
// a group's stays the group's. What was there before for everybody stays so.
func TestUmaskOfTheWriter(t *testing.T) {
	py := python(t)
	s := newSite(t, siteOptions{})
	dir := s.data("d", map[string]string{"part.txt": "text"})
	for _, ns := range []*namespace{s.namespace("host"), s.namespace("slave")} {
		for _, mask := range []string{"077", "002", "022", "027"} {
			modes := map[string]string{}
			for _, door := range []string{"log", "manifest", "command", "direct"} {
				name := strings.Join([]string{ns.kind, mask, door}, "-")
				writer := fmt.Sprintf("'%s' upstream_writer.py '%s' %s 1 '%s' x", py, map[string]string{"manifest": s.path(".manifest"), "direct": s.Root}[door], name, dir)
				switch door {
				case "log":
					writer = fmt.Sprintf("echo '%s' > '%s'", dir, s.path(".log", name))
				case "command":
					writer = fmt.Sprintf("'%s' log %s '%s'", binary, name, dir)
				}
				here, err := os.Getwd()
				must(t, err)
				if out, err := ns.run(root, fmt.Sprintf("cd '%s'; umask %s; %s", here, mask, writer)); err != nil {
					t.Fatalf("%s: %v %s", name, err, out)
				}
				modes[door] = s.shell("cd '" + s.Root + "/" + name + "'; find . -printf '%P %#m %u\n' | sort")
			}
			for door, got := range modes {
				if got != modes["direct"] {
					t.Errorf("umask %s, by %s from %s:\n%swant, as without a mount:\n%s", mask, door, ns, got, modes["direct"])
				}
			}
		}
	}
}

// A shell that changes its umask from one line to the next is taken at its word; others can go on reading which version is latest.
func TestUmaskChanges(t *testing.T) {
	s := newSite(t, siteOptions{})
	must(t, os.Chmod(s.Root, 0o777))
	dir := s.data("d", map[string]string{"part.txt": "text"})
	var script strings.Builder
	for _, mask := range []string{"022", "077", "000"} {
		fmt.Fprintf(&script, "umask %s; echo '%s' > '%s'\n", mask, dir, s.path(".log", "n"))
	}
	if out, err := s.namespace("host").run(alice, script.String()); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	got := s.shell("cd '" + s.Root + "/n'; stat -c '%n %a' v?/manifest.json v? ../.artifactfs/log/n/*.json latest")
	want := "v1/manifest.json 644\nv2/manifest.json 600\nv3/manifest.json 666\nv1 755\nv2 700\nv3 777\n" +
		"../.artifactfs/log/n/v1.json 644\n../.artifactfs/log/n/v2.json 600\n../.artifactfs/log/n/v3.json 666\nlatest 666\n"
	if got != want {
		t.Errorf("%swant\n%s", got, want)
	}
	if out, err := s.namespace("host").run(alice, fmt.Sprintf("umask 077; echo '%s' > '%s'", dir, s.path(".log", "n"))); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	if out, err := s.namespace("host").run(bob, "cat '"+s.Root+"/n/latest'"); out != "v4" || err != nil {
		t.Errorf("bob reads of latest: %q, %v", out, err)
	}
	for i, file := range []string{".manifest/n/v4/manifest.json", ".fields/n/v4/path", "n/v4/part.txt"} {
		if out, err := s.namespace("host").run(bob, "cat '"+s.path(file)+"'"); err == nil {
			t.Errorf("%d: bob reads a private version: %q", i, out)
		}
	}
}
