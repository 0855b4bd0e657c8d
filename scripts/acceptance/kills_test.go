//go:build linux

package acceptance

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// killsVar says how often TestKills kills: ARTIFACTFS_TEST_KILLS=300 is the whole promise and takes some four minutes, since a daemon that
// dies young is started again half a second later.
const killsVar = "ARTIFACTFS_TEST_KILLS"

// The daemon is killed at random moments under eight readers and four loggers. What is open never fails, nor does a path in a bound version;
// the mount is back in time; what was answered is there, what is listed is whole; nothing is left over.
func TestKills(t *testing.T) {
	kills := 20
	if n, err := strconv.Atoi(os.Getenv(killsVar)); err == nil {
		kills = n
	}
	py := python(t)
	s := newSite(t, siteOptions{Alone: true})
	c := newKilled(t, s)
	container := s.namespace("slave")
	supervisor := s.serving().Supervisor
	before := fdCount(supervisor)

	logged := c.loggers(py)
	c.readers(container)
	var slowest time.Duration
	for round := range kills {
		time.Sleep(time.Duration(rand.IntN(60)) * time.Millisecond) // the moment is what is tested, not waited for
		s.kill()
		slowest = max(slowest, s.back(comeback, fmt.Sprint("in round ", round)))
		if t.Failed() {
			break
		}
	}
	close(c.stop)
	c.running.Wait()
	t.Logf("%d kills, back after at most %v; %d reads; %d logs answered", kills, slowest.Round(time.Millisecond), c.reads.Load(), len(logged.answered))

	last, err := s.log(c.logged, request(c.dir, "last", 0))
	must(t, err)
	logged.note("last/0", last)
	checkSurvived(t, s, c.logged, logged.answered)
	if got := s.serving().Supervisor; got != supervisor {
		t.Errorf("the supervisor is %d, was %d", got, supervisor)
	}
	eventually(t, soon, "the supervisor holds as many files as before", func() error {
		if now := fdCount(supervisor); now != before {
			return fmt.Errorf("%d, was %d", now, before)
		}
		return nil
	})
	for _, pid := range []string{"self", fmt.Sprint(container.pid)} {
		eventually(t, soon, "mountinfo of "+pid+" has the mount and one bind", func() error {
			if got := mountsBelow(pid, s.Mnt); !slices.Equal(slices.Sorted(slices.Values(got)), []string{s.Mnt, s.path("bound/v1")}) {
				return fmt.Errorf("it has %q", got)
			}
			return nil
		})
	}
	c.close()
	s.umount()
	c.temporaries()
	s.nothingLeft("self", fmt.Sprint(container.pid))
}

// nothingLeft fails the test for what an unmounted site has left behind: mounts in these processes' namespaces, processes, temporary files, states.
func (s *site) nothingLeft(pids ...string) {
	s.t.Helper()
	for _, pid := range pids {
		if left := mountsBelow(pid, s.Mnt); len(left) > 0 {
			s.t.Errorf("after umount, mountinfo of %s has %q", pid, left)
		}
	}
	eventually(s.t, soon, "no process stays after umount", func() error {
		if pids := s.processes(); len(pids) > 0 {
			return fmt.Errorf("pids %v, which wait in %v", pids, waits(pids))
		}
		return nil
	})
	if left, err := os.ReadDir(s.Run); err != nil || len(left) > 0 {
		s.t.Errorf("the run directory holds %v, %v", left, err)
	}
}

// temporaries fails the test for a temporary file of a killed writer that stays: the first log of whoever comes next takes them, once
// that writer is quite dead, and not only killed.
func (c *killed) temporaries() {
	c.t.Helper()
	eventually(c.t, time.Minute, "the next log takes the temporary files of killed writers", func() error {
		c.s.artifactfs("log", c.logged, c.dir)
		var left []string
		err := filepath.WalkDir(c.s.Root, func(path string, _ fs.DirEntry, err error) error {
			if strings.Contains(filepath.Base(path), "tmp") {
				left = append(left, path)
			}
			return err
		})
		if len(left) > 0 {
			err = fmt.Errorf("%d are left: %q", len(left), left)
		}
		return err
	})
}

// serving is what the mount says of the processes that serve it.
func (s *site) serving() (st struct {
	PID, Supervisor int
	State           string
	Warnings        []string
}) {
	s.t.Helper()
	out, _ := s.command(binary, "status", "--json", s.Mnt).Output()
	return decode[struct {
		PID, Supervisor int
		State           string
		Warnings        []string
	}](s.t, string(out))
}

// waits counts where in the kernel the threads of some processes are.
func waits(pids []int) map[string]int {
	in := map[string]int{}
	for _, pid := range pids {
		threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/wchan", pid))
		for _, f := range threads {
			wchan, _ := os.ReadFile(f)
			in[string(wchan)]++
		}
	}
	return in
}

func fdCount(pid int) int {
	fds, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	return len(fds)
}

// killed is what goes on while the daemon is killed.
type killed struct {
	t       *testing.T
	s       *site
	logged  string
	dir     string // what is logged
	content []byte
	stop    chan struct{}
	running sync.WaitGroup
	reads   atomic.Int64
	open    []*os.File
	mapped  []byte
}

func newKilled(t *testing.T, s *site) *killed {
	c := &killed{t: t, s: s, logged: "logged", dir: s.data("logged", map[string]string{"part.txt": "text"}), content: pattern(4<<20, 7), stop: make(chan struct{})}
	for _, name := range []string{"bound", "passed"} {
		files := map[string]string{"big.bin": string(c.content)}
		for i := range 50 {
			files[fmt.Sprint("small/", i)] = fmt.Sprint("text ", i)
		}
		dir := s.data(name, files)
		if name == "passed" {
			must(t, os.Symlink("../logged/part.txt", dir+"/leaves")) // so it is never bound
		}
		s.publish(name, 1, dir)
	}
	s.warm("bound:v1")
	for _, name := range []string{"bound", "passed"} {
		f, err := os.Open(s.path(name, "v1/big.bin"))
		must(t, err)
		c.open = append(c.open, f)
	}
	needLane(t, s, "passed", "passthrough")
	var err error
	c.mapped, err = unix.Mmap(int(c.open[1].Fd()), 0, len(c.content), unix.PROT_READ, unix.MAP_SHARED)
	must(t, err)
	_, err = s.log(c.logged, request(c.dir, "first", 0))
	must(t, err)
	return c
}

func (c *killed) close() {
	for _, f := range c.open {
		f.Close()
	}
	unix.Munmap(c.mapped)
}

// readers are eight: four of what is open, three of paths in a bound version, one of paths that may fail while there is no daemon, but never
// are absent or something else.
func (c *killed) readers(container *namespace) {
	for _, f := range c.open {
		c.read("an open file", func() error { return c.pread(f) })
	}
	c.read("an open file, from the disk", func() error {
		unix.Fadvise(int(c.open[1].Fd()), 0, 0, unix.FADV_DONTNEED)
		return c.pread(c.open[1])
	})
	c.read("a mapping", c.load)
	for range 2 {
		c.read("a path in a bound version", func() error { return c.path("bound") })
	}
	c.read("a path in a bound version, in a slave namespace", func() error {
		out, err := container.run(root, "cat '"+c.s.path("bound/v1/small/3")+"'")
		if err == nil && out != "text 3" || err != nil {
			err = fmt.Errorf("read %q: %w", out, err)
		}
		time.Sleep(20 * time.Millisecond) // it is three processes each time: the machine is not to be busy with that
		return err
	})
	c.read("a path in another version", func() error {
		err := c.path("passed")
		if gone := new(fs.PathError); errors.As(err, &gone) && !errors.Is(err, fs.ErrNotExist) {
			err = nil
			time.Sleep(time.Millisecond)
		}
		return err
	})
}

func (c *killed) read(what string, once func() error) {
	c.running.Go(func() {
		err := until(c.stop, func() error {
			c.reads.Add(1)
			time.Sleep(100 * time.Microsecond) // two cores are for the daemon as well
			return once()
		})
		if err != nil {
			c.t.Errorf("%s: %v", what, err)
		}
	})
}

func (c *killed) pread(f *os.File) error {
	at := rand.IntN(len(c.content) - 8192)
	got := make([]byte, 8192)
	if _, err := f.ReadAt(got, int64(at)); err != nil {
		return err
	}
	if !bytes.Equal(got, c.content[at:at+len(got)]) {
		return fmt.Errorf("another content at %d", at)
	}
	return nil
}

// load reads the mapping; a page that cannot be had is a fault, and a panic here.
func (c *killed) load() (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%v", r)
		}
	}()
	at := rand.IntN(len(c.content) - 8192)
	if !bytes.Equal(c.mapped[at:at+8192], c.content[at:at+8192]) {
		err = fmt.Errorf("another content at %d", at)
	}
	return err
}

func (c *killed) path(name string) error {
	i := fmt.Sprint(rand.IntN(50))
	text, err := os.ReadFile(c.s.path(name, "v1/small", i))
	if err == nil && string(text) != "text "+i {
		err = fmt.Errorf("small/%s is %q", i, text)
	}
	return err
}

// answers are the logs that somebody was told of: which, and the version.
type answers struct {
	mu       sync.Mutex
	answered map[string]int
}

func (a *answers) note(tag string, n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answered[tag] = n
}

// loggers are four, by three doors. They go on for as long as the readers.
func (c *killed) loggers(py string) *answers {
	a := &answers{answered: make(map[string]int)}
	for w := range 2 {
		tag := fmt.Sprint("control", w)
		c.running.Go(func() {
			for k := 0; ; k++ {
				select {
				case <-c.stop:
					return
				default:
				}
				if n, err := c.s.log(c.logged, request(c.dir, tag, k)); err == nil {
					a.note(fmt.Sprint(tag, "/", k), n)
				} else {
					time.Sleep(10 * time.Millisecond)
				}
			}
		})
	}
	const forEver = 1_000_000
	c.logger(a, commandWriter(c.logged, c.dir, "command", forEver), "", "command")
	c.logger(a, []string{py, "upstream_writer.py", c.s.path(".manifest"), c.logged, strconv.Itoa(forEver), c.dir, "upstream"}, ".", "upstream")
	return a
}

// logger runs a writer that is ended from outside. What it was writing then nobody was told of.
func (c *killed) logger(a *answers, argv []string, cwd, tag string) {
	var stderr bytes.Buffer
	out := filepath.Join(c.s.Base, tag+".out")
	answered, err := os.Create(out)
	must(c.t, err)
	defer answered.Close()
	cmd := c.s.command(argv[0], argv[1:]...)
	if cwd != "" {
		cmd.Dir = cwd
	}
	cmd.Stdout, cmd.Stderr = answered, &stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	must(c.t, cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	c.running.Go(func() {
		select {
		case err := <-ended:
			c.t.Errorf("%s ended: %v: %s", tag, err, tail(stderr.Bytes(), 600))
		case <-c.stop:
			syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			<-ended
		}
		text, _ := os.ReadFile(out)
		for line := range strings.Lines(string(text)) {
			var k, n int
			if _, err := fmt.Sscanf(line, "%d %d\n", &k, &n); err == nil {
				a.note(fmt.Sprint(tag, "/", k), n)
			}
		}
	})
	eventually(c.t, soon, tag+" logs", func() error {
		if text, err := os.ReadFile(out); err != nil || len(text) == 0 {
			return fmt.Errorf("it has not yet: %v", err)
		}
		return nil
	})
}
