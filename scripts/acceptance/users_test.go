//go:build linux

package acceptance

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// privateData is a way to keep bob from data that alice may read.
type privateData struct {
	name  string
	setup string // run in data_roots; the data is in ./$1/in/data
	bob   bool   // bob may read after all
}

var privacies = []privateData{
	{"mode of an ancestor", `chown -R 54001:54001 "$1"; chmod 700 "$1"/in`, false},
	{"mode of the top", `chown -R 54001:54001 "$1"; chmod 700 "$1"`, false},
	{"mode of the data directory", `chown -R 54001:54001 "$1"; chmod 700 "$1"/in/data`, false},
	{"mode of the file", `chown -R 54001:54001 "$1"; chmod 600 "$1"/in/data/secret.txt`, false},
	{"ancestor may be searched, not listed", `chown -R 54001:54001 "$1"; chmod 711 "$1"/in; chmod 600 "$1"/in/data/secret.txt`, false},
	{"an ACL keeps bob out", `chmod 755 "$1"/in; setfacl -m u:54002:--- "$1"/in`, false},
	{"an ACL admits alice alone", `chmod 700 "$1"/in; setfacl -m u:54001:rx "$1"/in`, false},
	{"an ACL admits both", `chmod 700 "$1"/in; setfacl -m u:54001:rx,u:54002:rx "$1"/in`, true},
	{"everybody may", `true`, true},
}

// Two users × three mount namespaces: whoever looked first, a user sees through the mount exactly what that user could see without it.
func TestTwoUsersThreeNamespaces(t *testing.T) {
	needProgram(t, "setfacl", "setpriv", "nsenter", "unshare")
	lanes(t, func(t *testing.T, s *site) {
		spaces := []*namespace{s.namespace("host"), s.namespace("slave"), s.namespace("private")}
		for i, order := range [][]int{{alice, bob, alice}, {bob, alice, bob}, {root, bob, alice}} {
			prefix := fmt.Sprint("first-is-", order[0], "-") // data of its own: nobody has looked yet
			s.makePrivate(prefix)
			direct := map[int][][]string{} // by user: to learn it takes as long as through the mount, and it is the same in all three
			for turn := range spaces {
				ns := spaces[(i+turn)%len(spaces)]
				for _, uid := range order {
					if direct[uid] == nil {
						direct[uid] = s.learn(ns, uid, func(i int) string { return filepath.Join(s.Data, fmt.Sprint(prefix, i), "in/data") })
					}
					s.checkUser(ns, uid, prefix, direct[uid])
				}
			}
		}
	})
}

func (s *site) makePrivate(prefix string) {
	s.t.Helper()
	for i, p := range privacies {
		name := fmt.Sprint(prefix, i)
		dir := s.data(name+"/in/data", map[string]string{"secret.txt": "secret", "sub/deep.txt": "secret"})
		s.publish(name, 1, dir)
		cmd := s.command("sh", "-euc", p.setup, "sh", name)
		cmd.Dir = s.Data
		if out, err := cmd.CombinedOutput(); err != nil {
			s.t.Fatalf("%s: %v %s", p.setup, err, out)
		}
	}
}

// probes are what a user might learn something by; each prints what was learnt, or fails.
var probes = []string{
	`cat "$1"/secret.txt`,
	`cat "$1"/sub/deep.txt`,
	`ls "$1"/`,
	`stat -L -c '%s %a %u' "$1"/secret.txt`,
	`stat -L -c '%s %a %u' "$1"/sub/deep.txt`,
	`cd "$1"/ && cd sub && pwd -P | sed 's|.*/||'`,
	`test -r "$1"/secret.txt`,
	`find "$1"/ -type f -printf '%P %s\n' | sort`,
	`ls "$1"/no-such-file 2>&1 | grep -o 'Permission denied\|No such file'`,
}

// checkUser compares what a user gets through the mount with what that user gets at the data itself, and with what is promised.
func (s *site) checkUser(ns *namespace, uid int, prefix string, direct [][]string) {
	s.t.Helper()
	through := s.learn(ns, uid, func(i int) string { return s.path(fmt.Sprint(prefix, i), "v1") })
	for i, p := range privacies {
		for k, probe := range probes {
			if got, want := through[i][k], direct[i][k]; got != want {
				s.t.Errorf("%s%s, uid %d in namespace %s: %s: %q through the mount, %q without it", prefix, p.name, uid, ns, probe, got, want)
			}
		}
		if may := uid != bob || p.bob; (through[i][0] == "secret, 0") != may {
			s.t.Errorf("%s%s, uid %d in namespace %s: secret.txt gives %q", prefix, p.name, uid, ns, through[i][0])
		}
	}
}

// learn runs all probes on all places in one shell, and returns their output and exit status by place and probe.
func (s *site) learn(ns *namespace, uid int, place func(i int) string) [][]string {
	s.t.Helper()
	var script strings.Builder
	for i := range privacies {
		fmt.Fprintf(&script, "set -- '%s'\n", place(i))
		for _, probe := range probes {
			fmt.Fprintf(&script, "( %s ) 2>/dev/null; echo \", $?|\"\n", probe)
		}
	}
	out, err := ns.command(uid, "sh", "-c", script.String()).Output()
	must(s.t, err)
	answers := strings.Split(string(out), "|\n")
	if len(answers) != len(privacies)*len(probes)+1 {
		s.t.Fatalf("%d answers to %d probes: %s", len(answers), len(privacies)*len(probes), out)
	}
	learnt := make([][]string, len(privacies))
	for i := range learnt {
		learnt[i] = answers[i*len(probes) : (i+1)*len(probes)]
	}
	return learnt
}

// A right that was taken away while the mount had it cached is lost through the mount too; one that was given counts.
func TestRightsChange(t *testing.T) {
	servedLanes(t, func(t *testing.T, s *site) {
		dir := s.data("rights/in/data", map[string]string{"part.txt": "text", "sub/part.txt": "text"})
		s.publish("rights", 1, dir)
		host := s.namespace("host")
		read := "cat '" + s.path("rights", "v1", "sub", "part.txt") + "'"
		for _, mode := range []os.FileMode{0o755, 0o700, 0o755, 0o750} {
			must(t, os.Chmod(s.Data+"/rights/in", mode))
			eventually(t, comeback*3, fmt.Sprintf("mode %o counts for bob", mode), func() error {
				text, err := host.run(bob, read)
				if (err == nil) != (mode&1 != 0) {
					return fmt.Errorf("%q, %v", text, err)
				}
				return nil
			})
		}
	})
}

// Records that point where data_roots do not reach open nothing for anyone: not by themselves, not through links on the way or in the data.
func TestRecordsThatLeadOut(t *testing.T) {
	lanes(t, func(t *testing.T, s *site) {
		outside := s.Base + "/outside"
		writeFile(t, outside+"/secret.txt", "secret")
		home := s.Base + "/home/alice"
		writeFile(t, home+"/secret.txt", "secret")
		s.shell("chown -R 54001:54001 '" + home + "'; chmod 700 '" + home + "'")
		inside := s.data("links", nil)
		s.shell(fmt.Sprintf(`cd '%s'; ln -s '%s' out; ln -s out out2; ln -s /proc/self/root/etc/passwd passwd; ln -s /proc/1/root proc; ln -s ../../outside rel; ln -s '%s'/secret.txt file`,
			inside, outside, outside))
		targets := []string{"/", "/etc", "/etc/shadow", "/proc", "/proc/self", "/proc/self/root", "/proc/1/root" + s.Data, "/dev", "/sys/kernel", home, outside,
			s.Data + "/../outside", inside + "/out", inside + "/out2", inside + "/proc", inside + "/rel", s.Data + "/links/../../outside", s.Root, s.Mnt, s.path(".manifest")}
		host := s.namespace("host")
		for i, target := range targets {
			name := fmt.Sprint("leads-out-", i)
			s.publish(name, 1, target)
			for _, uid := range []int{root, alice, bob} {
				out, err := host.run(uid, fmt.Sprintf("cat '%[1]s'/secret.txt '%[1]s'/passwd '%[1]s'/shadow '%[1]s'/etc/passwd '%[1]s'/environ '%[1]s'/self/environ || true; ls '%[1]s'/ && echo LISTED", s.path(name, "v1")))
				symlink := strings.HasSuffix(t.Name(), "symlink") // there vN is a link, and the kernel's own rules hold
				if !symlink && (err == nil || strings.Contains(out, "LISTED") || strings.Contains(out, "secret\n") || strings.Contains(out, "root:")) {
					t.Errorf("a record to %s gives uid %d %.200q", target, uid, out)
				}
				if symlink && uid == bob && strings.Contains(out, "root:*") {
					t.Errorf("a record to %s gives uid %d %.200q", target, uid, out)
				}
			}
		}
		if strings.HasSuffix(t.Name(), "symlink") {
			return
		}
		s.publish("links", 1, inside)
		for _, link := range []string{"out/secret.txt", "out2/secret.txt", "passwd", "proc/etc/passwd", "rel/secret.txt", "file"} {
			if text, err := os.ReadFile(s.path("links", "v1", link)); err == nil {
				t.Errorf("the link %s in the data gives %.60q", link, text)
			}
		}
	})
}

// Root in a container is not root of the host: a chroot with the mount in it reaches what data_roots hold and no more.
func TestRootInAContainer(t *testing.T) {
	servedLanes(t, func(t *testing.T, s *site) {
		s.publish("shared", 1, s.data("shared", map[string]string{"part.txt": "text"}))
		s.publish("etc", 1, "/etc")
		s.publish("top", 1, "/")
		cage := s.Base + "/cage"
		c := s.container("slave", fmt.Sprintf(`mkdir -p '%[1]s'/mnt; for d in bin lib lib64 usr; do test ! -e /$d || { mkdir -p '%[1]s'/$d; mount --bind /$d '%[1]s'/$d; }; done
			mkdir -p '%[1]s'/dev '%[1]s'/proc; mount --rbind '%[2]s' '%[1]s'/mnt`, cage, s.Parent))
		c.where = cage
		if out, err := c.run(root, "cat /mnt/artifacts/shared/v1/part.txt"); out != "text" || err != nil {
			t.Errorf("data_roots from the cage: %q, %v", out, err)
		}
		for _, file := range []string{"etc/v1/shadow", "etc/v1/passwd", "top/v1/etc/shadow", ".fields/etc/v1/../../../etc/v1/shadow"} {
			if out, err := c.run(root, "cat /mnt/artifacts/"+file+" 2>/dev/null"); err == nil {
				t.Errorf("root in the cage reads %s: %.60q", file, out)
			}
		}
		must(t, os.Chmod(s.data("closed/in", map[string]string{"secret.txt": "secret"}), 0o700))
		s.shell("chown -R 54001 '" + s.Data + "/closed'")
		s.publish("closed", 1, s.Data+"/closed/in")
		powerless := fmt.Sprintf("setpriv --bounding-set=-all --inh-caps=-all --no-new-privs cat '%s'", s.path("closed", "v1", "secret.txt"))
		if out, err := s.namespace("host").run(root, powerless+" 2>/dev/null"); err == nil {
			t.Errorf("uid 0 without capabilities reads a file that only alice may: %q", out)
		}
		if out, err := s.namespace("host").run(root, "cat '"+s.path("closed", "v1", "secret.txt")+"'"); out != "secret" {
			t.Errorf("root with its capabilities: %q, %v", out, err)
		}
	})
}

// A path logged from a container is the container's: translated where the host has the same file, EXDEV naming both where it has another or none.
func TestLogFromAContainer(t *testing.T) {
	s := newSite(t, siteOptions{})
	s.data("job/out", map[string]string{"part.txt": "the job's"})
	s.data("decoy", map[string]string{"part.txt": "the host's"})
	s.data("real", map[string]string{"part.txt": "the container's"})
	workspace, scratch := s.Base+"/workspace", s.Base+"/scratch"
	must(t, os.MkdirAll(workspace, 0o755))
	must(t, os.MkdirAll(scratch, 0o755))
	c := s.container("slave", fmt.Sprintf(`mount --bind '%[1]s'/job '%[2]s'
		mount -t tmpfs none '%[3]s'; mkdir '%[3]s'/out; echo own >'%[3]s'/out/part.txt
		mount --bind '%[1]s'/real '%[1]s'/decoy`, s.Data, workspace, scratch))
	log := func(name, path string) (string, error) { // by bash, whose echo names the errno; dash's does not
		return c.run(root, fmt.Sprintf("bash -c 'echo \"%s\" > \"%s\"'", path, s.path(".log", name)))
	}
	if out, err := log("translated", workspace+"/out"); err != nil {
		t.Errorf("a bind mount of data_roots in the container: %v %s", err, out)
	} else if r := s.complete("translated")[1]; r.Path != s.Data+"/job/out" {
		t.Errorf("recorded as %q, want the host's path", r.Path)
	}
	if out, err := log("elsewhere", scratch+"/out"); err == nil || !strings.Contains(out, "cross-device") {
		t.Errorf("a path that only the container has: %v %q, want EXDEV", err, out)
	}
	out, err := log("shadowed", s.Data+"/decoy")
	if r := s.complete("shadowed")[1]; err == nil && r.Path != s.Data+"/real" {
		t.Errorf("another directory stands at this path on the host: recorded as %q", r.Path)
	} else if err != nil && !strings.Contains(out, "cross-device") {
		t.Errorf("shadowed: %v %q", err, out)
	}
	if found := s.complete("elsewhere"); len(found) != 0 {
		t.Errorf("a refused log is in the store: %v", found)
	}
}
