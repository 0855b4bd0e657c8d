package main

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"artifactfs.dev/artifactfs/cmd/artifactfs/config"
)

// open opens the core for a command without a mount, and returns its arguments
// without the key=value ones. A path inside a mount becomes a reference there.
func (a *app) open(args []string) (*core, []string, error) {
	plain, dotlist := splitArgs(args)
	cfg, err := a.configOf(plain, dotlist)
	if err != nil {
		return nil, nil, err
	}
	c, err := openCore(cfg, coreOptions{Log: a.errors(), Mounts: func() []string { return mountsOf(cfg) }, Producer: ownProducer, Job: ownJob})
	return c, plain, err
}

// errors is the log of a command: what went wrong.
func (a *app) errors() *slog.Logger {
	return slog.New(slog.NewTextHandler(a.err, &slog.HandlerOptions{Level: slog.LevelError}))
}

// configOf is the configuration that a command works with: that of the mount that
// is named, by --mount or by a path in it, else what is configured here, else that
// of the only mount.
func (a *app) configOf(plain, dotlist []string) (*config.Config, error) {
	if a.at != "" {
		if len(dotlist) > 0 || a.configFile != "" || a.job != "" {
			return nil, usagef("--mount takes the configuration of the mount: leave out --config, --job and KEY=VALUE")
		}
		var err error
		if a.at, err = canonical(a.at); err != nil {
			return nil, err
		}
		return configAt(a.at)
	}
	cfg, err := a.load(dotlist)
	if err != nil {
		return nil, err
	}
	s := mountNamed(plain)
	if s == nil && cfg.Embedded {
		if s, err = onlyMount(); err != nil {
			return nil, err
		}
	}
	if s != nil {
		cfg = s.Config
	}
	return cfg, nil
}

// configAt is the configuration of the mount at dir: from its state, or where that is
// not to be seen, as in a container, from the mount itself.
func configAt(dir string) (*config.Config, error) {
	if s, err := findState(dir); err == nil && s.held() {
		return s.Config, nil
	}
	file, err := mountElsewhere(dir)
	if err != nil {
		return nil, err
	}
	if file == "" {
		return nil, fmt.Errorf("there is no mount at %s; artifactfs status lists them", dir)
	}
	return config.Load(config.Options{File: file, Dir: "/", Env: os.LookupEnv})
}

func (a *app) mountFlag(c *cobra.Command) {
	c.PersistentFlags().StringVar(&a.at, "mount", "", "the mount at `DIR`, where there are several")
	_ = c.MarkPersistentFlagDirname("mount")
}

// mountsOf are the mounts that show the same store.
func mountsOf(cfg *config.Config) []string {
	var out []string
	for _, s := range states() {
		if s.Config.Root == cfg.Root && cfg.Root != "" && s.held() {
			out = append(out, s.Dir)
		}
	}
	return out
}

// mountNamed is the mount that one of the arguments lies in.
func mountNamed(args []string) *state {
	for _, arg := range args {
		arg, ok := pathArg(arg)
		if !ok {
			continue
		}
		for _, s := range states() {
			if below(arg, s.Dir) && s.held() {
				return s
			}
		}
	}
	return nil
}

// onlyMount is the mount to work on when nothing is configured: what somebody
// who has just mounted a store and asks for a name in it expects.
func onlyMount() (*state, error) {
	var live []*state
	for _, s := range states() {
		if s.held() {
			live = append(live, s)
		}
	}
	switch len(live) {
	case 0:
		return nil, nil
	case 1:
		return live[0], nil
	}
	var dirs []string
	for _, s := range live {
		if !sameMount(s, live[0]) {
			dirs = append(dirs, s.Dir)
		}
	}
	if len(dirs) == 0 {
		return live[0], nil
	}
	return nil, fmt.Errorf("nothing is configured here, and there are several mounts (%s, %s): say which with --mount DIR, or artifacts.manifest.root=…",
		live[0].Dir, strings.Join(dirs, ", "))
}

// inMount turns a path inside a mount into one below the tree's root.
func inMount(arg string) (path string, ok bool) {
	if arg, ok = pathArg(arg); !ok {
		return "", false
	}
	for _, s := range states() {
		if below(arg, s.Dir) && s.held() {
			return strings.TrimPrefix(strings.TrimPrefix(arg, s.Dir), "/"), true
		}
	}
	return "", false
}

// pathArg returns the path that an argument is, absolute; false if it may be a
// name. A path from here begins with a dot, which no name does but a view's.
func pathArg(arg string) (string, bool) {
	first, _, _ := strings.Cut(arg, "/")
	if first != "" && first != "." && first != ".." || arg == "" {
		return "", false
	}
	path, err := filepath.Abs(arg)
	return path, err == nil
}

func below(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}
