package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"artifactfs.dev/artifactfs/cmd/artifactfs/config"
)

// app is what the commands share: where they write, and the common flags.
type app struct {
	in       io.Reader
	out, err io.Writer

	json       bool
	configFile string
	at         string // the mount to work on, where there are several
	job        string
}

// usageError is a command line that cannot be understood: exit code 2.
type usageError struct{ msg string }

func (e *usageError) Error() string { return e.msg }

func usagef(format string, args ...any) error {
	return &usageError{fmt.Sprintf(format, args...)}
}

// errSilent is a failure about which everything has been said.
var errSilent = errors.New("failed")

// exitCode reports err on standard error and turns it into 0, 1 or 2.
func exitCode(err error) int {
	var usage *usageError
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errSilent):
		return 1
	case errors.As(err, &usage):
		fmt.Fprintf(os.Stderr, "artifactfs: %s\n", oneLine(err))
		return 2
	}
	fmt.Fprintf(os.Stderr, "artifactfs: %s\n", oneLine(err))
	return 1
}

// oneLine keeps an error on one line, whatever names are in it.
func oneLine(err error) string {
	return clean(strings.ReplaceAll(strings.TrimSpace(err.Error()), "\n", " "))
}

// run is the program: os.Args in, error out.
func run(ctx context.Context, args []string) error {
	a := &app{in: os.Stdin, out: os.Stdout, err: os.Stderr}
	root := a.command()
	root.SetArgs(helperArgs(filepath.Base(args[0]), args[1:]))
	return root.ExecuteContext(ctx)
}

// command builds the command tree.
func (a *app) command() *cobra.Command {
	root := &cobra.Command{
		Use:   "artifactfs",
		Short: "An artifact store as a directory tree",
		Long: `Show an artifact store as a directory tree, and work on it without a mount.
KEY=VALUE arguments override env.toml in every command that reads it, as in
artifactfs ls artifacts.manifest.root=/lustre/artifacts.`,
		SilenceUsage:      true,
		SilenceErrors:     true,
		Args:              noSuchCommand,
		RunE:              a.whichCommand,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	root.SetOut(a.out)
	root.SetErr(a.err)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usagef("%v; see %s --help", err, c.CommandPath())
	})
	f := root.PersistentFlags()
	f.BoolVar(&a.json, "json", false, "print JSON")
	f.StringVar(&a.configFile, "config", "", "env.toml to read instead of the one found")
	f.StringVar(&a.job, "job", "", "a job's YAML `file`, laid over env.toml")
	for _, c := range []*cobra.Command{a.lsCmd(), a.resolveCmd(), a.catCmd(), a.logCmd(), a.aliasCmd(), a.retireCmd(), a.pushCmd(), a.snapshotCmd(), a.verifyCmd(), a.cacheCmd(), a.rewriteCmd(), a.lineageCmd(), a.uiCmd()} {
		a.mountFlag(c)
		root.AddCommand(c)
	}
	root.AddCommand(a.statusCmd(), a.completionCmd(), a.versionCmd(), a.manCmd())
	root.AddCommand(a.mountCmds()...)
	root.InitDefaultHelpCmd()
	return root
}

// noSuchCommand and whichCommand are for commands that only hold others.
func noSuchCommand(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("unknown command %q; see %s --help", args[0], c.CommandPath())
	}
	return nil
}

func (a *app) whichCommand(c *cobra.Command, _ []string) error {
	c.SetOut(a.err)
	_ = c.Help()
	return usagef("which command?")
}

// args checks the number of arguments, key=value ones not counted, and says what
// is expected in words.
func args(min, max int, what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		plain, _ := splitArgs(args)
		if len(plain) < min || len(plain) > max {
			return usagef("%s expects %s, got %s; see %s --help", c.Name(), what, count(len(plain), "argument"), c.CommandPath())
		}
		return nil
	}
}

// count is n of something, in words.
func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

// splitArgs separates key=value settings from other arguments.
func splitArgs(args []string) (plain, dotlist []string) {
	for _, arg := range args {
		if config.IsOverride(arg) {
			dotlist = append(dotlist, arg)
		} else {
			plain = append(plain, arg)
		}
	}
	return plain, dotlist
}

// load reads the configuration that the flags and key=value arguments ask for.
func (a *app) load(dotlist []string) (*config.Config, error) {
	from, err := a.configFrom(dotlist)
	if err != nil {
		return nil, err
	}
	return from.load()
}

func (a *app) configFrom(dotlist []string) (*configSource, error) {
	dir, err := os.Getwd()
	return &configSource{File: a.configFile, Job: a.job, Dotlist: dotlist, Dir: dir}, err
}
