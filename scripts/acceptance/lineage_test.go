//go:build linux

package acceptance

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"artifactfs.dev/artifactfs/internal/store/bucket/buckettest"
)

// madeFrom is what a version says that it was made from.
func (s *site) madeFrom(name string, n int) []string {
	s.t.Helper()
	var r struct {
		Used []string `json:"used_artifacts"`
	}
	must(s.t, json.Unmarshal([]byte(readFile(s.t, s.path(".manifest", name, fmt.Sprint("v", n), "manifest.json"))), &r))
	return r.Used
}

// job runs a script as a user, in a job.
func (s *site) job(uid int, id, script string) {
	s.t.Helper()
	s.as(uid, "ARTIFACTFS_JOB="+id, script)
}

// as runs a script as a user, with variables.
func (s *site) as(uid int, env, script string) {
	s.t.Helper()
	cmd := s.command("setpriv", fmt.Sprintf("--reuid=%d", uid), fmt.Sprintf("--regid=%d", uid), "--clear-groups", "--", "sh", "-euc", script)
	cmd.Env = append(cmd.Env, strings.Fields(env)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Errorf("with %s: %s: %v %s", env, script, err, out)
	}
}

// A job that knows nothing but cat and echo: what it logs says what it was made from, in
// each lane, also if the daemon is killed in between. What others read at that time, or
// the job after it, is not its own.
func TestLineageOfAJob(t *testing.T) {
	needProgram(t, "setpriv")
	for _, tt := range []struct{ lane, key string }{
		{"auto", ""}, {"passthrough", ""}, {"copy", ""}, {"symlink", ""}, {"auto", `lineage = "complete"`},
	} {
		t.Run(tt.lane+strings.Fields(tt.key + " default")[0], func(t *testing.T) {
			var keys []string
			if tt.key != "" {
				keys = append(keys, tt.key)
			}
			s := newSite(t, siteOptions{Lane: tt.lane, Keys: keys})
			must(t, os.Chmod(s.Root, 0o1777))
			data, other, out := s.data("sft", map[string]string{"x": "1"}), s.data("other", map[string]string{"d/y": "2"}), s.data("out", map[string]string{"z": "3"})
			for range 2 {
				s.artifactfs("log", "sft", data)
			}
			s.artifactfs("log", "other", other)
			lineageOfAJob(t, s, out)
			if tt.key == "" && tt.lane == "auto" {
				lineageOfJobs(t, s, out)
				lineageOfUpstream(t, s, out)
			}
			if tt.key == "" {
				return
			}
			// What is bound is read unseen, so nothing is.
			if out, err := s.command(binary, "warm", "--mount", s.Mnt, "sft:v1").CombinedOutput(); err == nil || !strings.Contains(string(out), "lineage") {
				t.Errorf("warm: %v %s", err, out)
			}
			s.job(alice, "two", "ls "+s.path("other", "v1")+" >/dev/null")
			s.job(alice, "two", "cat "+s.path("sft", "v1", "x")+"; echo "+out+" >"+s.path(".log", "model"))
			if got := s.madeFrom("model", 3); !slices.Equal(got, []string{"other:v1", "sft:v1"}) {
				t.Errorf("made from %q", got)
			}
		})
	}
}

func lineageOfAJob(t *testing.T, s *site, out string) {
	t.Helper()
	s.job(bob, "one", "cat "+s.path("sft", "v1", "x"))
	s.job(alice, "one", "cat "+s.path("sft", "latest", "x"))
	s.kill()
	s.back(comeback, "after kill -9")
	s.job(alice, "one", "cat "+s.path("other", "v1", "d", "y")+"; echo "+out+" >"+s.path(".log", "model"))
	s.job(alice, "next", "echo "+out+" >"+s.path(".log", "model"))
	if got := s.madeFrom("model", 1); !slices.Equal(got, []string{"other:v1", "sft:v2"}) {
		t.Errorf("made from %q", got)
	}
	if got := s.madeFrom("model", 2); len(got) > 0 {
		t.Errorf("the next job's was made from %q", got)
	}
	var r struct {
		Path, Job, Producer string
		Used                []string `json:"used_artifacts"`
	}
	must(t, json.Unmarshal([]byte(s.artifactfs("resolve", "model:v1", "--json")), &r))
	if r.Path != out || r.Job != fmt.Sprintf("%d.-.job-one", alice) || r.Producer != "local" || len(r.Used) != 2 {
		t.Errorf("the record says %+v", r)
	}
	got := s.artifactfs("lineage", "sft:v2", "--down", "--mount", s.Mnt)
	if !strings.Contains(got, "model:v1") || strings.Contains(got, "model:v2") {
		t.Errorf("lineage says\n%s", got)
	}
}

// lineageOfJobs are those that could be taken for each other: two of one user at one moment, one in its second life, and what is no job
// at all. Who read has ended by the time that somebody logs.
func lineageOfJobs(t *testing.T, s *site, out string) {
	t.Helper()
	var jobs sync.WaitGroup
	for name, input := range map[string]string{"p": "sft", "q": "other"} {
		jobs.Go(func() {
			s.as(alice, "ARTIFACTFS_JOB="+name, fmt.Sprintf("for i in 1 2 3; do cat %s >/dev/null & done; wait; sh -c 'echo %s >%s'",
				s.path(input, "latest", map[string]string{"sft": "x", "other": "d/y"}[input]), out, s.path(".log", name)))
		})
	}
	jobs.Wait()
	read := "cat " + s.path("sft", "latest", "x") + "; "
	log := "echo " + out + " >" + s.path(".log", "life")
	s.as(alice, "SLURM_JOB_ID=9", read)
	s.as(alice, "SLURM_JOB_ID=9 SLURM_RESTART_COUNT=1", log)
	s.as(alice, "_=", read+log)
	s.as(alice, "NEMO_EXPERIMENT_ID=exp", read+log)
	for _, want := range []struct {
		name          string
		n             int
		job, producer string
		used          string
	}{
		{"p", 1, "-.job-p", "local", "sft:v2"}, {"q", 1, "-.job-q", "local", "other:v1"},
		{"life", 1, "-.slurm-9.1", "local", ""}, {"life", 2, "", "local", ""}, {"life", 3, "-.nemo-exp", "exp", "sft:v2"},
	} {
		var r struct {
			Job, Producer string
			Used          []string `json:"used_artifacts"`
		}
		must(t, json.Unmarshal([]byte(s.artifactfs("resolve", fmt.Sprintf("%s:v%d", want.name, want.n), "--json")), &r))
		if want.job != "" {
			want.job = fmt.Sprintf("%d.%s", alice, want.job)
		}
		if got := strings.Join(r.Used, " "); got != want.used || r.Job != want.job || r.Producer != want.producer {
			t.Errorf("%s:v%d is of job %q, by %s, made from %q; want %+v", want.name, want.n, r.Job, r.Producer, got, want)
		}
	}
}

// lineageOfUpstream is a job of upstream's code, which resolves what it reads and logs what it has made in .manifest. The record stays
// as it writes it.
func lineageOfUpstream(t *testing.T, s *site, out string) {
	t.Helper()
	py := python(t)
	dir, err := os.Getwd()
	must(t, err)
	view := s.path(".manifest")
	s.job(0, "upstream", fmt.Sprintf("cat %s/sft/$(cat %[1]s/sft/latest)/manifest.json %s >/dev/null; cd %s; %s upstream_writer.py %[1]s ckpt 2 %s t",
		view, s.path("other", "latest", "d", "y"), dir, py, out))
	for n := range 2 {
		if got := s.madeFrom("ckpt", n+1); len(got) > 0 {
			t.Errorf("ckpt:v%d: the record that upstream wrote says %q now", n+1, got)
		}
		var doc struct {
			Edges []struct{ From, To string } `json:"edges"`
		}
		must(t, json.Unmarshal([]byte(readFile(t, s.path(".manifest", "ckpt", fmt.Sprint("v", n+1), "lineage.json"))), &doc))
		if got := fmt.Sprint(doc.Edges); got != fmt.Sprintf("[{other:v1 ckpt:v%d} {sft:v2 ckpt:v%[1]d}]", n+1) {
			t.Errorf("ckpt:v%d: lineage.json has %s", n+1, got)
		}
	}
	if got := s.artifactfs("lineage", "other", "--down", "--mount", s.Mnt); !strings.Contains(got, "ckpt:v1") || !strings.Contains(got, "ckpt:v2") {
		t.Errorf("lineage says\n%s", got)
	}
}

// The same over a store that has no users, and no directories.
func TestLineageInABucket(t *testing.T) {
	needProgram(t, "setpriv")
	s := newSite(t, siteOptions{Root: buckettest.S3(t).URI, Keys: []string{fmt.Sprintf(`writers = ["user:%d", "user:%d"]`, alice, bob)}})
	data, other, out := s.data("sft", map[string]string{"x": "1"}), s.data("other", map[string]string{"d/y": "2"}), s.data("out", map[string]string{"z": "3"})
	for range 2 {
		s.artifactfs("log", "sft", data)
	}
	s.artifactfs("log", "other", other)
	lineageOfAJob(t, s, out)
	lineageOfJobs(t, s, out)
	lineageOfUpstream(t, s, out)
}
