//go:build !linux

package main

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"artifactfs.dev/artifactfs/manifest"
	"artifactfs.dev/artifactfs/resolver"
)

// mountCmds are here only to say what does not work here.
func (a *app) mountCmds() []*cobra.Command {
	var out []*cobra.Command
	for _, name := range []string{"mount", "umount"} {
		out = append(out, &cobra.Command{
			Use: name, Hidden: true, DisableFlagParsing: true,
			RunE: func(*cobra.Command, []string) error {
				return errors.New(name + " works on Linux only; ls, resolve, cat, log, alias and retire work here")
			},
		})
	}
	return out
}

func helperArgs(_ string, args []string) []string { return args }

func helperExit(_ string, code int) int { return code }

// mountPoints: there are none here.
func mountPoints() ([]string, error) { return nil, nil }

// health is what a mount answers; here there are none.
type health int

const (
	notMounted health = iota
	dead
	hung
	serving
)

// covered: nothing is mounted here.
func covered(string) error { return nil }

// door is a mount by whose daemon to log; here there are none.
type door struct{}

func doorTo(context.Context, *core, string) (*door, error) { return nil, nil }

func mountElsewhere(string) (configFile string, err error) { return "", nil }

func sameAtHome(context.Context, *core, string) error { return nil }

func (*door) alias(context.Context, manifest.Ref, string, bool, bool) (*resolver.AliasResult, error) {
	return nil, errors.ErrUnsupported
}

func (*door) log(context.Context, string, []byte, resolver.LogOptions, bool) (*resolver.Result, error) {
	return nil, errNoAnswer
}

func (*door) version(manifest.Ref) (string, error) { return "", errNoAnswer }

func check(string) health { return notMounted }

var errNoAnswer = errors.New("no mounts here")

func closedTo(string) string { return "" }

func ask(string, time.Duration, ...string) ([]byte, error) { return nil, errNoAnswer }

func canonical(dir string) (string, error) { return filepath.Abs(dir) }
