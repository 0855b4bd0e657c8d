package store

import (
	"os"
	"strings"
	"syscall"
	"testing"
)

func TestParseCgroup(t *testing.T) {
	const uid = "0123abcd-4567-89ab-cdef-0123456789ab"
	under := strings.ReplaceAll(uid, "-", "_")
	for _, tt := range []struct{ text, slurm, pod string }{
		{"0::/system.slice/slurmstepd.scope/job_123/step_0/user/task_0\n", "123", ""},
		{"0::/system.slice/node7_slurmstepd.scope/job_123/step_batch/user/task_special\n", "123", ""},
		{"11:memory:/slurm/uid_1000/job_42/step_0/task_0\n1:name=systemd:/user.slice\n", "42", ""},
		{"3:cpuset:/slurm_node1/uid_1000/job_42/step_extern\n", "42", ""},
		{"0::/user.slice/job_123\n", "", ""},
		{"0::/slurm/job_12x\n", "", ""},
		{"0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + under + ".slice/cri-containerd-ff.scope\n", "", uid},
		{"0::/kubepods.slice/kubepods-pod" + under + ".slice/crio-1.scope\n", "", uid},
		{"5:cpu:/kubepods/besteffort/pod" + uid + "/abcdef\n", "", uid},
		{"5:cpu:/kubepods/pod" + uid + "/abcdef\n", "", uid},
		{"0::/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod" + under + ".slice/x\n", "", uid},
		{"0::/kubepods/pod" + strings.Repeat("ab", 16) + "/x\n", "", strings.Repeat("ab", 16)}, // static pods
		{"0::/pod" + uid + "\n", "", ""},
		{"0::/../../slurmstepd.scope/job_9\n", "9", ""},
		{"0::/a:b/slurm/job_9", "9", ""},
		{"", "", ""}, {"::\n:\n\n", "", ""}, {"0::/\n", "", ""},
	} {
		if g := parseCgroup([]byte(tt.text)); g.slurm != tt.slurm || g.pod != tt.pod {
			t.Errorf("%q: %+v, want %q and %q", tt.text, g, tt.slurm, tt.pod)
		}
	}
}

func TestJobFrom(t *testing.T) {
	for _, tt := range []struct {
		g          cgroup
		env        string
		id, source string
	}{
		{cgroup{}, "PATH=/bin", "", ""},
		{cgroup{slurm: "7"}, "", "5.-.slurm-7", "cgroup"},
		{cgroup{slurm: "7"}, "SLURM_JOB_ID=7 SLURM_CLUSTER_NAME=eos SLURM_RESTART_COUNT=2", "5.eos.slurm-7.2", "cgroup"},
		{cgroup{slurm: "7"}, "SLURM_JOB_ID=8 SLURM_CLUSTER_NAME=eos SLURM_RESTART_COUNT=2", "5.-.slurm-7", "cgroup"},
		{cgroup{}, "SLURM_JOB_ID=7 SLURM_CLUSTER_NAME=eos SLURM_RESTART_COUNT=0", "5.eos.slurm-7", "SLURM_JOB_ID"},
		{cgroup{}, "SLURM_JOB_ID=7 SLURM_RESTART_COUNT=-1", "5.-.slurm-7", "SLURM_JOB_ID"},
		{cgroup{}, "NEMO_EXPERIMENT_ID=n SLURM_JOB_ID=7", "5.-.slurm-7", "SLURM_JOB_ID"},
		{cgroup{pod: "p"}, "NEMO_EXPERIMENT_ID=n TORCHELASTIC_RUN_ID=t", "5.-.nemo-n", "NEMO_EXPERIMENT_ID"},
		{cgroup{pod: "p"}, "TORCHELASTIC_RUN_ID=t", "5.-.torch-t", "TORCHELASTIC_RUN_ID"},
		{cgroup{pod: "p"}, "TORCHELASTIC_RUN_ID=none", "5.-.pod-p", "cgroup"},
		{cgroup{slurm: "7", pod: "p"}, "ARTIFACTFS_JOB=mine SLURM_JOB_ID=7", "5.-.job-mine", "ARTIFACTFS_JOB"},
		{cgroup{slurm: "7"}, "ARTIFACTFS_JOB= SLURM_JOB_ID=", "5.-.slurm-7", "cgroup"},
		{cgroup{}, "ARTIFACTFS_JOB=../a.b ARTIFACTFS_JOB=second", "5.-.job-%2E%2E%2Fa%2Eb", "ARTIFACTFS_JOB"},
	} {
		j := jobFrom(tt.g, parseEnviron([]byte(strings.ReplaceAll(tt.env, " ", "\x00"))))
		j.UID = 5
		id := j.ID()
		if j.Name == "" {
			id = ""
		}
		if id != tt.id || j.Source != tt.source {
			t.Errorf("%+v %q: %q from %q; want %q from %q", tt.g, tt.env, id, j.Source, tt.id, tt.source)
		}
	}
	long, other := Job{Name: strings.Repeat("/", 5000)}, Job{Name: strings.Repeat("/", 5001)}
	if a, b := long.ID(), other.ID(); len(a) > 200 || a == b {
		t.Errorf("long names: %q and %q", a, b)
	}
}

func FuzzJob(f *testing.F) {
	f.Add([]byte("0::/system.slice/slurmstepd.scope/job_123/step_0\n"), []byte("ARTIFACTFS_JOB=x\x00SLURM_JOB_ID=1\x00"), []byte("1 (a b) S 1"))
	f.Add([]byte("0::/kubepods/pod0123abcd-4567-89ab-cdef-0123456789ab/x"), []byte("SLURM_RESTART_COUNT=9999999999999999999999"), []byte(")"))
	f.Fuzz(func(t *testing.T, cgroup, environ, stat []byte) {
		parseStat(stat)
		allUIDs(stat, 0)
		j := jobFrom(parseCgroup(cgroup), parseEnviron(environ))
		id := j.ID()
		if len(id) > 255 || strings.ContainsAny(id, "/\x00\n ") || strings.HasPrefix(id, ".") || strings.Count(id, ".") > 3 {
			t.Errorf("%q is no name for a file", id)
		}
	})
}

// startEnv runs sleep with an environment, as a user.
func startEnv(t *testing.T, uid int, env ...string) int {
	t.Helper()
	return start(t, &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid), NoSetGroups: os.Getuid() != 0}},
		append(append([]string{"env", "-i"}, env...), "sleep", "1000")...)
}

func TestJobOf(t *testing.T) {
	me := os.Getuid()
	inJob := startEnv(t, me, "ARTIFACTFS_JOB=j")
	want := Job{UID: uint32(me), Name: "job-j", Source: "ARTIFACTFS_JOB"}
	for range 2 { // read, then known
		if j, ok := JobOf(ctxOf(me, inJob)); !ok || j != want {
			t.Errorf("%+v %v, want %+v", j, ok, want)
		}
	}
	if j, ok := JobOf(ctxOf(me, startEnv(t, me, "A=1"))); ok {
		t.Errorf("a process without a job: %+v", j)
	}
	for what, pid := range map[string]int{"invisible": 0, "gone": 1<<22 + 7} {
		if j, ok := JobOf(ctxOf(me, pid)); ok {
			t.Errorf("%s: %+v", what, j)
		}
	}
	if j, ok := JobOf(t.Context()); ok {
		t.Errorf("no caller: %+v", j)
	}
	// Asked on behalf of another user, that process's environment says nothing.
	if j, ok := JobOf(ctxOf(me+1, inJob)); ok {
		t.Errorf("another user's process: %+v", j)
	}
}

// A process becomes another by exec: what was known of it is not of the new one.
func TestJobAcrossExec(t *testing.T) {
	me := os.Getuid()
	fifo := t.TempDir() + "/go"
	must(t, syscall.Mkfifo(fifo, 0o600))
	pid := startEnvSh(t, "read x < "+fifo+"; ARTIFACTFS_JOB=after exec sleep 1000")
	if j, ok := JobOf(ctxOf(me, pid)); ok {
		t.Fatalf("before: %+v", j)
	}
	must(t, os.WriteFile(fifo, []byte("\n"), 0))
	eventually(t, "the job is known after exec", func() bool {
		j, ok := JobOf(ctxOf(me, pid))
		return ok && j.Name == "job-after"
	})
}

func startEnvSh(t *testing.T, script string) int {
	t.Helper()
	p, err := os.StartProcess("/bin/sh", []string{"sh", "-c", script}, &os.ProcAttr{Env: []string{"PATH=/bin:/usr/bin"}})
	must(t, err)
	t.Cleanup(func() { p.Kill(); p.Wait() })
	return p.Pid
}

func BenchmarkJobOf(b *testing.B) {
	ctx := ctxOf(os.Getuid(), os.Getpid())
	for b.Loop() {
		JobOf(ctx)
	}
}
