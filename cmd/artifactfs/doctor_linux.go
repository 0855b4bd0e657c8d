package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"artifactfs.dev/artifactfs/cmd/artifactfs/config"
)

// level is how bad a finding is.
type level string

const (
	fine level = "ok"
	warn level = "warn"
	fail level = "fail"
)

// finding is one thing that doctor looked at.
type finding struct {
	Check string `json:"check"`
	Level level  `json:"level"`
	Found string `json:"found"`
	Means string `json:"means,omitempty"`
	Fix   string `json:"fix,omitempty"` // a command, where there is one
}

func (a *app) doctorCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "doctor [DIR] [KEY=VALUE...]",
		Short: "Find out what keeps mounts from working, or from working well",
		Long: `Look at everything a mount depends on: the kernel and what it can do, /dev/fuse and
fusermount3, the configuration and the profiles in env.toml, the store, the clock, the data
roots, state_root, the propagation of mounts into containers, and the mounts that are there (at DIR, if it is
given: that mount, or whether one can be made). Each finding says what it means and what to do. It changes nothing, needs no root, and waits for nothing
that hangs. It exits with 1 if something fails.`,
		Args:              args(0, 1, "at most one mount point"),
		ValidArgsFunction: completeMount,
		RunE: func(c *cobra.Command, args []string) error {
			plain, dotlist := splitArgs(args)
			d := &doctor{a: a, dotlist: dotlist}
			if len(plain) == 1 {
				dir, err := canonical(plain[0])
				if err != nil {
					return fmt.Errorf("doctor %s: %w", plain[0], err)
				}
				d.dir = dir
			}
			return a.printFindings(d.examine(c.Context()))
		},
	}
}

// doctor is one examination.
type doctor struct {
	a       *app
	dir     string // "": all mounts
	dotlist []string
	cfg     *config.Config // nil if there is none that can be used
	found   []finding
}

func (d *doctor) add(check string, l level, found, means, fix string) {
	d.found = append(d.found, finding{check, l, found, means, fix})
}

func (d *doctor) examine(ctx context.Context) []finding {
	p := startProgress(d.a.err, "things looked at")
	defer p.end()
	for _, look := range []func(context.Context){
		d.device, d.helper, d.privilege, d.kernel, d.configuration, d.profiles, d.stores, d.roots, d.tracking, d.mounts, d.propagation,
	} {
		look(ctx)
		p.add()
	}
	return d.found
}

func (a *app) printFindings(found []finding) error {
	failed := slices.ContainsFunc(found, func(f finding) bool { return f.Level == fail })
	if a.json {
		if err := a.printJSON(found); err != nil {
			return err
		}
	} else {
		var rows [][]string
		for _, f := range found {
			what := f.Found
			if f.Level != fine && f.Means != "" {
				what += ": " + f.Means
			}
			if f.Fix != "" && f.Level != fine {
				what += " → " + f.Fix
			}
			rows = append(rows, []string{string(f.Level), f.Check, what})
		}
		grid(a.out, []string{"", "check", "finding"}, rows)
	}
	if failed {
		return errSilent
	}
	return nil
}

// patience is how long a path may take to answer.
const patience = 5 * time.Second

// remote has a child look at a path that may hang: what hangs holds the process
// that looked, beyond any signal.
func (d *doctor) remote(check, kind, path string) {
	var out bytes.Buffer
	cmd := self("examine", kind, path)
	cmd.Stdout = &out
	if err := cmd.Start(); err != nil {
		d.add(check, fail, err.Error(), "", "")
		return
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	select {
	case err := <-done:
		var found []finding
		if e := json.Unmarshal(out.Bytes(), &found); e != nil {
			d.add(check, fail, errors.Join(err, e).Error(), "it could not be looked at", "")
		}
		d.found = append(d.found, found...)
	case <-time.After(patience):
		_ = cmd.Process.Kill()
		d.add(check, fail, fmt.Sprintf("%s does not answer within %v", path, patience),
			"its file server, or the process that serves it, hangs; whatever touches it waits up to the deadline", "stat "+path)
	}
}

// examineCmd is that child.
func examineCmd() *cobra.Command {
	return &cobra.Command{
		Use: "examine KIND PATH", Hidden: true, Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			d := &doctor{}
			switch kind, path := args[0], args[1]; kind {
			case "store":
				d.store(path)
			case "data_root":
				d.root(c.Context(), path)
			case "state_root":
				d.state(path)
			default:
				return usagef("examine %s: no such kind", kind)
			}
			e := json.NewEncoder(c.OutOrStdout())
			e.SetEscapeHTML(false)
			return e.Encode(d.found)
		},
	}
}
