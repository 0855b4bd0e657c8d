//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A link is how the stores are reached.
type link struct {
	name    string
	s3, gcs string       // host:port
	sent    func() int64 // bytes that came so far; nil: not counted
}

// A client shows the bucket as files. Each has the options that its own manual gives for reading much, keeps what it reads below its home, and
// is new there when the home is.
type client struct {
	name  string
	tool  string
	gcs   bool                                              // it reads from fake-gcs-server, not from versitygw
	start func(l link, home, mnt string) (*exec.Cmd, error) // nil: artifactfs
}

const ownName = "artifactfs"

var clients = []client{
	{ownName, "bin/artifactfs", false, nil},
	{"rclone", "bin/rclone", false, func(l link, home, mnt string) (*exec.Cmd, error) {
		remote := fmt.Sprintf(":s3,provider=Other,env_auth=true,region=us-east-1,force_path_style=true,endpoint='http://%s':%s", l.s3, bucketName)
		return exec.Command("bin/rclone", "mount", remote, mnt, "--config", "/dev/null", "--cache-dir", home+"/cache", "--read-only",
			"--vfs-cache-mode", "full", "--vfs-read-chunk-size", "8M", "--vfs-read-chunk-streams", "16", "--vfs-fast-fingerprint",
			"--dir-cache-time", "1h", "--attr-timeout", "1h", "--use-server-modtime", "--no-checksum", "--transfers", "16", "--max-read-ahead", "1M"), nil
	}},
	{"s3fs", "s3fs", false, func(l link, home, mnt string) (*exec.Cmd, error) {
		if err := os.WriteFile(home+"/passwd", []byte(accessKey+":"+secretKey+"\n"), 0o600); err != nil {
			return nil, err
		}
		return exec.Command("s3fs", bucketName, mnt, "-f", "-o", "url=http://"+l.s3, "-o", "use_path_request_style", "-o", "passwd_file="+home+"/passwd",
			"-o", "use_cache="+home+"/cache", "-o", "parallel_count=16", "-o", "multipart_size=10", "-o", "multireq_max=64", "-o", "complement_stat",
			"-o", "stat_cache_expire=3600", "-o", "max_stat_cache_size=200000", "-o", "ro", "-o", "kernel_cache"), nil
	}},
	{ownName + " gs", "bin/fake-gcs-server", true, nil},
	{"gcsfuse", "bin/gcsfuse", true, func(l link, home, mnt string) (*exec.Cmd, error) {
		if l.gcs == "" {
			return nil, errors.New("no server for it")
		}
		return exec.Command("bin/gcsfuse", "--foreground", "--custom-endpoint", "http://"+l.gcs+"/storage/v1/", "--anonymous-access", "--enable-hns=false",
			"--implicit-dirs", "--cache-dir", home+"/cache", "--file-cache-max-size-mb", "-1", "--file-cache-enable-parallel-downloads",
			"--metadata-cache-ttl-secs", "-1", "--stat-cache-max-size-mb", "-1", "--type-cache-max-size-mb", "-1", "-o", "ro", bucketName, mnt), nil
	}},
}

// short is a client's name where there is little room.
func (c client) short() string { return strings.TrimPrefix(strings.TrimPrefix(c.name, ownName), " ") }

// A mounted client.
type mounted struct {
	client
	link link
	home string
	raw  string
	mnt  string
	dir  string // of the data
	peer *exec.Cmd
	lane lane // of artifactfs
}

// mount mounts a client whose home is a directory.
func (c client) mount(l link, home, raw string) (*mounted, error) {
	m := &mounted{client: c, link: l, home: home, raw: raw, mnt: home + "/mnt"}
	return m, m.again()
}

// again mounts what is not, over the same home.
func (m *mounted) again() error {
	if err := os.MkdirAll(m.mnt, 0o755); err != nil {
		return err
	}
	if m.start == nil {
		return m.mountOwn()
	}
	cmd, err := m.start(m.link, m.home, m.mnt)
	if err != nil {
		return err
	}
	log, err := os.OpenFile(filepath.Join(m.raw, fmt.Sprintf("%s-%s.log", m.name, m.link.name)), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return err
	}
	m.peer, m.dir = cmd, m.mnt+"/data"
	if err := (lane{dir: m.mnt}).shows("data"); err != nil {
		return fmt.Errorf("%w; see %s", err, log.Name())
	}
	return nil
}

func (m *mounted) mountOwn() error {
	m.lane = lane{name: m.name, base: m.home, mnt: m.mnt}
	m.dir = m.mnt + "/bench/v1"
	uri, at := fmt.Sprintf("s3://%s/data/", bucketName), "?endpoint=http://"+m.link.s3
	if m.gcs {
		if m.link.gcs == "" {
			return errors.New("no server for it")
		}
		uri, at = fmt.Sprintf("gs://%s/data/", bucketName), ""
		os.Setenv("STORAGE_EMULATOR_HOST", m.link.gcs)
	}
	if err := publish(m.home+"/store", "bench", 1, uri); err != nil {
		return err
	}
	config := fmt.Sprintf("[artifacts]\nwandb = false\n[artifacts.manifest]\nroot = %q\n[artifactfs]\ncache_dir = %q\ndata_roots = [%q, %q]\n",
		m.home+"/store", m.home+"/cache", m.home, uri+at)
	if err := os.WriteFile(m.home+"/env.toml", []byte(config), 0o644); err != nil {
		return err
	}
	_, err := m.lane.artifactfs("mount", m.mnt)
	return err
}

// end takes the mount away, and waits for the process: what it keeps is on the disk then.
func (m *mounted) end() {
	if m.peer == nil {
		m.lane.umount()
		for end := time.Now().Add(10 * time.Second); len(m.lane.daemons()) > 0 && time.Now().Before(end); {
			time.Sleep(20 * time.Millisecond)
		}
		return
	}
	for range 50 { // it may still be about to close something
		if err := syscall.Unmount(m.mnt, 0); err != syscall.EBUSY {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	syscall.Unmount(m.mnt, 2) // MNT_DETACH
	process := m.peer.Process
	late := time.AfterFunc(10*time.Second, func() { process.Kill() })
	defer late.Stop()
	process.Signal(syscall.SIGTERM)
	m.peer.Wait()
}

func (m *mounted) pids() []int {
	if m.peer != nil {
		return []int{m.peer.Process.Pid}
	}
	return m.lane.daemons()
}

// cpu is what the client's processes have used so far, in seconds.
func (m *mounted) cpu() float64 {
	total := 0.0
	for _, pid := range m.pids() {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		for _, i := range []int{11, 12} { // utime, stime
			if i < len(fields) {
				ticks, _ := strconv.ParseFloat(fields[i], 64)
				total += ticks / 100
			}
		}
	}
	return total
}

// peak is the most that the client's processes have held, in MiB. The pages of files, which are those of the one program that
// they all run, count once.
func (m *mounted) peak() float64 {
	total, program := 0.0, 0.0
	for _, pid := range m.pids() {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		for line := range strings.Lines(string(text)) {
			var kb float64
			if n, _ := fmt.Sscanf(line, "VmHWM: %f kB", &kb); n == 1 {
				total += kb / 1024
			}
			if n, _ := fmt.Sscanf(line, "RssFile: %f kB", &kb); n == 1 {
				total -= kb / 1024
				program = max(program, kb/1024)
			}
		}
	}
	return total + program
}
