//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// A site is the data, a store that points at it, and a mount of that store per lane.
type site struct {
	scale
	base  string
	raw   string
	lanes []lane
}

// A lane is a place to read the same data at.
type lane struct {
	name string
	dir  string    // where the data shows
	mnt  string    // "" for the data itself
	base string    // home and configuration of its commands
	peer *exec.Cmd // what serves it, if that is not artifactfs
}

func newSite(size scale, raw string) (_ *site, err error) {
	base, err := os.MkdirTemp("", "artifactfs-bench")
	if err != nil {
		return nil, err
	}
	s := &site{scale: size, base: base, raw: raw}
	defer func() {
		if err != nil {
			s.remove()
		}
	}()
	if err := os.Chmod(base, 0o755); err != nil {
		return nil, err
	}
	if err := s.makeData(); err != nil {
		return nil, err
	}
	if err := publish(base+"/store", "bench", 1, base+"/data"); err != nil {
		return nil, err
	}
	s.lanes = []lane{{name: "native", dir: base + "/data"}}
	for _, name := range []string{"bind", "passthrough", "copy", "symlink"} {
		l, err := mountLane(base, name, name, base+"/store", base+"/data")
		if err != nil {
			return nil, err
		}
		s.lanes = append(s.lanes, l)
		l.dir = filepath.Join(l.mnt, "bench/v1")
		s.lanes[len(s.lanes)-1] = l
	}
	if _, err := s.lanes[1].artifactfs("warm", "--mount", s.lanes[1].mnt, "bench:v1"); err != nil {
		return nil, err
	}
	if err := s.checkLanes(); err != nil {
		return nil, err
	}
	return s, s.mountPeers()
}

func (s *site) makeData() error {
	block := make([]byte, 1<<20)
	source := rand.NewChaCha8([32]byte{1})
	source.Read(block)
	for _, set := range []struct {
		dir         string
		count, size int
	}{{"small", s.small, 4 << 10}, {"medium", s.medium, 64 << 10}} {
		dir := filepath.Join(s.base, "data", set.dir)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		for i := range set.count {
			if err := os.WriteFile(fmt.Sprintf("%s/%05d", dir, i), block[:set.size], 0o644); err != nil {
				return err
			}
		}
	}
	f, err := os.Create(filepath.Join(s.base, "data/big"))
	if err != nil {
		return err
	}
	defer f.Close()
	for written := int64(0); written < s.big; written += int64(len(block)) {
		source.Read(block)
		if _, err := f.Write(block); err != nil {
			return err
		}
	}
	return f.Sync()
}

// publish writes a version as upstream does.
func publish(root, name string, version int, path string) error {
	dir := fmt.Sprintf("%s/%s/v%d", root, name, version)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	text := fmt.Sprintf(`{"name": %q, "version": %d, "type": "Artifact", "path": %q, "created_at": "2026-08-21T09:00:00.250000-07:00",
 "producer": "local", "metadata": {}, "inputs": [], "used_artifacts": []}`, name, version, path)
	if err := os.WriteFile(dir+"/manifest.json", []byte(text), 0o644); err != nil {
		return err
	}
	if err := os.WriteFile(dir+"/metadata.json", []byte(`{"path": "`+path+`"}`), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Dir(dir)+"/latest", fmt.Appendf(nil, "v%d", version), 0o644)
}

func mountLane(base, name, lanes, store, data string) (lane, error) {
	l := lane{name: name, base: filepath.Join(base, "lane-"+name)}
	l.mnt = l.base + "/mnt"
	if err := os.MkdirAll(l.mnt, 0o755); err != nil {
		return l, err
	}
	config := fmt.Sprintf("[artifacts]\nwandb = false\n[artifacts.manifest]\nroot = %q\n[artifactfs]\ndata = %q\ndata_roots = [%q]\n", store, lanes, data)
	if err := os.WriteFile(l.base+"/env.toml", []byte(config), 0o644); err != nil {
		return l, err
	}
	_, err := l.artifactfs("mount", l.mnt)
	return l, err
}

func (l lane) artifactfs(args ...string) ([]byte, error) {
	cmd := exec.Command("bin/artifactfs", args...)
	cmd.Env = append(os.Environ(), "HOME="+l.base, "XDG_STATE_HOME="+l.base+"/state", "XDG_CACHE_HOME="+l.base+"/cache",
		"XDG_RUNTIME_DIR="+l.base, "NEMOTRON_ENV_FILE="+l.base+"/env.toml")
	out, err := cmd.Output()
	if exit, ok := err.(*exec.ExitError); ok {
		return out, fmt.Errorf("artifactfs %s: %w\n%s", strings.Join(args, " "), err, exit.Stderr)
	}
	return out, err
}

// daemons are the processes of this lane, the one that watches included: their command lines name the mount.
func (l lane) daemons() []int {
	var pids []int
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		exe, _ := os.Readlink("/proc/" + e.Name() + "/exe")
		args, _ := os.ReadFile("/proc/" + e.Name() + "/cmdline")
		if err == nil && filepath.Base(strings.TrimSuffix(exe, " (deleted)")) == "artifactfs" && strings.Contains(string(args), l.mnt) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// checkLanes says so when a lane is not what its name says: an overlay file system has no passthrough, for one.
func (s *site) checkLanes() error {
	for _, l := range s.lanes[1:] {
		f, err := os.Open(l.dir + "/big") // the lane is decided at the first open
		if err != nil {
			return err
		}
		defer f.Close()
		status, err := l.artifactfs("status", "--json", l.mnt)
		if err != nil {
			return err
		}
		os.WriteFile(filepath.Join(s.raw, "status-"+l.name+".json"), status, 0o644)
		if got := laneOf(status); got != l.name && l.name != "symlink" { // there the mount is not asked about data
			fmt.Printf("NOTE: lane %s is %q here, see status-%s.json\n", l.name, got, l.name)
		}
	}
	return nil
}

func laneOf(status []byte) string {
	var top any
	if json.Unmarshal(status, &top) != nil {
		return ""
	}
	queue := []any{top}
	for len(queue) > 0 {
		v := queue[0]
		queue = queue[1:]
		switch v := v.(type) {
		case []any:
			queue = append(queue, v...)
		case map[string]any:
			if lane, ok := v["lane"].(string); ok && v["name"] == "bench" {
				return lane
			}
			for _, e := range v {
				queue = append(queue, e)
			}
		}
	}
	return ""
}

func (s *site) remove() {
	for _, l := range slices.Backward(s.lanes) {
		switch {
		case l.peer != nil:
			l.endPeer()
		case l.mnt != "":
			l.umount()
		}
	}
	os.RemoveAll(s.base)
}

func (l lane) umount() {
	if _, err := l.artifactfs("umount", l.mnt); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		for _, pid := range l.daemons() {
			syscall.Kill(pid, syscall.SIGKILL)
		}
		syscall.Unmount(l.mnt, 2) // MNT_DETACH
	}
}

// dropCaches empties the page cache, and dentries and inodes.
func dropCaches() error {
	syscall.Sync()
	return os.WriteFile("/proc/sys/vm/drop_caches", []byte("3"), 0)
}
