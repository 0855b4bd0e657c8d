//go:build linux

package acceptance

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// ociContainer is a container that an OCI runtime runs, as docker and podman have it do.
type ociContainer struct {
	s    *site
	name string
}

// oci starts a container of a shell and its tools, with the parent directory of the mount given as `-v PARENT:/mnt/shared:rslave` gives it.
func (s *site) oci() *ociContainer {
	s.t.Helper()
	needProgram(s.t, "crun", "busybox", "unshare")
	bundle := s.Base + "/bundle"
	bin := bundle + "/rootfs/bin"
	must(s.t, os.MkdirAll(bin, 0o755))
	must(s.t, exec.Command("cp", "/bin/busybox", bin+"/busybox").Run())
	for _, tool := range []string{"sh", "cat", "ls", "readlink", "sleep", "find", "id", "touch"} {
		must(s.t, os.Symlink("busybox", bin+"/"+tool))
	}
	c := &ociContainer{s, strings.ReplaceAll(strings.TrimPrefix(s.Base, "/"), "/", "-")}
	spec := c.runtime("spec")
	spec.Dir = bundle
	if out, err := spec.CombinedOutput(); err != nil {
		s.t.Fatalf("crun spec: %v: %s", err, out)
	}
	var config map[string]any
	must(s.t, json.Unmarshal([]byte(readFile(s.t, bundle+"/config.json")), &config))
	process, linux := config["process"].(map[string]any), config["linux"].(map[string]any)
	process["args"], process["terminal"] = []string{"/bin/sleep", "600"}, false
	delete(process, "rlimits") // which not every machine may raise
	delete(linux, "resources")
	linux["rootfsPropagation"] = "rslave" // docker and podman set it with any rslave volume
	config["mounts"] = append(config["mounts"].([]any), map[string]any{
		"destination": "/mnt/shared", "source": s.Parent, "type": "bind", "options": []string{"rbind", "rslave"},
	})
	text, err := json.Marshal(config)
	must(s.t, err)
	writeFile(s.t, bundle+"/config.json", string(text))
	run := c.runtime("run", "--detach", "--bundle", bundle, c.name)
	log, err := os.Create(s.Base + "/crun.log")
	must(s.t, err)
	defer log.Close()
	run.Stdout, run.Stderr = log, log // which the container keeps
	if err := run.Run(); err != nil {
		s.t.Fatalf("crun run: %v: %s", err, readFile(s.t, s.Base+"/crun.log"))
	}
	s.t.Cleanup(func() { _ = c.runtime("delete", "--force", c.name).Run() })
	return c
}

// runtime is a command of crun's, in a mount namespace where it finds version 2 of the control groups whatever the machine has.
func (c *ociContainer) runtime(args ...string) *exec.Cmd {
	const script = `mount -t cgroup2 none /sys/fs/cgroup; exec crun --root "$0" --cgroup-manager=disabled "$@"`
	return c.s.command("unshare", append([]string{"--mount", "--propagation", "slave", "sh", "-euc", script, c.s.Base + "/crun"}, args...)...)
}

// run runs a script in the container, and returns what it prints.
func (c *ociContainer) run(uid int, script string) (string, error) {
	out, err := c.runtime("exec", "--user", fmt.Sprint(uid), c.name, "/bin/sh", "-c", script).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// README's recipe for containers, with an OCI runtime: users in it read, nobody writes, what is bound goes on while there is no daemon, and
// everything does with the next one.
func TestContainer(t *testing.T) {
	s := newSite(t, siteOptions{})
	s.publish("one", 1, s.data("one", map[string]string{"f": "text"}))
	c := s.oci()
	want := func(uid int, script, text string) {
		t.Helper()
		if out, err := c.run(uid, script); err != nil || out != text {
			t.Errorf("%s as %d: %q, %v; want %q", script, uid, out, err, text)
		}
	}
	for _, uid := range []int{0, nobody} {
		want(uid, "cd /mnt/shared/artifacts; ls; readlink one/latest; cat one/latest/f", "one\nv1\ntext")
	}
	s.artifactfs("warm", s.path("one/v1"))
	if out, err := c.run(0, "cd /mnt/shared/artifacts/one/v1; touch f; touch g"); err == nil || strings.Count(out, "Read-only file system") != 2 {
		t.Errorf("a write: %q, %v", out, err)
	}
	for range 2 {
		s.kill()
		want(nobody, "cat /mnt/shared/artifacts/one/v1/f", "text")
		eventually(t, patience, "the daemon is back for the container", func() error {
			if out, err := c.run(nobody, "cat /mnt/shared/artifacts/one/latest/f"); err != nil || out != "text" {
				return fmt.Errorf("it reads %q: %w", out, err)
			}
			return nil
		})
	}
	s.publish("one", 2, s.data("two", map[string]string{"f": "more"}))
	eventually(t, patience, "the container sees the new version", func() error {
		if out, err := c.run(nobody, "cat /mnt/shared/artifacts/one/latest/f"); err != nil || out != "more" {
			return fmt.Errorf("it reads %q: %w", out, err)
		}
		return nil
	})
}
