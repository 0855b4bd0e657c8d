package main

import (
	"context"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"artifactfs.dev/artifactfs/cmd/artifactfs/config"
	"artifactfs.dev/artifactfs/manifest"
)

// completeRef completes NAME:VERSION for a shell: names up to the next slash,
// and after a colon versions and aliases. It gives up before anybody notices.
func (a *app) completeRef(c *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 && c.Name() != "cat" {
		return nil, cobra.ShellCompDirectiveDefault
	}
	quiet := *a
	quiet.err = io.Discard
	k, _, err := quiet.open(nil)
	if err != nil || k.src == nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if name, version, ok := strings.Cut(typed, ":"); ok {
		return k.completeVersion(ctx, name, version), cobra.ShellCompDirectiveNoFileComp
	}
	dir, base := "", typed
	if i := strings.LastIndexByte(typed, '/'); i >= 0 {
		dir, base = typed[:i], typed[i+1:]
	}
	names, _ := k.src.Names(ctx, dir)
	var out []string
	for _, n := range names {
		if strings.HasPrefix(n, base) && manifest.CheckName(n) == nil {
			out = append(out, strings.TrimPrefix(dir+"/"+n, "/"))
		}
	}
	return out, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

func (k *core) completeVersion(ctx context.Context, name, version string) []string {
	l, err := k.src.Versions(ctx, name)
	if err != nil {
		return nil
	}
	all := []string{manifest.Latest}
	for alias := range l.Aliases {
		all = append(all, alias)
	}
	for _, n := range l.Versions {
		all = append(all, vN(n))
	}
	var out []string
	for _, v := range all {
		if strings.HasPrefix(v, version) {
			out = append(out, name+":"+v)
		}
	}
	return out
}

// completeMount completes a directory, then settings.
func completeMount(_ *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return nil, cobra.ShellCompDirectiveFilterDirs
	}
	var out []string
	for _, k := range config.Keys() {
		if strings.HasPrefix(k, typed) && strings.Contains(k, ".") {
			out = append(out, k+"=")
		}
	}
	return out, cobra.ShellCompDirectiveNoSpace
}

// completeMounted completes the directories that something is mounted at.
func completeMounted(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	points, _ := mountPoints()
	return points, cobra.ShellCompDirectiveNoFileComp
}
