package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"artifactfs.dev/artifactfs/resolver"
)

func (a *app) warmCmd() *cobra.Command {
	c := &cobra.Command{
		Use:   "warm NAME:VERSION...",
		Short: "Bind versions ahead of their first use",
		Long: `Mount the data of versions over their directories now, before anything in them
is opened. A container that starts afterwards has the mounts from the beginning.
Where a version cannot be bound it says why; the version is served all the same.`,
		Args:              args(1, 1<<20, "references"),
		ValidArgsFunction: a.completeRef,
		RunE: func(_ *cobra.Command, args []string) error {
			dir, err := warmMount(a.at, args)
			if err != nil {
				return err
			}
			failed := false
			for _, arg := range args {
				done, err := a.warmOne(dir, arg)
				if err != nil {
					return err
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
		},
	}
	a.mountFlag(c)
	return c
}

// warmMount is the mount to warm in: the one that is named, that an argument lies
// in, or the only one.
func warmMount(at string, args []string) (string, error) {
	if at != "" {
		return canonical(at)
	}
	if s := mountNamed(args); s != nil {
		return s.Dir, nil
	}
	points, err := mountPoints()
	if err != nil {
		return "", err
	}
	switch len(points) {
	case 0:
		return "", errors.New("warm: nothing is mounted here; artifactfs mount DIR first")
	case 1:
		return points[0], nil
	}
	return "", fmt.Errorf("warm: there are several mounts (%s): say which with --mount DIR", strings.Join(points, ", "))
}

// warmOne asks the mount's daemon, which alone can bind in it.
func (a *app) warmOne(dir, arg string) (*resolver.Warmed, error) {
	ref, err := parseRefArg(arg)
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(dir, ".artifactfs", "warm"), os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("warm: %w; is %s mounted? artifactfs status", err, dir)
	}
	defer f.Close()
	_, failed := io.WriteString(f, ref.String()+"\n")
	b, err := io.ReadAll(io.NewSectionReader(f, 0, 1<<20))
	done := &resolver.Warmed{}
	if err != nil || json.Unmarshal(b, done) != nil {
		return nil, fmt.Errorf("warm %s: %w", arg, errors.Join(failed, err))
	}
	return done, nil
}

func (a *app) printWarmed(done *resolver.Warmed) error {
	if a.json {
		return a.printJSON(done)
	}
	if done.Error != "" {
		fmt.Fprintf(a.err, "artifactfs: %s\n", done.Error)
		return nil
	}
	fmt.Fprintf(a.out, "%s:%s\t%s\n", done.Name, vN(done.Version), done.Lane)
	return nil
}
