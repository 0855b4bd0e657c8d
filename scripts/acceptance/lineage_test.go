//go:build linux

package acceptance

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
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
	cmd := s.command("setpriv", fmt.Sprintf("--reuid=%d", uid), fmt.Sprintf("--regid=%d", uid), "--clear-groups", "--", "sh", "-euc", script)
	cmd.Env = append(cmd.Env, "ARTIFACTFS_JOB="+id)
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("job %s: %s: %v %s", id, script, err, out)
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
	got := s.artifactfs("lineage", "sft:v2", "--down", "--mount", s.Mnt)
	if !strings.Contains(got, "model:v1") || strings.Contains(got, "model:v2") {
		t.Errorf("lineage says\n%s", got)
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
	lineageOfUpstream(t, s, out)
}
