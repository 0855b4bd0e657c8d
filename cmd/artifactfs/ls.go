package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"

	"artifactfs.dev/artifactfs/manifest"
)

func (a *app) lsCmd() *cobra.Command {
	var long bool
	c := &cobra.Command{
		Use:               "ls [NAME | NAME:VERSION[/PATH] | DIR]",
		Short:             "List artifacts, an artifact's versions, or what is in a version",
		Args:              args(0, 1, "at most one reference"),
		ValidArgsFunction: a.completeRef,
		RunE: func(c *cobra.Command, args []string) error {
			k, plain, err := a.open(args)
			if err != nil {
				return err
			}
			path := ""
			if len(plain) == 1 {
				if path, err = k.pathOf(c.Context(), plain[0]); err != nil {
					return err
				}
			}
			return a.ls(c.Context(), k, path, long)
		},
	}
	c.Flags().BoolVarP(&long, "long", "l", false, "with types, times and paths")
	return c
}

// pathOf is where an argument of ls or cat lies in the tree. The view of a manifest store
// has aliases as files, as upstream's store itself, so that one is looked up.
func (k *core) pathOf(ctx context.Context, arg string) (string, error) {
	if r, err := manifest.ParseRef(arg); err == nil && r.In != "" && strings.Contains(arg, ":") {
		v, err := k.tree.Resolve(ctx, r)
		if err != nil {
			return "", err
		}
		sub := r.Sub
		r = v.Ref()
		r.Sub = sub
		arg = r.String()
	}
	return treePath(arg)
}

// treePath is where an argument of ls or cat lies in the tree: a path in a mount,
// or a reference, whose version follows a colon; without one it is a path as well.
func treePath(arg string) (string, error) {
	if path, ok := inMount(arg); ok {
		return path, nil
	}
	if !strings.Contains(arg, ":") {
		return strings.Trim(arg, "/"), nil
	}
	r, err := manifest.ParseRef(arg)
	if err != nil {
		return "", err
	}
	if r.In != "" { // a view has the data beside the record
		r.Version += "/data"
	}
	return strings.TrimSuffix(r.Which()+"/"+r.Version+"/"+r.Sub, "/"), nil
}

// ls finds out what path is: the root, an artifact or a prefix of some, or data.
func (a *app) ls(ctx context.Context, k *core, path string, long bool) error {
	if k.cfg.Disabled != "" {
		return fmt.Errorf("tracking is fully disabled by %s: there is nothing to list", k.cfg.Disabled)
	}
	if path != "" && manifest.CheckName(path) != nil { // a view, a version, what is in one
		return a.lsEntries(ctx, k, path, long)
	}
	if path != "" {
		l, err := k.src.Versions(ctx, path)
		if err == nil && len(l.Claimed)+len(l.Versions)+len(l.Foreign) > 0 {
			return a.lsVersions(ctx, k, path, k.tree.Frozen(ctx, path, l), long)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	p := startProgress(a.err, "artifacts")
	arts, err := k.artifacts(ctx, path, long || a.json, func(artifact) { p.add() })
	p.end()
	if err != nil {
		return err
	}
	if path != "" && len(arts) == 0 {
		return a.lsEntries(ctx, k, path, long)
	}
	if long || a.json {
		a.unread(arts)
	}
	return a.lsArtifacts(arts, long)
}
