package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/spf13/cobra"

	"artifactfs.dev/artifactfs/internal/store/cache"
)

func (a *app) cacheCmd() *cobra.Command {
	c := &cobra.Command{
		Use:   "cache",
		Short: "Show, check and empty what is kept of stores on this machine",
		Long: `Show, check and empty what is kept of stores on this machine: the directory that
artifactfs.cache_dir names. A mount that uses it needs none of this: it makes room by
itself, and checks all that it reads from there.`,
		Args: noSuchCommand,
		RunE: a.whichCommand,
	}
	c.AddCommand(a.cacheLs(), a.cachePrune(), a.cacheVerify())
	return c
}

// kept lists what lies in the cache that is configured.
func (a *app) kept(args []string) (dir string, list []cache.Kept, err error) {
	plain, dotlist := splitArgs(args)
	cfg, err := a.configOf(plain, dotlist)
	if err != nil {
		return "", nil, err
	}
	if cfg.CacheDir == "" {
		return "", nil, errors.New("there is no cache: artifactfs.cache_dir is not set")
	}
	list, err = cache.List(cfg.CacheDir)
	if errors.Is(err, fs.ErrNotExist) {
		return cfg.CacheDir, nil, nil // no mount has made it yet
	} else if err != nil {
		return "", nil, fmt.Errorf("cache %s: %w", cfg.CacheDir, err)
	}
	return cfg.CacheDir, list, nil
}

// cacheLine is one line of cache ls.
type cacheLine struct {
	Key   string    `json:"key"`
	Size  int64     `json:"size"`
	Bytes int64     `json:"bytes"` // that are kept
	Used  time.Time `json:"used"`
	InUse bool      `json:"in_use"`
}

func (a *app) cacheLs() *cobra.Command {
	return &cobra.Command{
		Use:   "ls",
		Short: "List what is kept, the longest unused first",
		Args:  args(0, 0, "no arguments"),
		RunE: func(_ *cobra.Command, args []string) error {
			_, list, err := a.kept(args)
			if err != nil {
				return err
			}
			lines, rows := []cacheLine{}, [][]string{}
			for _, k := range list {
				lines = append(lines, cacheLine{k.Key, k.Size, k.Bytes, k.Used, k.InUse})
				rows = append(rows, []string{k.Key, fmt.Sprint(k.Bytes), fmt.Sprint(k.Size), k.Used.Local().Format(time.DateTime)})
			}
			if a.json {
				return a.printJSON(lines)
			}
			grid(a.out, []string{"content", "kept", "of bytes", "used"}, rows)
			return nil
		},
	}
}

// pruned is what cache prune did.
type pruned struct {
	Removed int   `json:"removed"`
	Bytes   int64 `json:"bytes"`
	InUse   int   `json:"in_use"` // left, since a mount has the cache open
}

func (a *app) cachePrune() *cobra.Command {
	var older time.Duration
	c := &cobra.Command{
		Use:   "prune",
		Short: "Remove what is kept and no mount has open",
		Long: `Remove what is kept and no mount has open. A mount's own cache is left: a smaller
cache_size and artifactfs reload make it smaller.`,
		Args: args(0, 0, "no arguments"),
		RunE: func(_ *cobra.Command, args []string) error {
			dir, list, err := a.kept(args)
			if err != nil {
				return err
			}
			var p pruned
			for _, k := range list {
				if time.Since(k.Used) < older {
					continue
				}
				done, err := cache.Prune(k)
				switch {
				case err != nil:
					return fmt.Errorf("cache %s: %w", dir, err)
				case done:
					p.Removed++
					p.Bytes += k.Bytes
				default:
					p.InUse++
				}
			}
			if a.json {
				return a.printJSON(p)
			}
			fmt.Fprintf(a.out, "%s\tremoved %s, %d bytes; in use %d\n", clean(dir), count(p.Removed, "file"), p.Bytes, p.InUse)
			return nil
		},
	}
	c.Flags().DurationVar(&older, "older", 0, "only what was not used for `DURATION`, such as 72h")
	return c
}

// checkedCache is what cache verify found.
type checkedCache struct {
	Files   int      `json:"files"`
	Bytes   int64    `json:"bytes"`
	Damaged []string `json:"damaged"`
}

func (a *app) cacheVerify() *cobra.Command {
	return &cobra.Command{
		Use:   "verify",
		Short: "Read all that is kept; what is damaged is fetched again when it is read",
		Args:  args(0, 0, "no arguments"),
		RunE: func(c *cobra.Command, args []string) error {
			dir, list, err := a.kept(args)
			if err != nil {
				return err
			}
			r := checkedCache{Damaged: []string{}}
			p := startProgress(a.err, "files read")
			for _, k := range list {
				n, readErr := cache.Verify(c.Context(), k)
				if err = cmp.Or(c.Context().Err(), err); err != nil {
					break
				}
				r.Files, r.Bytes = r.Files+1, r.Bytes+k.Bytes
				if n > 0 || readErr != nil {
					r.Damaged = append(r.Damaged, k.Key)
				}
				p.add()
			}
			p.end()
			if err != nil {
				return fmt.Errorf("cache %s: %w", dir, err)
			}
			return a.reportCache(dir, r)
		},
	}
}

func (a *app) reportCache(dir string, r checkedCache) error {
	if a.json {
		if err := a.printJSON(r); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(a.out, "%s\t%s, %d bytes, %d damaged\n", clean(dir), count(r.Files, "file"), r.Bytes, len(r.Damaged))
		for _, key := range r.Damaged {
			fmt.Fprintf(a.out, "damaged\t%s\n", clean(key))
		}
	}
	if len(r.Damaged) > 0 {
		return errSilent
	}
	return nil
}
