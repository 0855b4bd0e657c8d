//go:build linux

package acceptance

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"artifactfs.dev/artifactfs/internal/store/bucket"
	"artifactfs.dev/artifactfs/internal/store/bucket/buckettest"
)

const (
	cacheLimit   = 64 << 20 // artifactfs.cache_size of these sites
	remoteFile   = 32 << 20
	remoteFiles  = 8
	memoryLimit  = 256 << 20 // of the cgroup
	memoryBudget = 64 << 20  // what the cache has in buffers at most
	memoryRest   = 96 << 20  // what the daemon takes besides, its program and Go's garbage included
)

// remote is a site with data in S3, and a cache.
type remote struct {
	*site
	uri    string
	bodies [][]byte
}

func newRemote(t *testing.T, files, size int) *remote {
	needRoot(t)
	store := buckettest.S3(t)
	s := newSite(t, siteOptions{Quiet: true, Keys: []string{fmt.Sprintf("cache_size = %d", cacheLimit)}})
	u, err := bucket.Parse(store.URI)
	must(t, err)
	b, err := bucket.Open(t.Context(), u)
	must(t, err)
	defer b.Close()
	r := &remote{site: s, uri: store.URI}
	for i := range files {
		body := make([]byte, size)
		rand.NewChaCha8([32]byte{byte(i)}).Read(body)
		must(t, b.Write(t.Context(), fmt.Sprintf("d/f%d", i), body))
		r.bodies = append(r.bodies, body)
	}
	config := readFile(t, s.Base+"/env.toml")
	config = strings.Replace(config, "data_roots = [", fmt.Sprintf("cache_dir = %q\ndata_roots = [%q, ", s.Base+"/cache", store.URI), 1)
	writeFile(t, s.Base+"/env.toml", config)
	s.publish("far", 1, strings.Replace(store.URI, "?", "/d?", 1))
	return r
}

// check reads n bytes at off of file i, and compares.
func (r *remote) check(at string, i int, off, n int64) error {
	f, err := os.Open(filepath.Join(at, "far/v1", fmt.Sprintf("f%d", i)))
	if err != nil {
		return err
	}
	defer f.Close()
	p := make([]byte, 1<<20)
	for end := off + n; off < end; {
		k, err := f.ReadAt(p[:min(int64(len(p)), end-off)], off)
		if err != nil && err != io.EOF || k == 0 {
			return fmt.Errorf("f%d at %d: %d bytes, %w", i, off, k, err)
		}
		if !bytes.Equal(p[:k], r.bodies[i][off:off+int64(k)]) {
			return fmt.Errorf("f%d at %d: wrong bytes", i, off)
		}
		off += int64(k)
	}
	return nil
}

// takes is what a directory takes on the disk, and whether it was looked at in a moment.
func takes(dir string) (int64, bool) {
	begun, total := time.Now(), int64(0)
	names, _ := filepath.Glob(dir + "/*")
	for _, name := range names {
		var st syscall.Stat_t
		if syscall.Lstat(name, &st) == nil {
			total += st.Blocks * 512
		}
	}
	return total, time.Since(begun) < time.Millisecond
}

// memory is a line of a process's status, in bytes.
func memory(pid int, what string) int64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == what+":" {
			kb, _ := strconv.ParseInt(f[1], 10, 64)
			return kb << 10
		}
	}
	return 0
}

// cgroup makes a control group with a limit on memory, and returns the file to which a
// process writes itself.
func cgroup(t *testing.T, limit int64) string {
	name := fmt.Sprintf("artifactfs-test-%d", os.Getpid())
	for dir, key := range map[string]string{"/sys/fs/cgroup/memory/" + name: "memory.limit_in_bytes", "/sys/fs/cgroup/" + name: "memory.max"} {
		if os.Mkdir(dir, 0o755) != nil {
			continue
		}
		t.Cleanup(func() {
			for range 100 {
				if os.Remove(dir) == nil {
					return
				}
				time.Sleep(20 * time.Millisecond)
			}
		})
		if os.WriteFile(filepath.Join(dir, key), []byte(fmt.Sprint(limit)), 0) == nil {
			return dir + "/cgroup.procs"
		}
	}
	t.Log("memory cannot be limited here: no control group with its controller can be made")
	return "/dev/null"
}

// Eight readers stream four times what the cache holds through a daemon that has 256 MiB,
// and then 500 read at random: never is there more on the disk than cache_size, nor more in
// memory than is said, and afterwards it is given back.
func TestCacheLimits(t *testing.T) {
	within := cgroup(t, memoryLimit) // it goes after the daemon
	r := newRemote(t, remoteFiles, remoteFile)
	if said := r.shell(fmt.Sprintf("echo $$ > %s || echo not limited; exec %s mount %s --log-file %s/daemon.log", within, binary, r.Mnt, r.Base)); strings.Contains(said, "not limited") {
		t.Log(said)
	}
	daemon := r.daemon()
	if in, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", daemon)); within != "/dev/null" && !strings.Contains(string(in), filepath.Base(filepath.Dir(within))) {
		t.Logf("the daemon is not limited: %s", in)
	}
	must(t, r.check(r.Mnt, 0, 0, 1))
	idle := memory(daemon, "VmRSS")

	stop, most, samples := make(chan struct{}), int64(0), 0
	var sampler, readers sync.WaitGroup
	sampler.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(200 * time.Microsecond):
			}
			if n, sure := takes(r.Base + "/cache/0"); sure {
				most, samples = max(most, n), samples+1
			}
		}
	})
	for i := range remoteFiles {
		readers.Go(func() {
			if err := r.check(r.Mnt, i, 0, remoteFile); err != nil {
				t.Error(err)
			}
		})
	}
	readers.Wait()
	for i := range 500 {
		readers.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(i), 1))
			for range 4 {
				if err := r.check(r.Mnt, i%remoteFiles, rnd.Int64N(remoteFile-64<<10), 64<<10); err != nil {
					t.Error(err)
				}
			}
		})
	}
	readers.Wait()
	close(stop)
	sampler.Wait()
	peak := memory(daemon, "VmHWM")
	t.Logf("%d samples, at most %d MiB on the disk; resident at first %d MiB, at most %d", samples, most>>20, idle>>20, peak>>20)
	if most > cacheLimit || most < cacheLimit/2 {
		t.Errorf("%d bytes on the disk, the limit is %d", most, cacheLimit)
	}
	if r.daemon() != daemon {
		t.Error("the daemon was killed")
	}
	if peak > memoryBudget+memoryRest && !raceEnabled {
		t.Errorf("the daemon had %d MiB, more than %d", peak>>20, (memoryBudget+memoryRest)>>20)
	}
	if os.Getenv("ARTIFACTFS_LARGE") == "" {
		return // it takes a pause of a quarter of a minute
	}
	eventually(t, time.Minute, "memory is given back", func() error {
		if now := memory(daemon, "VmRSS"); now > idle+16<<20 {
			return fmt.Errorf("%d MiB, there were %d at first", now>>20, idle>>20)
		}
		return nil
	})
}

// Two daemons on one cache_dir have a place each. Whichever is killed, at whatever moment,
// neither ever gives wrong bytes, and what both have kept is right.
func TestCacheOfTwo(t *testing.T) {
	r := newRemote(t, 4, 8<<20)
	second := r.Parent + "/second"
	must(t, os.Mkdir(second, 0o755))
	r.mount()
	r.artifactfs("mount", second, "--log-file", r.Base+"/second.log")
	if said := r.artifactfs("status", second); !strings.Contains(said, "another process has the cache open") {
		t.Errorf("status of the second: %s", said)
	}
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for k := range 4 {
		at := []string{r.Mnt, second}[k%2]
		readers.Go(func() {
			for i := k; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				if err := r.check(at, i%4, int64(i%3)<<20, 5<<20); err != nil && strings.Contains(err.Error(), "wrong") {
					t.Errorf("%s: %v", at, err)
				}
			}
		})
	}
	for range scaled(6) {
		time.Sleep(time.Duration(20+rand.IntN(150)) * time.Millisecond) // a moment like any other
		var daemons []int
		for _, pid := range r.processes() {
			if holds(pid, "/dev/fuse") {
				daemons = append(daemons, pid)
			}
		}
		must(t, syscall.Kill(daemons[rand.IntN(len(daemons))], syscall.SIGKILL))
		eventually(t, soon, "both mounts are back", func() error {
			return errors.Join(r.check(r.Mnt, 0, 0, 1), r.check(second, 0, 0, 1))
		})
	}
	close(stop)
	readers.Wait()
	for _, at := range []string{r.Mnt, second} {
		for i := range 4 {
			if err := r.check(at, i, 0, 8<<20); err != nil {
				t.Errorf("%s: %v", at, err)
			}
		}
	}
	if got := r.artifactfs("cache", "verify", "--mount", r.Mnt); !strings.Contains(got, ", 0 damaged") {
		t.Errorf("cache verify: %s", got)
	}
	for _, slot := range []string{"0", "1"} {
		if n, _ := takes(r.Base + "/cache/" + slot); n < 16<<20 || n > cacheLimit {
			t.Errorf("place %s takes %d bytes", slot, n)
		}
	}
	r.artifactfs("umount", second)
	r.damaged(t)
}

// damaged does something else to each file of the cache while nothing is mounted.
func (r *remote) damaged(t *testing.T) {
	r.umount()
	files, err := filepath.Glob(r.Base + "/cache/0/*.sums")
	must(t, err)
	if len(files) != 4 {
		t.Fatalf("the cache holds %q", files)
	}
	for i, f := range files {
		files[i] = strings.TrimSuffix(f, ".sums")
	}
	f, err := os.OpenFile(files[0], os.O_WRONLY, 0)
	must(t, err)
	_, err = f.WriteAt([]byte("other bytes"), 3<<20)
	must(t, errors.Join(err, f.Close()))
	must(t, os.Truncate(files[1], 1<<20))
	must(t, os.Rename(files[2], files[1]+".x"))
	must(t, os.Rename(files[3], files[2]))
	must(t, os.Rename(files[1]+".x", files[3]))
	must(t, os.Remove(files[3]+".sums"))
	r.mount()
	for i := range 4 {
		if err := r.check(r.Mnt, i, 0, 8<<20); err != nil {
			t.Errorf("after damage: %v", err)
		}
	}
}

// A cache_dir whose disk is full, or hangs, costs nothing but the cache.
func TestCacheDiskFails(t *testing.T) {
	r := newRemote(t, 2, 8<<20)
	full := r.Base + "/full"
	must(t, os.Mkdir(full, 0o755))
	must(t, unix.Mount("none", full, "tmpfs", 0, "size=4m"))
	r.artifactfs("mount", r.Mnt, "artifactfs.cache_dir="+full)
	for range 2 {
		for i := range 2 {
			if err := r.check(r.Mnt, i, 0, 8<<20); err != nil {
				t.Errorf("full: %v", err)
			}
		}
	}
	r.umount()
	slow := r.loopback("slow")
	r.artifactfs("mount", r.Mnt, "artifactfs.cache_dir="+slow.at, "artifactfs.deadline=4s")
	must(t, r.check(r.Mnt, 0, 0, 3<<20))
	slow.hang()
	for i := range 2 {
		begun := time.Now()
		if err := r.check(r.Mnt, i, 0, 8<<20); err != nil {
			t.Errorf("hung: %v after %v", err, time.Since(begun))
		}
	}
	slow.recover()
	if err := r.check(r.Mnt, 1, 0, 8<<20); err != nil {
		t.Errorf("back: %v", err)
	}
}
