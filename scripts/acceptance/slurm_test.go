//go:build linux

package acceptance

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// slurm runs a script of Slurm's as slurmd would on a job's only node.
func (s *site) slurm(script string, env ...string) {
	s.t.Helper()
	path, err := filepath.Abs("../slurm/" + script)
	must(s.t, err)
	cmd := s.command(path)
	cmd.Env = append(cmd.Env, "ARTIFACTFS_SLURM_CONF="+s.Base+"/slurm.conf", "SLURM_JOB_ID=77", "SLURM_JOB_UID=65534", "SLURM_JOB_GID=65534",
		"SLURM_JOB_USER=nobody", "SLURM_CLUSTER_NAME=eos", "SLURMD_NODENAME=n1", "SLURM_JOB_NODELIST=n1")
	cmd.Env = append(cmd.Env, env...)
	if out, err := cmd.CombinedOutput(); err != nil || strings.Contains(string(out), " is not ") || strings.Contains(string(out), "not everything") {
		s.t.Errorf("%s %v: %v: %s", script, env, err, out)
	}
}

// inJob is what a task of the job prints.
func (s *site) inJob(command string, env ...string) string {
	s.t.Helper()
	cmd := s.command("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "sh", "-c", command)
	cmd.Env = append(append(cmd.Env, "SLURM_JOB_ID=77", "SLURM_CLUSTER_NAME=eos"), env...)
	out, err := cmd.Output()
	must(s.t, err)
	return strings.TrimSpace(string(out))
}

// The Prolog mounts, and has ready what the job names in its comment; the Epilog forgets what the job saw, of a run that is queued again too,
// and leaves the mount. Both may run twice.
func TestSlurmScripts(t *testing.T) {
	needProgram(t, "setpriv")
	s := newSite(t, siteOptions{Quiet: true})
	must(t, os.Chmod(s.Root, 0o777))
	s.publish("one", 1, s.data("one", map[string]string{"f": "text"}))
	writeFile(t, s.Base+"/slurm.conf", "PATH="+filepath.Dir(binary)+":$PATH\nARTIFACTFS_DIR="+s.Mnt+"\nARTIFACTFS_CONFIG="+s.Base+"/env.toml\n")
	pins := func() string {
		t.Helper()
		out, err := exec.Command("sh", "-c", "ls "+s.Root+"/.artifactfs/snapshots 2>/dev/null | tr '\\n' ' '").Output()
		must(t, err)
		return string(out)
	}
	const comment = "SLURM_JOB_COMMENT=x;warm=one:latest,--help,artifacts.wandb=true;y"
	s.slurm("prolog.sh", comment)
	s.slurm("prolog.sh", comment)
	if got := mountsBelow("self", s.Mnt+"/one"); len(got) != 1 {
		t.Errorf("bound are %q: the job's comment names one:latest", got)
	}
	s.artifactfs("log", "one", s.Data+"/one")
	latest := "readlink " + s.path("one/latest")
	if got := s.inJob(latest); got != "v1" {
		t.Errorf("the job sees %s; it was warmed when v1 was latest", got)
	}
	if got := s.shell(latest); got != "v2\n" {
		t.Errorf("outside latest is %q", got)
	}
	if got := pins(); got != "65534.eos.slurm-77 " {
		t.Errorf("pinned are %q", got)
	}
	s.slurm("epilog.sh")
	s.slurm("epilog.sh")
	if got := pins(); got != "" {
		t.Errorf("after the job pins are left: %q", got)
	}

	eventually(t, soon, "the job pins again, when the daemon has looked again", func() error {
		if s.inJob(latest); pins() != "65534.eos.slurm-77 " {
			return fmt.Errorf("pinned are %q", pins())
		}
		return nil
	})
	s.slurm("epilog.sh", "SLURM_JOB_RESTART_COUNT=1") // Slurm has counted already
	if got := pins(); got != "" {
		t.Errorf("after a run that is queued again pins are left: %q", got)
	}
	s.inJob(latest, "SLURM_RESTART_COUNT=1")
	if got := pins(); got != "65534.eos.slurm-77.1 " {
		t.Errorf("the next run pins %q", got)
	}
	s.slurm("epilog.sh", "SLURM_JOB_RESTART_COUNT=1")
	if got := pins(); got != "" {
		t.Errorf("after the last run pins are left: %q", got)
	}
	if text := readFile(t, s.path("one/latest/f")); text != "text" {
		t.Errorf("after the job the mount reads %q", text)
	}
}
