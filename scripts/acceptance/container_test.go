//go:build linux

package acceptance

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// What `artifactfs log --json` prints.
type logged struct {
	Name    string
	Version int
	Path    string
	Used    []string `json:"used_artifacts"`
	New     bool     `json:"new_artifact"`
}

// `artifactfs log` in another mount namespace means the container's file, as .log does, whether the container sees the store or not.
func TestLogCommandInAContainer(t *testing.T) {
	s := newSite(t, siteOptions{})
	s.data("job/out", map[string]string{"part.txt": "the job's"})
	s.data("decoy", map[string]string{"part.txt": "the host's"})
	s.data("real", map[string]string{"part.txt": "the container's"})
	s.publish("base", 1, s.Data+"/decoy")
	workspace, scratch := s.Base+"/workspace", s.Base+"/scratch"
	for _, dir := range []string{workspace, scratch, s.Base + "/otherstore"} {
		must(t, os.MkdirAll(dir, 0o755))
	}
	setup := fmt.Sprintf(`mount --bind '%[1]s'/job '%[2]s'
		mount -t tmpfs none '%[3]s'; mkdir '%[3]s'/out; echo own >'%[3]s'/out/part.txt
		mount --bind '%[1]s'/real '%[1]s'/decoy
		`, s.Data, workspace, scratch)
	for name, more := range map[string]string{
		"store":      "",
		"storemoved": "mount --bind '" + s.Root + "' '" + s.Base + "/otherstore'; mount -t tmpfs none '" + s.Root + "'",
		"norun":      "mount -t tmpfs none '" + s.Base + "/run'", "proc": "mount -t proc none /proc",
	} {
		t.Run(name, func(t *testing.T) {
			c := s.container("slave", setup+more)
			log := func(args ...string) (string, error) {
				cmd := c.command(root, append([]string{binary, "log", "--json"}, args...)...)
				if name == "storemoved" {
					cmd.Args = append(cmd.Args, "artifacts.manifest.root="+s.Base+"/otherstore")
				}
				var stderr strings.Builder
				cmd.Stderr = &stderr
				out, err := cmd.Output()
				return string(out) + stderr.String(), err
			}
			for path, want := range map[string]string{
				workspace + "/out": s.Data + "/job/out", s.Data + "/decoy": s.Data + "/real", s.Data + "/job/out": s.Data + "/job/out",
				"file://" + workspace + "/out": s.Data + "/job/out",
			} {
				out, err := log("new/"+name, path, "--used", "base:latest")
				if err != nil {
					t.Errorf("log of %s: %v %s", path, err, out)
					continue
				}
				if r := decode[logged](t, out); r.Path != want || r.Version == 0 || fmt.Sprint(r.Used) != "[base:v1]" {
					t.Errorf("log of %s: %+v, want %s", path, r, want)
				}
			}
			if out, err := log(name, scratch+"/out"); err == nil || !strings.Contains(out, "cross-device") || !strings.Contains(out, scratch+"/out") {
				t.Errorf("a path that only the container has: %v %q, want EXDEV", err, out)
			}
			if out, err := log(name, workspace+"/yet/to/be"); err == nil || !strings.Contains(out, "no such file") {
				t.Errorf("a path that is not there: %v %q", err, out)
			}
			if out, err := log(name, workspace+"/yet/to/be", "--no-check"); err != nil || decode[logged](t, out).Path != s.Data+"/job/yet/to/be" {
				t.Errorf("a path that is to be there later: %v %q", err, out)
			}
			if out, err := log(name, scratch+"/yet", "--no-check"); err == nil || !strings.Contains(out, "cross-device") {
				t.Errorf("a path that is to be there later, in the container alone: %v %q", err, out)
			}
			if out, err := log(name, "ftp://example.org/x"); err != nil || decode[logged](t, out).Path != "ftp://example.org/x" {
				t.Errorf("a URI: %v %q", err, out)
			}
		})
	}
}

// In a chroot there is another root in the same mount namespace; what it does not have of the store, the mount has.
func TestLogCommandInAChroot(t *testing.T) {
	s := newSite(t, siteOptions{})
	s.data("job/out", map[string]string{"part.txt": "the job's"})
	cage := s.Base + "/cage"
	s.shell(fmt.Sprintf(`for d in bin lib lib64 usr; do test ! -e /$d || { mkdir -p '%[1]s'/$d; mount --bind /$d '%[1]s'/$d; }; done
		mkdir -p '%[1]s/proc' '%[1]s/dev' '%[1]s/data' '%[1]s%[2]s' '%[1]s%[3]s'; cp '%[4]s/env.toml' '%[1]s%[4]s'
		mount --bind '%[3]s' '%[1]s%[3]s'; mount --bind '%[5]s'/job '%[1]s'/data; mount --rbind '%[2]s' '%[1]s%[2]s'`, cage, s.Parent, filepath.Dir(binary), s.Base, s.Data))
	c := s.namespace("host")
	c.where = cage
	log := func(args ...string) (string, error) {
		out, err := c.command(root, append([]string{binary, "log", "--json"}, args...)...).CombinedOutput()
		return string(out), err
	}
	if out, err := log("caged", "/data/out"); err == nil || !strings.Contains(out, "/proc") {
		t.Errorf("without /proc: %v %s; want it refused", err, out)
	}
	s.shell("mount -t proc none '" + cage + "/proc'")
	if out, err := log("caged", "/data/out"); err == nil || !strings.Contains(out, "cannot be asked") {
		t.Errorf("without /dev/null, which it takes to ask the mount: %v %s; want it refused", err, out)
	}
	s.shell("mknod -m 666 '" + cage + "/dev/null' c 1 3")
	if out, err := log("caged", "/data/out"); err != nil || decode[logged](t, out).Path != s.Data+"/job/out" {
		t.Errorf("log: %v %s", err, out)
	}
	if out, err := log("caged", "/usr"); err == nil || strings.Contains(out, `"version"`) {
		t.Errorf("log of what lies outside data_roots: %v %s", err, out)
	}
}

// Where no mount is to be seen, but the first process is, as for root who has unshared nothing but mounts, a path has to be that one's.
func TestLogCommandWithoutAMount(t *testing.T) {
	s := newSite(t, siteOptions{Quiet: true})
	s.data("job/out", map[string]string{"part.txt": "the job's"})
	s.data("decoy", map[string]string{"part.txt": "the host's"})
	workspace, scratch := s.Base+"/workspace", s.Base+"/scratch"
	for _, dir := range []string{workspace, scratch} {
		must(t, os.MkdirAll(dir, 0o755))
	}
	script := fmt.Sprintf(`mount --bind '%[1]s'/job '%[2]s'; mount --bind '%[1]s'/job '%[1]s'/decoy
		mount -t tmpfs none '%[3]s'; mkdir '%[3]s'/out '%[3]s'/store
		log() { artifactfs log --json n "$@" 'artifactfs.data_roots=[%[4]s]' 2>&1 || true; echo '|'; }
		`, s.Data, workspace, scratch, s.Base)
	steps := []struct{ args, want string }{ // want: in the answer
		{s.Data + "/job/out", `"path": "` + s.Data + `/job/out"`},
		{"file://" + s.Data + "/job", `"path": "` + s.Data + `/job"`},
		{workspace + "/out", s.Data + "/job/out on the host"},
		{workspace + "/out", "cross-device"},
		{scratch + "/out", "cross-device"},
		{s.Data + "/decoy", "cross-device"},
		{s.Base + "/none", "no such file"},
		{scratch + "/out artifacts.manifest.root=" + scratch + "/store", `"version": 1`}, // a store of the container's own
	}
	for _, step := range steps {
		script += "log " + step.args + "\n"
	}
	// The shell of its own pid namespace is what the command takes for the host.
	cmd := s.command("unshare", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child", "sh", "-c", `unshare --mount --propagation private sh -euc "$1"; true`, "sh", script)
	out, err := cmd.Output()
	must(t, err)
	answers := strings.Split(string(out), "|\n")
	if len(answers) != len(steps)+1 {
		t.Fatalf("%d answers: %s", len(answers)-1, out)
	}
	for i, step := range steps {
		if !strings.Contains(answers[i], step.want) {
			t.Errorf("log of %s: %s; want %s", step.args, answers[i], step.want)
		}
	}
	if found := s.complete("n"); len(found) != 2 {
		t.Errorf("logged: %v", found)
	}
}

// On the host the command needs no daemon: it sees what the daemon sees.
func TestLogCommandOnTheHost(t *testing.T) {
	s := newSite(t, siteOptions{})
	pid := s.daemon()
	must(t, syscall.Kill(pid, syscall.SIGSTOP))
	defer syscall.Kill(pid, syscall.SIGCONT)
	if r := decode[logged](t, s.artifactfs("log", "--json", "own", s.data("own", map[string]string{"part.txt": "text"}))); r.Version != 1 {
		t.Errorf("logged: %+v", r)
	}
}
