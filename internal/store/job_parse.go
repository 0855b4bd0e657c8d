package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
)

// The variables that name a job, and those that say more of one of Slurm's.
const (
	ownVar     = "ARTIFACTFS_JOB"
	slurmVar   = "SLURM_JOB_ID"
	nemoVar    = "NEMO_EXPERIMENT_ID"
	torchVar   = "TORCHELASTIC_RUN_ID"
	restartVar = "SLURM_RESTART_COUNT"
	clusterVar = "SLURM_CLUSTER_NAME"
)

// cgroup is what a process's control groups say of its job.
type cgroup struct {
	slurm string // job id
	pod   string // Kubernetes' uid of it
}

// jobFrom decides which job it is. What the user says in so many words comes
// first. Then Slurm: its cgroup, which a process cannot leave, before the variable,
// so that nodes with and without that plugin agree. A pod is the last resort: the
// ranks of one job are many pods, and what they share is in their environment.
func jobFrom(g cgroup, env map[string]string) Job {
	slurm := func(id, source string) Job {
		j := Job{Name: "slurm-" + id, Source: source}
		if env[slurmVar] == id { // else the environment is another job's
			j.Cluster = env[clusterVar]
			if n, err := strconv.Atoi(env[restartVar]); err == nil && n > 0 {
				j.Restart = n
			}
		}
		return j
	}
	switch {
	case env[ownVar] != "":
		return Job{Name: "job-" + env[ownVar], Source: ownVar}
	case g.slurm != "":
		return slurm(g.slurm, "cgroup")
	case env[slurmVar] != "":
		return slurm(env[slurmVar], slurmVar)
	case env[nemoVar] != "":
		return Job{Name: "nemo-" + env[nemoVar], Source: nemoVar}
	case env[torchVar] != "" && env[torchVar] != "none": // torchrun's default
		return Job{Name: "torch-" + env[torchVar], Source: torchVar}
	case g.pod != "":
		return Job{Name: "pod-" + g.pod, Source: "cgroup"}
	}
	return Job{}
}

// ID names the job's snapshot, as a file name: UID.CLUSTER.NAME, and .RESTART of a
// job that was requeued.
func (j Job) ID() string {
	cluster := "-"
	if j.Cluster != "" {
		cluster = fileName(j.Cluster)
	}
	id := fmt.Sprintf("%d.%s.%s", j.UID, cluster, fileName(j.Name))
	if j.Restart > 0 {
		id += "." + strconv.Itoa(j.Restart)
	}
	return id
}

// fileName spells s with letters, digits, dash and underscore; %XX is the rest. A
// long one is cut, and told from others by its hash.
func fileName(s string) string {
	var b strings.Builder
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_':
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	if b.Len() <= 100 {
		return b.String()
	}
	sum := sha256.Sum256([]byte(s))
	return b.String()[:60] + "%" + hex.EncodeToString(sum[:16])
}

var (
	slurmJob = regexp.MustCompile(`^job_([0-9]{1,20})$`)
	podName  = regexp.MustCompile(`^(?:[a-z0-9-]+-)?pod([0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12}|[0-9a-f]{32})(?:\.slice)?$`)
)

// parseCgroup reads /proc/PID/cgroup, of either version of control groups.
//
// Slurm: /slurm/uid_1000/job_123/step_0 and /slurm_NODE/…, or
// /system.slice/slurmstepd.scope/job_123/…. Kubernetes: /kubepods/burstable/podUID/…
// or /kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podU_I_D.slice/….
func parseCgroup(b []byte) (g cgroup) {
	for line := range bytes.Lines(b) {
		f := bytes.SplitN(bytes.TrimSuffix(line, []byte("\n")), []byte(":"), 3)
		if len(f) != 3 {
			continue
		}
		slurm, kube := false, false
		for c := range strings.SplitSeq(string(f[2]), "/") {
			kube = kube || strings.Contains(c, "kubepods")
			if m := slurmJob.FindStringSubmatch(c); m != nil && slurm && g.slurm == "" {
				g.slurm = m[1]
			}
			if m := podName.FindStringSubmatch(c); m != nil && kube && g.pod == "" {
				g.pod = strings.ReplaceAll(m[1], "_", "-")
			}
			slurm = slurm || strings.Contains(c, "slurm")
		}
	}
	return g
}

// parseEnviron returns the variables that matter here. Of one that is there twice
// the first counts, as getenv has it.
func parseEnviron(b []byte) map[string]string {
	env := make(map[string]string)
	for entry := range bytes.SplitSeq(b, []byte{0}) {
		key, value, ok := bytes.Cut(entry, []byte("="))
		if !ok {
			continue
		}
		switch k := string(key); k {
		case ownVar, slurmVar, nemoVar, torchVar, restartVar, clusterVar:
			if _, twice := env[k]; !twice {
				env[k] = string(value)
			}
		}
	}
	return env
}

// readSome returns the first max bytes of a file, nil if it cannot be read.
func readSome(path string, max int64) []byte {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, max))
	if err != nil {
		return nil
	}
	return b
}
