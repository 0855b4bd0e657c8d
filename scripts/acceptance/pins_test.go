//go:build linux

package acceptance

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"artifactfs.dev/artifactfs/internal/store/bucket/buckettest"
)

// A machine is a mount namespace and a network namespace with a daemon of its own
// over the site's store, as another node of a cluster has it. A store in a bucket is served
// on loopback: there the network is the machine's.
type machine struct {
	*namespace
	mnt string
}

func (s *site) machine(name string) *machine {
	s.t.Helper()
	mnt := s.Base + "/" + name
	must(s.t, os.MkdirAll(mnt, 0o755))
	n := s.container("private", "true")
	m := &machine{n, mnt}
	argv := []string{"unshare", "--net", binary, "mount", mnt, "--log-file", s.Base + "/" + name + ".log"}
	if strings.Contains(s.Root, "://") {
		argv = argv[2:]
	}
	cmd := n.command(root, argv...)
	cmd.Env = append(cmd.Env, "ARTIFACTFS_RUN_DIR="+s.Base+"/run-"+name)
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("mount on %s: %v %s", name, err, out)
	}
	return m
}

// ranks start count processes of a job there, which wait until somebody writes to the
// fifo go and then resolve latest again and again until stop is there; each prints what
// it saw.
func (m *machine) ranks(count, uid int, job, env string) (results func() []string) {
	const script = `: <"$1/go"; sleep "$4"
		first=$(readlink "$2/m/latest"); echo "$first"
		while ! [ -e "$1/stop" ]; do readlink "$2/m/latest"; sleep 0.2; done
		readlink "$2/m/latest"; readlink "$2/.snapshot/` + "$3" + `/m/latest"; cat "$2/.fields/m/latest/version"`
	var wg sync.WaitGroup
	out := make([]string, count)
	for i := range count {
		cmd := m.command(uid, "sh", "-uc", script, "sh", m.s.Base, m.mnt, fmt.Sprintf("%d.%s", uid, job), fmt.Sprintf("0.%02d", i%8))
		cmd.Env = append(cmd.Env, env)
		wg.Go(func() {
			b, err := cmd.CombinedOutput()
			if out[i] = string(b); err != nil {
				out[i] += err.Error()
			}
		})
	}
	return func() []string { wg.Wait(); return out }
}

// release lets go of ranks that a test has left waiting.
func (s *site) release() {
	_ = os.WriteFile(s.Base+"/stop", nil, 0o644)
	if f, err := os.OpenFile(s.Base+"/go", os.O_RDWR, 0); err == nil {
		f.Close()
	}
}

// as runs a script on the machine, as a user and in a job.
func (m *machine) as(uid int, env, script string) string {
	m.s.t.Helper()
	cmd := m.command(uid, "sh", "-euc", script)
	cmd.Env = append(cmd.Env, env)
	out, err := cmd.CombinedOutput()
	if err != nil {
		m.s.t.Errorf("uid %d, %s, on %s: %s: %v %s", uid, env, m.mnt, script, err, out)
	}
	return strings.TrimSpace(string(out))
}

// Two nodes, 32 ranks of one job on each, and somebody who logs all the while:
// every rank of a job sees one version, whoever was first. The next job sees the
// newest. Another user with the same environment is in another job.
func TestOneLatestPerJob(t *testing.T) {
	needProgram(t, "unshare", "nsenter", "setpriv")
	for _, tt := range []struct {
		job, env string
		bucket   bool
	}{{"-.job-exp1", "ARTIFACTFS_JOB=exp1", false}, {"-.slurm-77", "SLURM_JOB_ID=77", false}, {"-.job-exp1", "ARTIFACTFS_JOB=exp1", true}} {
		t.Run(fmt.Sprint(tt.env, map[bool]string{true: " in a bucket"}[tt.bucket]), func(t *testing.T) {
			o, versions := siteOptions{Quiet: true, Keys: []string{`ttl = "10ms"`}}, scaled(100)
			if tt.bucket { // listed a hundred times a second, it would be a test of the server
				o.Root, o.Keys = buckettest.S3(t).URI, []string{`ttl = "200ms"`}
			}
			s := newSite(t, o)
			must(t, syscall.Mkfifo(s.Base+"/go", 0o644))
			t.Cleanup(func() { s.release() })
			if !tt.bucket {
				must(t, os.Chmod(s.Root, 0o1777))
			}
			data := s.data("m", map[string]string{"x": "1"})
			s.artifactfs("log", "m", data)
			one, two := s.machine("node1"), s.machine("node2")
			results := []func() []string{one.ranks(32, alice, tt.job, tt.env), two.ranks(32, alice, tt.job, tt.env)}
			logged := make(chan error, 1)
			go func() {
				script := fmt.Sprintf(`for i in $(seq %d); do echo %s >%s/.log/m; done`, versions, data, one.mnt)
				cmd := one.command(root, "sh", "-euc", script)
				cmd.Env = append(cmd.Env, "ARTIFACTFS_JOB=logger")
				out, err := cmd.CombinedOutput()
				if err != nil {
					err = fmt.Errorf("%w: %s", err, out)
				}
				logged <- err
			}()
			// The ranks begin in the middle of it, within a tenth of a second.
			eventually(t, time.Minute, "some versions are logged", func() error {
				one.as(root, "_=", "test -e "+fmt.Sprintf("%s/m/v%d", one.mnt, min(10, versions))+" && touch "+s.Base+"/some || true")
				_, err := os.Stat(s.Base + "/some")
				return err
			})
			start, err := os.OpenFile(s.Base+"/go", os.O_RDWR, 0)
			must(t, err)
			defer start.Close()
			must(t, <-logged)
			// Bob, in the same environment, while alice's ranks read.
			newest := "v" + strconv.Itoa(versions+1)
			two.as(root, "_=", "echo m >"+two.mnt+"/.artifactfs/refresh") // a listing of a bucket is good for its ttl
			bobs := two.as(bob, tt.env, "readlink "+two.mnt+"/m/latest")
			writeFile(t, s.Base+"/stop", "")
			seen := map[string]int{}
			for _, r := range results {
				for _, out := range r() {
					for line := range strings.Lines(out) {
						seen[strings.TrimSpace(line)]++
					}
				}
			}
			if len(seen) != 1 {
				t.Fatalf("the ranks of one job saw %v", seen)
			}
			if seen[newest] > 0 {
				t.Logf("all versions were logged before the first rank looked")
			}
			if bobs != newest {
				t.Errorf("bob sees %s, want the newest, %s: alice's pin is %v", bobs, newest, seen)
			}
			if next := two.as(alice, "ARTIFACTFS_JOB=next", "readlink "+two.mnt+"/m/latest"); next != newest {
				t.Errorf("the next job sees %s, want %s", next, newest)
			}
			if tt.bucket {
				one.as(bob, tt.env, "! ls "+one.mnt+"/.snapshot/"+fmt.Sprintf("%d.%s", alice, tt.job))
				return
			}
			s.bobSeesNothing(one, two, tt.job, tt.env, newest)
		})
	}
}

// bobSeesNothing: bob neither sees nor moves what alice has pinned.
func (s *site) bobSeesNothing(one, two *machine, job, env, newest string) {
	s.t.Helper()
	id := fmt.Sprintf("%d.%s", alice, job)
	before := two.as(alice, env, "readlink "+two.mnt+"/m/latest")
	two.as(bob, env, "! ls "+two.mnt+"/.snapshot/"+id+" && ! ls "+two.mnt+"/.snapshot | grep '^"+strconv.Itoa(alice)+"'")
	two.as(bob, env, "! ls "+s.Root+"/.artifactfs/snapshots/"+id)
	two.as(bob, env, "! rm -r "+s.Root+"/.artifactfs/snapshots/"+id+"; ! mv "+s.Root+"/.artifactfs/snapshots/"+id+" "+s.Root+"/.artifactfs/snapshots/x")
	two.as(bob, env, "! "+binary+" snapshot set "+id+" m:v1; ! "+binary+" snapshot rm "+id)
	two.as(bob, env, "echo "+s.Data+"/m >"+two.mnt+"/.log/bobs")
	if after := one.as(alice, env, "readlink "+one.mnt+"/m/latest"); after != before || after == "" {
		s.t.Errorf("alice sees %s after bob, %s before", after, before)
	}
	// lstat's size is the caller's own link's.
	if size := one.as(alice, env, "stat -c %s "+one.mnt+"/m/latest"); size != strconv.Itoa(len(before)) {
		s.t.Errorf("st_size of %s is %s", before, size)
	}
	if size := one.as(bob, env, "stat -c %s "+one.mnt+"/m/latest"); size != strconv.Itoa(len(newest)) {
		s.t.Errorf("st_size of %s is %s", newest, size)
	}
	// A stranger who was there first keeps a job from pinning in the store, and no more.
	squat := fmt.Sprintf("%s/.artifactfs/snapshots/%d.-.job-squat", s.Root, alice)
	two.as(bob, env, "mkdir -m 777 "+squat+" && printf v1 >"+squat+"/m@latest")
	got := two.as(alice, "ARTIFACTFS_JOB=squat", "readlink "+two.mnt+"/m/latest && "+binary+" status --json "+two.mnt)
	if !strings.HasPrefix(got, newest+"\n") || !strings.Contains(got, "is ignored") {
		s.t.Errorf("with a stranger's directory in its place: %s; want %s and why it is not kept", got, newest)
	}
}

// kill -9 of the daemon between writing a pin and naming it leaves no pin that is
// empty: whatever is there names a version.
func TestPinsAcrossKill(t *testing.T) {
	s := newSite(t, siteOptions{})
	data := s.data("m", map[string]string{"x": "1"})
	for range 9 {
		s.artifactfs("log", "m", data)
	}
	for i := range scaled(10) {
		var wg sync.WaitGroup
		for j := range 8 {
			cmd := s.command("readlink", s.path("m", "latest"))
			cmd.Env = append(cmd.Env, fmt.Sprintf("ARTIFACTFS_JOB=k%d-%d", i, j))
			wg.Go(func() { cmd.Run() })
		}
		s.kill()
		wg.Wait()
		s.back(comeback, "after a kill")
	}
	pins, err := filepath.Glob(s.Root + "/.artifactfs/snapshots/*/m@latest")
	must(t, err)
	for _, p := range pins {
		if text := readFile(t, p); text != "v9" {
			t.Errorf("%s holds %q", p, text)
		}
	}
}
