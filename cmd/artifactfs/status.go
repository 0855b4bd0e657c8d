package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func (a *app) statusCmd() *cobra.Command {
	return &cobra.Command{
		Use:               "status [DIR]",
		Short:             "Say how mounts are doing: stores, lanes, what is missing",
		Args:              args(0, 1, "at most one mount"),
		ValidArgsFunction: completeMounted,
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 1 {
				return a.statusOf(args[0])
			}
			return a.statusAll()
		},
	}
}

// statusAll shows every mount of this namespace.
func (a *app) statusAll() error {
	points, err := mountPoints()
	if err != nil {
		return err
	}
	for _, s := range states() { // mounts that are just coming back
		if s.held() {
			points = append(points, s.Dir)
		}
	}
	docs := []*statusDoc{}
	seen := map[string]bool{}
	for _, p := range points {
		if seen[p] {
			continue
		}
		seen[p] = true
		if d := gatherStatus(p); d != nil { // it may be gone by now
			docs = append(docs, d)
		}
	}
	if a.json {
		return a.printJSON(docs)
	}
	if len(docs) == 0 {
		fmt.Fprintf(a.out, "no mount: looked in /proc/self/mountinfo and %s\n", strings.Join(runDirs(), ", "))
	}
	for i, d := range docs {
		if i > 0 {
			fmt.Fprintln(a.out)
		}
		a.printStatus(d)
	}
	return nil
}

func (a *app) statusOf(where string) error {
	dir, err := canonical(where)
	if err != nil {
		return fmt.Errorf("status %s: %w", where, err)
	}
	dir = mountAbove(dir)
	d := gatherStatus(dir)
	if d == nil {
		err := fmt.Errorf("%s is not mounted: looked in /proc/self/mountinfo and %s", dir, strings.Join(runDirs(), ", "))
		if points, _ := mountPoints(); len(points) > 0 {
			err = fmt.Errorf("%w; artifactfs is at %s", err, strings.Join(points, ", "))
		}
		return err
	}
	if a.json {
		err = a.printJSON(d)
	} else {
		a.printStatus(d)
	}
	if err == nil && d.State != "serving" {
		return errSilent
	}
	return err
}

// gatherStatus asks the mount itself, and adds what is seen from outside. It is
// nil where neither a mount nor a state is.
func gatherStatus(dir string) *statusDoc {
	s, _ := findState(dir)
	if s != nil && !s.held() {
		s = nil
	}
	d := &statusDoc{Mountpoint: dir, Stores: []storeStatus{}, Versions: []*versionStatus{}}
	h := check(dir)
	if err := covered(dir); err != nil {
		d.State, d.Warnings = "hidden", append(d.Warnings, err.Error())
		return d
	}
	switch closed := closedTo(dir); {
	case closed != "":
		d.State, d.Warnings = "unknown", append(d.Warnings, closed)
		return d
	case h == serving:
		err := askStatus(dir, d)
		d.State = "serving"
		if errors.Is(err, errNoAnswer) {
			d.State = "hung"
		}
		if err == nil {
			return d
		}
		d.Warnings = append(d.Warnings, err.Error())
	case h == notMounted && s == nil:
		return nil
	case h == notMounted && s.elsewhere():
		d.State, d.Warnings = "unmounted", append(d.Warnings, away)
	case h == notMounted:
		d.State = "starting"
	case h == hung:
		d.State = "hung"
	case h == dead:
		d.State = "dead"
	}
	if s != nil {
		d.Supervisor, d.PID, d.Started, d.LogFile = s.Supervisor, s.Daemon, s.Started, s.LogFile
		d.Restarts, d.LastDeath = s.Restarts, s.LastDeath
		d.Shared, d.DataRoots = s.Options.AllowOther, s.Config.Roots()
		d.WandB, d.Disabled = wandbState(s.Config), s.Config.Disabled
	}
	return d
}

// askStatus reads the status from inside the mount, and gives up on one that
// takes longer than anybody waits.
func askStatus(dir string, d *statusDoc) error { return askStatusFor(10*time.Second, dir, d) }

func askStatusFor(wait time.Duration, dir string, d *statusDoc) error {
	b, err := ask(filepath.Join(dir, ".artifactfs", "status"), wait, "--read")
	if err == nil {
		err = json.Unmarshal(b, d)
	}
	if err != nil {
		return fmt.Errorf("the status inside the mount: %w", err)
	}
	return nil
}

// printStatus prints panels and tables.
func (a *app) printStatus(d *statusDoc) {
	serving := d.State
	if d.PID != 0 {
		serving += fmt.Sprintf(", pid %d", d.PID)
	}
	if !d.Started.IsZero() {
		serving += ", since " + d.Started.Local().Format(time.DateTime)
	}
	if d.Restarts > 0 {
		serving += fmt.Sprintf(", brought back %d times, last %s", d.Restarts, d.LastDeath)
	}
	head := section{Fields: []field{{"state", serving}}}
	if d.Kernel != "" {
		head.Fields = append(head.Fields, field{"kernel", d.kernel()})
	}
	if d.Cache != nil {
		head.Fields = append(head.Fields, field{"cache", d.Cache.String()})
	}
	if d.Reload != nil {
		head.Fields = append(head.Fields, field{"reloaded", d.Reload.At.Local().Format(time.DateTime) + ": " + d.Reload.words()})
	}
	if !onTerminal(a.out) { // where it is not the panel's title
		head.Fields = append([]field{{"mountpoint", d.Mountpoint}}, head.Fields...)
	}
	r := report{WandB: d.WandB, Disabled: d.Disabled, Lane: d.Lane, Why: d.Why, Shared: d.Shared, DataRoots: d.DataRoots, LogFile: d.LogFile, Metrics: d.Metrics.words()}
	stores := section{Title: "artifacts"}
	for _, s := range d.Stores {
		state := s.State
		if s.Cause != "" && s.Since.IsZero() {
			state += ": " + s.Cause
		} else if s.Cause != "" {
			state += fmt.Sprintf(" since %s: %s", s.Since.Local().Format(time.DateTime), s.Cause)
		}
		stores.Fields = append(stores.Fields, field{s.Store, s.Root + " (" + state + ")"})
	}
	rest := r.sections()
	if !slices.ContainsFunc(d.Stores, func(s storeStatus) bool { return s.Store == "wandb" }) {
		stores.Fields = append(stores.Fields, rest[0].Fields...)
	}
	warn := section{}
	for _, f := range d.Refused {
		warn.Fields = append(warn.Fields, field{"no passthrough", fmt.Sprintf("device %d: %s", f.Dev, f.Why)})
	}
	for _, w := range d.Warnings {
		warn.Fields = append(warn.Fields, field{"warning", w})
	}
	job := section{Title: "job"}
	if d.Job != nil {
		job.Fields = append(job.Fields, field{"id", d.Job.ID + " (from " + d.Job.Source + ")"})
		if d.Job.Kept != "" {
			job.Fields = append(job.Fields, field{"pins", "in " + d.Job.Kept + "; the store does not take them: " + d.Job.Refused})
		}
		for _, p := range d.Job.Pins {
			job.Fields = append(job.Fields, field{p.Name + " " + p.Alias, p.words()})
		}
		if len(d.Job.Used) > 0 {
			job.Fields = append(job.Fields, field{"used", strings.Join(d.Job.Used, ", ")})
		}
	}
	if d.WandB == "" && d.Disabled == "" { // neither the mount nor a state has told anything
		rest[1] = section{}
	}
	panel(a.out, d.Mountpoint, []section{head, stores, rest[1], outboxSection(d.Outbox), job, warn})
	var rows [][]string
	for _, v := range d.Versions {
		note := v.Why
		if v.Missing != "" {
			note = strings.TrimPrefix(note+"; missing: "+v.Missing, "; ")
		}
		rows = append(rows, []string{v.Name, fmt.Sprintf("v%d", v.Version), v.Lane, note})
	}
	if len(rows) > 0 {
		grid(a.out, []string{"name", "version", "lane", "note"}, rows)
	}
}

// mountAbove is the mount that path lies in, or path.
func mountAbove(path string) string {
	points, _ := mountPoints()
	best := ""
	for _, p := range points {
		if (path == p || strings.HasPrefix(path, p+"/")) && len(p) > len(best) {
			best = p
		}
	}
	if best == "" {
		return path
	}
	return best
}
