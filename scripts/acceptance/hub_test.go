//go:build linux

package acceptance

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"

	"artifactfs.dev/artifactfs/internal/store/bucket/buckettest"
)

// other mounts the site's store by another URI, with more in the environment, and returns where.
func (s *site) other(name, root string, env ...string) string {
	s.t.Helper()
	dir := s.Base + "/" + name
	must(s.t, os.MkdirAll(dir, 0o755))
	cmd := s.command(binary, "mount", dir, "artifacts.manifest.root="+root, "--log-file", s.Base+"/"+name+".log")
	cmd.Env = append(cmd.Env, env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("mount of %s: %v\n%s", root, err, out)
	}
	s.t.Cleanup(func() { s.command(binary, "umount", dir).Run() }) // before the site goes
	return dir
}

// A repository of the Hub is a store like any other: what is logged by each door is one commit, aliases and retired versions are commits, a
// job's pins are none.
func TestHubMount(t *testing.T) {
	needRoot(t)
	store, hub := buckettest.Hub(t)
	s := newSite(t, siteOptions{Root: store.URI, Keys: []string{`ttl = "50ms"`}})
	dir := s.data("corpus", map[string]string{"part.txt": "text"})
	titles := func() int { return len(hub.Titles(buckettest.RepoKind, buckettest.RepoID, "main")) }
	s.artifactfs("log", "first", dir) // which also says whose numbers the store has
	before := titles()
	s.artifactfs("log", "team/corpus", dir, "--alias", "prod")
	s.shell("echo " + dir + " > " + s.path(".log", "team", "corpus"))
	if made := titles() - before; made != 2 {
		t.Errorf("two logs are %d commits: %q", made, hub.Titles(buckettest.RepoKind, buckettest.RepoID, "main"))
	}
	inJob := func(script string) string {
		t.Helper()
		cmd := s.command("sh", "-euc", script)
		cmd.Env = append(cmd.Env, "ARTIFACTFS_JOB=one")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v %s", script, err, out)
		}
		return string(out)
	}
	before = titles()
	if got := inJob("readlink " + s.path("team", "corpus", "latest")); got != "v2\n" || titles() != before {
		t.Errorf("the job's latest is %q, and its pin made %d commits", got, titles()-before)
	}
	s.shell("echo " + dir + " > " + s.path(".log", "team", "corpus"))
	if got := inJob(binary + " resolve team/corpus | grep ^version"); got != "version\tv2\n" {
		t.Errorf("a command in the job resolves %q", got)
	}
	if got := s.artifactfs("snapshot", "ls"); !strings.Contains(got, "job-one") {
		t.Errorf("the snapshots are %q", got)
	}
	s.artifactfs("retire", "team/corpus:v3", "--why", "wrong")
	s.artifactfs("alias", "team/corpus:v1", "old")
	eventually(t, soon, "the mount shows what was done by command", func() error {
		if got := s.shell("ls " + s.path("team", "corpus") + "; readlink " + s.path("team", "corpus", "latest")); got != "latest\nold\nprod\nv1\nv2\nv2\n" {
			return errors.New(got)
		}
		return nil
	})
	s.artifactfs("retire", "team/corpus:v3", "--undo")
	eventually(t, soon, "v3 is latest again", func() error {
		if got, err := s.latest("team/corpus"); err != nil || got != 3 {
			return errors.Join(err, errors.New("it is not"))
		}
		return nil
	})
	if got := inJob("readlink " + s.path("team", "corpus", "latest") + "; cat " + s.path("team", "corpus", "latest", "part.txt")); got != "v2\ntext" {
		t.Errorf("the job's latest has become %q", got)
	}
	if got := inJob(binary + " status --json " + s.Mnt); !strings.Contains(got, `"where": "this node"`) || strings.Contains(got, "degraded") {
		t.Errorf("status does not say where the pin lies, or that the store answers:\n%s", got)
	}
	files := hub.Files(buckettest.RepoKind, buckettest.RepoID, "main")
	if files["root/team/corpus/latest"] != "v3" || files["root/team/corpus/old"] != "v1" || files["root/team/corpus/v2/manifest.json"] == "" {
		t.Errorf("the repository holds %q", files)
	}
}

// What is one commit is read, and not logged to: EROFS, said by doctor, and no fault of the store. Without the Hub (HF_HUB_OFFLINE) what
// huggingface_hub has in its cache is read, and what it has not is no absence.
func TestHubReadOnly(t *testing.T) {
	needRoot(t)
	py := python(t)
	store, hub := buckettest.Hub(t)
	s := newSite(t, siteOptions{Root: store.URI, Quiet: true})
	dir := s.data("corpus", map[string]string{"part.txt": "text"})
	s.artifactfs("log", "corpus", dir)
	sha := hub.Commit(buckettest.RepoKind, buckettest.RepoID, "main", "data beside it", map[string]string{"data/x": "x"})
	s.artifactfs("log", "corpus", dir)
	at := "hf://" + buckettest.RepoKind + "/" + buckettest.RepoID + "@"
	pinned := s.other("pinned", at+sha+"/root")
	offline, empty := "HF_HUB_OFFLINE=1", "HF_HOME="+t.TempDir()
	fill := s.command(py, "-c", `import sys, huggingface_hub as h; h.snapshot_download(sys.argv[1], repo_type="dataset"); h.snapshot_download(sys.argv[1], repo_type="dataset", revision=sys.argv[2])`,
		buckettest.RepoID, sha)
	if out, err := fill.CombinedOutput(); err != nil {
		t.Fatalf("snapshot_download: %v\n%s", err, out)
	}
	cached := s.other("cached", store.URI, offline)
	lost := s.other("lost", store.URI, offline, empty)

	for _, c := range []struct {
		mnt, latest, env string
	}{{pinned, "v1", ""}, {cached, "v2", offline}} {
		if got := s.shell("cd " + c.mnt + "; ls; readlink corpus/latest; cat corpus/latest/part.txt"); got != "corpus\n"+c.latest+"\ntext" {
			t.Errorf("%s shows %q", c.mnt, got)
		}
		if _, err := os.Stat(c.mnt + "/none"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: an unknown name: %v, want ENOENT", c.mnt, err)
		}
		if err := os.WriteFile(c.mnt+"/.log/corpus", []byte(dir+"\n"), 0o644); !errors.Is(err, syscall.EROFS) {
			t.Errorf("%s: a log: %v, want EROFS", c.mnt, err)
		}
		if err := os.Mkdir(c.mnt+"/.manifest/corpus/v3", 0o755); !errors.Is(err, syscall.EROFS) {
			t.Errorf("%s: a claim: %v, want EROFS", c.mnt, err)
		}
		if got := s.artifactfs("status", c.mnt); strings.Contains(got, "degraded") {
			t.Errorf("%s: a refused log is taken for a store that is away:\n%s", c.mnt, got)
		}
		doctor := s.command(binary, "doctor", c.mnt)
		doctor.Env = append(doctor.Env, c.env)
		if said, _ := doctor.Output(); !strings.Contains(string(said), "warn\tclaims\t") {
			t.Errorf("doctor does not say that nothing can be logged to %s:\n%s", c.mnt, said)
		}
	}
	for _, name := range []string{"corpus", "none"} {
		if _, err := os.Stat(lost + "/" + name); !errors.Is(err, syscall.EIO) {
			t.Errorf("%s, offline and with an empty cache: %v, want EIO", name, err)
		}
	}
	if got := s.artifactfs("status", lost); !strings.Contains(got, "HF_HUB_OFFLINE") {
		t.Errorf("status does not say why:\n%s", got)
	}
}
