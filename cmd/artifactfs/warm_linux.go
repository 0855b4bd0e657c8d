package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"artifactfs.dev/artifactfs/internal/store/cache"
	"artifactfs.dev/artifactfs/manifest"
	"artifactfs.dev/artifactfs/resolver"
)

func (a *app) warmCmd() *cobra.Command {
	c := &cobra.Command{
		Use:   "warm NAME:VERSION [PATH...] [NAME:VERSION [PATH...]]...",
		Short: "Make versions ready before their first use: fetch them, or bind them",
		Long: `Make versions ready before their first use. Data behind a network, all of it or the
PATHs that are named, is fetched into the cache, by many requests at a time. What is
there already is looked at and not fetched again, so a warm that was ended goes on where
it was. One that does not fit into artifactfs.cache_size fetches nothing, and says so.

Local data is bound: mounted over the version's directory, so that a container which
starts afterwards has the mount from the beginning. Where a version cannot be bound it
says why; the version is served all the same.

The daemon of a mount does it. Without a mount, or with a configuration of its own, this
command fetches into artifactfs.cache_dir itself, for the mount that comes.`,
		Args:              args(1, 1<<20, "a version"),
		ValidArgsFunction: a.completeRef,
		RunE:              func(c *cobra.Command, args []string) error { return a.warm(c.Context(), args) },
	}
	a.mountFlag(c)
	return c
}

// warmer makes one version ready, and tells of what has come until then.
type warmer func(ctx context.Context, ref string, paths []string, tell func(resolver.Warmed)) (resolver.Warmed, error)

func (a *app) warm(ctx context.Context, args []string) error {
	plain, dotlist := splitArgs(args)
	all, err := warmArgs(plain)
	if err != nil {
		return err
	}
	do, end, err := a.warmer(plain, dotlist)
	if err != nil {
		return err
	}
	defer end()
	failed := false
	for _, w := range all {
		b := startBar(a.err, w.ref)
		done, err := do(ctx, w.ref, w.paths, func(now resolver.Warmed) {
			b.show(fmt.Sprintf("%s, %d of %s", w.ref, now.Done, count(now.Files, "file")), now.Fetched, max(now.Bytes-now.Kept, now.Fetched))
		})
		b.end()
		if err != nil {
			return fmt.Errorf("warm %s: %w", w.ref, err)
		}
		failed = failed || done.Error != ""
		if err := a.printWarmed(done); err != nil {
			return err
		}
	}
	if failed {
		return errSilent
	}
	return nil
}

// warmArg is a version, and the paths in it that are to be fetched.
type warmArg struct {
	ref   string
	paths []string
}

// warmArgs reads versions and paths. What names a version, by its number or an alias,
// begins another; so does a path in a mount.
func warmArgs(args []string) ([]warmArg, error) {
	var all []warmArg
	for _, arg := range args {
		_, named := inMount(arg)
		ref, err := manifest.ParseRef(arg)
		if named {
			ref, err = parseRefArg(arg)
		}
		if len(all) > 0 && !named && (err != nil || !strings.Contains(arg, ":")) {
			last := &all[len(all)-1]
			last.paths = append(last.paths, arg)
			continue
		}
		if err != nil {
			return nil, err
		}
		all = append(all, warmArg{ref: ref.String()})
	}
	for _, w := range all {
		for _, p := range w.paths {
			if strings.Contains(p, "\n") {
				return nil, fmt.Errorf("warm: %q: a path with a line break cannot be named here", p)
			}
		}
	}
	return all, nil
}

// warmer is the mount that is named, that an argument lies in, or the only one; with a
// configuration of its own, and without a mount, this process.
func (a *app) warmer(plain, dotlist []string) (do warmer, end func(), err error) {
	own := len(dotlist) > 0 || a.configFile != "" || a.job != ""
	if a.at != "" {
		dir, err := canonical(a.at)
		return through(dir), func() {}, err
	}
	if s := mountNamed(plain); s != nil && !own {
		return through(s.Dir), func() {}, nil
	}
	points, err := mountPoints()
	if err != nil {
		return nil, nil, err
	}
	switch {
	case own || len(points) == 0:
		return a.ownWarmer(plain, dotlist)
	case len(points) == 1:
		return through(points[0]), func() {}, nil
	}
	return nil, nil, fmt.Errorf("warm: there are several mounts (%s): say which with --mount DIR", strings.Join(points, ", "))
}

// through asks the daemon of a mount, which alone can bind in it, and has its cache
// open. It fetches for as long as the file is open.
func through(dir string) warmer {
	return func(ctx context.Context, ref string, paths []string, tell func(resolver.Warmed)) (done resolver.Warmed, err error) {
		if check(dir) == hung { // whoever opens a file there cannot be interrupted
			return done, fmt.Errorf("%s: %w; artifactfs status %[1]s", dir, errNoAnswer)
		}
		f, err := os.OpenFile(filepath.Join(dir, ".artifactfs", "warm"), os.O_RDWR, 0)
		if err != nil {
			return done, fmt.Errorf("%w; is %s mounted? artifactfs status", err, dir)
		}
		defer f.Close()
		_, failed := io.WriteString(f, strings.Join(append([]string{ref}, paths...), "\n")+"\n")
		for {
			b, err := io.ReadAll(io.NewSectionReader(f, 0, 1<<20))
			done = resolver.Warmed{}
			if err != nil || json.Unmarshal(b, &done) != nil {
				return done, errors.Join(failed, err)
			}
			if !done.Running {
				return done, nil
			}
			tell(done)
			select {
			case <-ctx.Done():
				return done, ctx.Err()
			case <-time.After(time.Second / 5):
			}
		}
	}
}

// ownWarmer fetches into the cache that is configured.
func (a *app) ownWarmer(plain, dotlist []string) (warmer, func(), error) {
	cfg, err := a.configOf(plain, dotlist)
	if err != nil {
		return nil, nil, err
	}
	if cfg.CacheDir == "" {
		return nil, nil, errors.New("warm: there is neither a mount nor a cache to fetch into: artifactfs mount DIR first, or set artifactfs.cache_dir")
	}
	log := a.errors()
	c, err := cache.Open(cfg.CacheDir, &cache.Options{Size: cfg.CacheSize, Log: log})
	if err != nil {
		return nil, nil, err
	}
	if !c.First() {
		c.Close()
		return nil, nil, fmt.Errorf("warm: another process has the cache %s open; if that is a mount, name it with --mount DIR", cfg.CacheDir)
	}
	k, err := openCore(cfg, coreOptions{Log: log, Cache: c})
	if err != nil {
		c.Close()
		return nil, nil, err
	}
	return k.tree.Fetch, func() { c.Close() }, nil
}

func (a *app) printWarmed(done resolver.Warmed) error {
	if a.json {
		return a.printJSON(done)
	}
	if done.Error != "" {
		fmt.Fprintf(a.err, "artifactfs: %s\n", clean(done.Error))
		return nil
	}
	what := ""
	if done.Lane == "cache" {
		what = fmt.Sprintf("\t%s, %d bytes, %d of them fetched", count(done.Files, "file"), done.Bytes, done.Fetched)
		if done.Fetched > 0 && done.Seconds > 0 {
			what += ", " + rate(done.Fetched, done.Seconds)
		}
	}
	fmt.Fprintf(a.out, "%s:%s\t%s%s\n", clean(done.Name), vN(done.Version), done.Lane, what)
	return nil
}
