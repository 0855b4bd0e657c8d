package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"artifactfs.dev/artifactfs/manifest"
)

func (a *app) snapshotCmd() *cobra.Command {
	c := &cobra.Command{
		Use:   "snapshot",
		Short: "Show and change what jobs see as latest",
		Long: `Show and change what jobs see as latest. The first latest (or other alias) that a job
resolves stays what it is for that job, on all nodes. A snapshot also holds which versions the
job has used. Its ID is UID.CLUSTER.JOB; artifactfs status inside a job says it. Snapshots are
their users': root may change all.`,
		Args: noSuchCommand,
		RunE: a.whichCommand,
	}
	c.AddCommand(a.snapshotLs(), a.snapshotShow(), a.snapshotRm(), a.snapshotSet())
	return c
}

// snapshotLine is one line of snapshot ls.
type snapshotLine struct {
	ID   string    `json:"id"`
	Own  bool      `json:"own,omitempty"` // of the job that asks
	Pins int       `json:"pins"`
	Uses int       `json:"uses"` // versions that the job has used
	Used time.Time `json:"used,omitzero"`
}

func (a *app) snapshotLs() *cobra.Command {
	return &cobra.Command{
		Use:   "ls",
		Short: "List the snapshots that you may see",
		Args:  args(0, 0, "no arguments"),
		RunE: func(c *cobra.Command, args []string) error {
			k, _, err := a.openPinned(args)
			if err != nil {
				return err
			}
			lines := []snapshotLine{}
			rows := [][]string{}
			ids, err := k.snapshots(c.Context())
			if err != nil {
				return err
			}
			for _, id := range ids {
				pins, err := k.pinsOf(c.Context(), id)
				if err != nil && !errors.Is(err, fs.ErrNotExist) {
					return err
				}
				l := snapshotLine{ID: id, Own: id == ownID()}
				for _, p := range pins {
					if p.IsUse() {
						l.Uses++
					} else {
						l.Pins++
					}
					if p.Used.After(l.Used) {
						l.Used = p.Used
					}
				}
				lines = append(lines, l)
				rows = append(rows, []string{id, fmt.Sprint(l.Pins), fmt.Sprint(l.Uses), l.Used.Local().Format(time.DateTime)})
			}
			if a.json {
				return a.printJSON(lines)
			}
			grid(a.out, []string{"id", "pins", "uses", "last use"}, rows)
			return nil
		},
	}
}

func (a *app) snapshotShow() *cobra.Command {
	return &cobra.Command{
		Use:   "show [ID]",
		Short: "Show what a job sees; without an ID, the one that this runs in",
		Args:  args(0, 1, "one ID"),
		RunE: func(c *cobra.Command, args []string) error {
			k, plain, err := a.openPinned(args)
			if err != nil {
				return err
			}
			id := ownID()
			if len(plain) == 1 {
				id = plain[0]
			}
			if id == "" {
				return usagef("this runs in no job: name a snapshot's ID, see artifactfs snapshot ls")
			}
			pins, err := k.pinsOf(c.Context(), id)
			if err != nil && !(errors.Is(err, fs.ErrNotExist) && id == ownID()) {
				return fmt.Errorf("snapshot %s: %w", id, err)
			}
			doc := jobStatus{ID: id, Pins: []pinStatus{}, Used: []string{}}
			rows := [][]string{}
			for _, p := range pins {
				if p.IsUse() {
					doc.Used = append(doc.Used, p.Name+":"+p.Target.String())
					rows = append(rows, []string{p.Name, "used", vN(p.Version), "", p.Since.Local().Format(time.DateTime)})
					continue
				}
				s := k.pinStatus(c.Context(), p)
				doc.Pins = append(doc.Pins, s)
				rows = append(rows, []string{s.Name, s.Alias, vN(s.Version), maybeVN(s.Newest), s.Since.Local().Format(time.DateTime)})
			}
			if a.json {
				return a.printJSON(doc)
			}
			grid(a.out, []string{"name", "alias", "version", "newest", "since"}, rows)
			return nil
		},
	}
}

func (a *app) snapshotRm() *cobra.Command {
	return &cobra.Command{
		Use:   "rm ID [NAME[@ALIAS]]",
		Short: "Unpin: the job then sees the newest, and goes on seeing that",
		Long: `Unpin: the job then sees the newest, and goes on seeing that. Without a name the whole snapshot
goes, and with it what the job has used: that is for when the job has ended.`,
		Args: args(1, 2, "an ID and at most one name"),
		RunE: func(c *cobra.Command, args []string) error {
			k, plain, err := a.openPinned(args)
			if err != nil {
				return err
			}
			name, alias := "", ""
			if len(plain) == 2 {
				name, alias, _ = strings.Cut(plain[1], "@")
				if err := manifest.CheckName(name); err != nil {
					return usagef("snapshot rm: %v", err)
				}
			}
			what := strings.Join(plain, " ")
			if err := k.unpin(c.Context(), plain[0], name, alias); errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("snapshot %s has no such pin: %w", what, err)
			} else if err != nil {
				return fmt.Errorf("snapshot rm %s: %w", plain[0], err)
			}
			return a.said(map[string]any{"id": plain[0], "removed": what}, "%s is unpinned\n", what)
		},
	}
}

func (a *app) snapshotSet() *cobra.Command {
	return &cobra.Command{
		Use:               "set ID NAME:VERSION [ALIAS]",
		Short:             "Pin a version for a job, as latest or as ALIAS",
		Args:              args(2, 3, "an ID, a reference and at most one alias"),
		ValidArgsFunction: a.completeRef,
		RunE: func(c *cobra.Command, args []string) error {
			k, plain, err := a.openPinned(args)
			if err != nil {
				return err
			}
			ref, err := parseRefArg(plain[1])
			if err != nil {
				return err
			}
			alias := manifest.Latest
			if len(plain) == 3 && plain[2] != alias {
				alias = plain[2]
				if err := manifest.CheckAlias(alias); err != nil {
					return err
				}
			}
			v, err := k.tree.Resolve(c.Context(), ref)
			if err != nil {
				return err
			}
			if err := k.setPin(c.Context(), plain[0], v.Name, alias, v.Target()); err != nil {
				return fmt.Errorf("snapshot set %s: %w", plain[0], err)
			}
			return a.said(map[string]any{"id": plain[0], "name": v.Name, "alias": alias, "version": v.N},
				"job %s sees %s as %s\n", plain[0], v, alias)
		},
	}
}

// openPinned opens a store that has snapshots.
func (a *app) openPinned(args []string) (*core, []string, error) {
	k, plain, err := a.open(args)
	if err == nil && k.src == nil {
		err = fmt.Errorf("artifact tracking is switched off (%s)", k.cfg.Disabled)
	}
	if err == nil {
		k.pins = append(k.pins, nodePinsOf(k.cfg.Root)...)
	}
	return k, plain, err
}

func (k *core) snapshots(ctx context.Context) ([]string, error) {
	var all []string
	for _, p := range k.pins {
		ids, err := p.Snapshots(ctx)
		if err != nil {
			return nil, err
		}
		all = append(all, ids...)
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// pinsOf returns the pins of a snapshot wherever they are kept.
func (k *core) pinsOf(ctx context.Context, id string) ([]*manifest.Pin, error) {
	var all []*manifest.Pin
	err := fmt.Errorf("there is none of this ID that you may see: %w", fs.ErrNotExist)
	for _, p := range k.pins {
		pins, e := p.Pins(ctx, id)
		if e == nil {
			err = nil
		} else if !hasNone(e) {
			return nil, e
		}
		all = append(all, pins...)
	}
	return all, err
}

// hasNone reports whether a place of pins has none of what was asked for: a store of
// commits keeps none at all.
func hasNone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, errors.ErrUnsupported)
}

// unpin takes pins away wherever they are kept: fs.ErrNotExist if that is nowhere.
func (k *core) unpin(ctx context.Context, id, name, alias string) error {
	none := error(fs.ErrNotExist)
	for _, p := range k.pins {
		err := p.Unpin(ctx, id, name, alias)
		if err == nil {
			none = nil
		} else if !hasNone(err) {
			return err
		}
	}
	return none
}

// setPin pins in the first place that takes it.
func (k *core) setPin(ctx context.Context, id, name, alias string, to manifest.Target) (err error) {
	for _, p := range k.pins {
		e := p.Move(ctx, id, name, alias, to, false)
		if e == nil {
			return nil
		}
		err = errors.Join(err, e)
	}
	return err
}

func (k *core) pinStatus(ctx context.Context, p *manifest.Pin) pinStatus {
	s := pinStatus{Name: p.Name, Alias: p.Alias, Version: p.Version, Since: p.Since, Where: p.Where}
	if l, err := k.src.Versions(ctx, p.Name); err == nil {
		if n, ok := l.Alias(p.Alias); ok {
			s.Newest = &n
		}
	}
	return s
}
