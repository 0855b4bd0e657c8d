package main

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"artifactfs.dev/artifactfs/cmd/artifactfs/config"
)

// state is what is known of one mount besides the mount itself: a JSON file in
// the run directory, by which status, umount and a second mount find it.
type state struct {
	Dir        string         `json:"mountpoint"`
	Supervisor int            `json:"supervisor,omitempty"` // 0: mount -f, nobody brings it back
	Daemon     int            `json:"daemon,omitempty"`     // 0: not serving yet, or again
	Started    time.Time      `json:"started"`
	Restarts   int            `json:"restarts,omitempty"`
	Place      string         `json:"place,omitempty"`      // where its daemon stands
	LastDeath  string         `json:"last_death,omitempty"` // why the daemon was started again
	LogFile    string         `json:"log_file,omitempty"`
	Options    mountOptions   `json:"options"`
	Config     *config.Config `json:"config"`
	From       *configSource  `json:"config_from,omitempty"` // where to load it from again
	Reload     *reloadStatus  `json:"reload,omitempty"`      // what became of that the last time

	file string
}

// mountOptions are the flags of mount that the daemon needs.
type mountOptions struct {
	AllowOther bool `json:"allow_other"`
	Debug      bool `json:"debug,omitempty"`
	ReadOnly   bool `json:"ro,omitempty"`
	NoExec     bool `json:"noexec,omitempty"`

	Source string `json:"source,omitempty"` // in mountinfo
}

// configSource is what a configuration was loaded from.
type configSource struct {
	File    string   `json:"file,omitempty"` // --config
	Job     string   `json:"job,omitempty"`
	Dotlist []string `json:"dotlist,omitempty"`
	Dir     string   `json:"dir"`
}

// load reads the configuration. The environment is the process's own, which it
// has from the command that mounted.
func (f *configSource) load() (*config.Config, error) {
	return config.Load(config.Options{File: f.File, Job: f.Job, Dotlist: f.Dotlist, Dir: f.Dir, Env: os.LookupEnv})
}

// runDir is where this user's state files lie. Root's is fixed: XDG_RUNTIME_DIR
// is there in a login shell and not in a service, and both must find the mount.
func runDir() string {
	if d := os.Getenv(runDirVar); filepath.IsAbs(d) {
		return d
	}
	if os.Geteuid() == 0 {
		return "/run/artifactfs"
	}
	if d := os.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(d) {
		return filepath.Join(d, "artifactfs")
	}
	return filepath.Join(os.TempDir(), fmt.Sprintf("artifactfs-%d", os.Geteuid()))
}

const runDirVar = "ARTIFACTFS_RUN_DIR"

// runDirs are the places to look for state files, this user's own first.
func runDirs() []string {
	dirs := []string{runDir()}
	if dirs[0] != "/run/artifactfs" && os.Getenv(runDirVar) == "" {
		dirs = append(dirs, "/run/artifactfs")
	}
	return dirs
}

// stateDirs are those of them whose content can be believed.
func stateDirs() []string {
	return slices.DeleteFunc(runDirs(), func(d string) bool { return ownDir(d) != nil })
}

// ownDir refuses a directory that somebody else than we or root could have put
// files into: one in /tmp may have been made to have us read or write them.
func ownDir(dir string) error {
	var st unix.Stat_t
	if err := unix.Lstat(dir, &st); err != nil {
		return &os.PathError{Op: "lstat", Path: dir, Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR || st.Uid != 0 && int(st.Uid) != os.Geteuid() || st.Mode&0o022 != 0 {
		return fmt.Errorf("%s is not a directory that only we can write; remove it, or set XDG_RUNTIME_DIR", dir)
	}
	return nil
}

// makeRunDir makes the run directory.
func makeRunDir() (string, error) {
	dir := runDir()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("%w; name another place in %s", err, runDirVar)
	}
	return dir, ownDir(dir)
}

// stateName is the file name for a mount point: readable, and unique.
func stateName(dir string) string {
	base := strings.Trim(strings.ReplaceAll(dir, "/", "-"), "-")
	if len(base) > 60 {
		base = base[len(base)-60:]
	}
	sum := sha256.Sum256([]byte(dir))
	return fmt.Sprintf("%s-%x", base, sum[:4])
}

func stateFile(dir string) string { return filepath.Join(runDir(), stateName(dir)+".json") }

// save replaces the state file in one step.
func (s *state) save() error {
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	tmp := fmt.Sprintf("%s.%d.tmp", s.file, os.Getpid())
	err = os.WriteFile(tmp, append(b, '\n'), 0o644)
	if err == nil && s.Options.AllowOther {
		err = os.Chmod(tmp, 0o644) // others find the mount by it, whatever our umask
	}
	if err == nil {
		err = os.Rename(tmp, s.file)
	}
	if err != nil {
		_ = os.Remove(tmp)
	}
	return err
}

func readState(file string) (*state, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	s := &state{file: file}
	if err := json.Unmarshal(b, s); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if s.Config == nil {
		return nil, fmt.Errorf("%s: no configuration in it", file)
	}
	return s, nil
}

// findState returns the state of the mount at dir, in any run directory we see.
func findState(dir string) (*state, error) {
	first := os.ErrNotExist
	for _, d := range stateDirs() {
		s, err := readState(filepath.Join(d, stateName(dir)+".json"))
		if err == nil {
			return s, nil
		}
		if !errors.Is(err, os.ErrNotExist) {
			first = err
		}
	}
	return nil, first
}

// states returns every mount's state that can be read, live or not.
func states() []*state {
	var out []*state
	for _, d := range stateDirs() {
		files, _ := filepath.Glob(filepath.Join(d, "*.json"))
		for _, f := range files {
			if s, err := readState(f); err == nil {
				out = append(out, s)
			}
		}
	}
	return out
}

// remove takes the state file away, unless another mount has written its own.
func (s *state) remove() {
	if s.current() {
		_ = os.Remove(s.file)
	}
}

// letGo frees the mount point, for another mount, from a daemon that lives on: no
// supervisor starts it again.
func (s *state) letGo() {
	if s.current() {
		_ = os.Remove(s.lockFile())
	}
	s.remove()
}

// current says whether the state file is still this mount's: umount --lazy takes
// it away, and mount --replace writes another.
func (s *state) current() bool {
	now, err := readState(s.file)
	return err == nil && now.Started.Equal(s.Started)
}

// sameMount says whether two states ask for the same mount, whichever files and
// arguments that comes from.
func sameMount(a, b *state) bool {
	key := func(s *state) string {
		c, o := *s.Config, s.Options
		o.Source = "" // a name, as fstab has it
		c.File, c.Job, c.Warnings, c.Wandb = "", "", nil, config.WandB{}
		if c.Disabled != "" {
			c.Disabled = "yes"
		}
		j, _ := json.Marshal(struct {
			C config.Config
			O mountOptions
		}{c, o})
		return string(j)
	}
	return key(a) == key(b)
}

// elsewhere reports whether the mount, which is not here, had been made: umount(8) has taken
// it away here, and its daemon goes on for those who have it too, or is about to end.
func (s *state) elsewhere() bool { return s.Supervisor != 0 && alive(s.Daemon) }

// away is what that means.
const away = "it is unmounted here; its daemon goes on while another mount namespace, as a container's, has it, or something in it is open"
