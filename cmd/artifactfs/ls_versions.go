package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"artifactfs.dev/artifactfs/manifest"
)

// versionLine is one line of ls NAME.
type versionLine struct {
	Name     string   `json:"name"`
	Version  int      `json:"version"`
	In       string   `json:"in,omitempty"` // the backend whose number it is, if that is not the tree's
	Aliases  []string `json:"aliases,omitempty"`
	Retired  bool     `json:"retired,omitempty"`
	Type     string   `json:"type,omitempty"`
	Created  string   `json:"created_at,omitempty"`
	Producer string   `json:"producer,omitempty"`
	Path     string   `json:"path,omitempty"`
}

func (a *app) lsVersions(ctx context.Context, k *core, name string, l *manifest.Listing, long bool) error {
	lines := []versionLine{}
	for _, n := range slices.Concat(l.Versions, l.Retired) {
		v := newVersionLine(name, n, l)
		if v.Retired && !long && !a.json {
			continue
		}
		if long || a.json {
			r, err := k.src.Manifest(ctx, name, n)
			if err != nil {
				fmt.Fprintf(a.err, "artifactfs: %s: %s\n", clean(name), oneLine(err))
			} else {
				v.Type, v.Created, v.Producer, v.Path = r.Manifest.Type, r.Manifest.CreatedAt, r.Manifest.Producer, r.Manifest.Path
			}
		}
		lines = append(lines, v)
	}
	slices.SortFunc(lines, func(a, b versionLine) int { return cmp.Compare(a.Version, b.Version) })
	var foreign []versionLine
	for alias, to := range l.Foreign {
		foreign = append(foreign, versionLine{Name: name, Version: to.Version, In: string(to.In), Aliases: []string{alias}})
	}
	slices.SortFunc(foreign, func(a, b versionLine) int { return cmp.Compare(a.Aliases[0], b.Aliases[0]) })
	lines = append(lines, foreign...)
	if a.json {
		return a.printJSON(lines)
	}
	if l.Warning != "" {
		fmt.Fprintf(a.err, "artifactfs: %s: %s\n", clean(name), clean(l.Warning))
	}
	below, err := k.src.Names(ctx, name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	a.printVersions(lines, below, long)
	return nil
}

func newVersionLine(name string, n int, l *manifest.Listing) versionLine {
	v := versionLine{Name: name, Version: n, Retired: slices.Contains(l.Retired, n)}
	if n == l.Latest {
		v.Aliases = append(v.Aliases, manifest.Latest)
	}
	for alias, at := range l.Aliases {
		if at == n {
			v.Aliases = append(v.Aliases, alias)
		}
	}
	slices.Sort(v.Aliases)
	return v
}

// printVersions prints versions, and after them the names that nest below.
func (a *app) printVersions(lines []versionLine, below []string, long bool) {
	header := []string{"version", "aliases"}
	if long {
		header = append(header, "type", "created", "producer", "path")
	}
	var rows [][]string
	for _, v := range lines {
		notes := v.Aliases
		if v.Retired {
			notes = append(notes, "retired")
		}
		row := []string{manifest.Target{Version: v.Version, In: manifest.Numbering(v.In)}.String(), strings.Join(notes, ",")}
		if long {
			row = append(row, v.Type, v.Created, v.Producer, v.Path)
		}
		rows = append(rows, row)
	}
	for _, b := range below {
		if manifest.CheckName(b) == nil {
			rows = append(rows, []string{b + "/"})
		}
	}
	grid(a.out, header, rows)
}
