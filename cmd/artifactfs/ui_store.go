package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"slices"
	"unicode/utf8"

	"golang.org/x/sync/errgroup"

	"artifactfs.dev/artifactfs/cmd/artifactfs/ui"
	"artifactfs.dev/artifactfs/manifest"
	"artifactfs.dev/artifactfs/resolver"
)

// uiStore is what the page shows of a core. The core is in no job: a look at the page is
// no use of a version, and pins nothing.
type uiStore struct {
	k  *core
	at string // the only mount to speak of; "": all of this store
}

var _ ui.Store = (*uiStore)(nil)

// title says which stores the page shows.
func (s *uiStore) title() string {
	if s.k.src == nil {
		return "switched off by " + s.k.cfg.Disabled
	}
	return s.k.src.String()
}

func (s *uiStore) on() error {
	if s.k.src == nil {
		return fmt.Errorf("tracking is fully disabled by %s: there is nothing to show: %w", s.k.cfg.Disabled, fs.ErrNotExist)
	}
	return nil
}

func (s *uiStore) Artifacts(ctx context.Context, found func(ui.Artifact)) error {
	if err := s.on(); err != nil {
		return err
	}
	_, err := s.k.artifacts(ctx, "", false, func(art artifact) {
		a := ui.Artifact{Name: art.Name, Latest: art.latest(), Versions: len(art.Versions), Warning: art.Warning}
		for alias := range art.Aliases {
			a.Aliases = append(a.Aliases, alias)
		}
		for alias := range art.Foreign {
			if alias != manifest.Latest {
				a.Aliases = append(a.Aliases, alias)
			}
		}
		slices.Sort(a.Aliases)
		found(a)
	})
	return err
}

func (s *uiStore) Versions(ctx context.Context, name string, before, count int) (*ui.Versions, error) {
	if err := s.on(); err != nil {
		return nil, err
	}
	if err := manifest.CheckName(name); err != nil {
		return nil, err
	}
	l, err := s.k.src.Versions(ctx, name)
	if err != nil {
		return nil, err
	}
	all := slices.Concat(l.Versions, l.Retired)
	slices.SortFunc(all, func(a, b int) int { return b - a })
	out := &ui.Versions{Name: name, Total: len(all), Versions: []ui.VersionLine{}, Warning: l.Warning}
	if before == 0 {
		before = math.MaxInt
		out.Foreign, out.Below = foreignLines(l), s.below(ctx, name)
	}
	all = slices.DeleteFunc(all, func(n int) bool { return n >= before })
	if len(all) > count {
		all = all[:count]
		out.Next = all[len(all)-1]
	}
	out.Versions = s.lines(ctx, name, all, l)
	return out, nil
}

// lines reads the records of versions.
func (s *uiStore) lines(ctx context.Context, name string, all []int, l *manifest.Listing) []ui.VersionLine {
	out := make([]ui.VersionLine, len(all))
	var g errgroup.Group
	g.SetLimit(16)
	for i, n := range all {
		g.Go(func() error {
			v := newVersionLine(name, n, l)
			out[i] = ui.VersionLine{Version: vN(n), Aliases: v.Aliases, Retired: v.Retired}
			r, err := s.k.src.Manifest(ctx, name, n)
			if err != nil {
				out[i].Unread = err.Error()
				return nil
			}
			out[i].Type, out[i].Created, out[i].Producer = r.Manifest.Type, r.Manifest.CreatedAt, r.Manifest.Producer
			return nil
		})
	}
	_ = g.Wait()
	return out
}

func foreignLines(l *manifest.Listing) []ui.VersionLine {
	var out []ui.VersionLine
	for alias, to := range l.Foreign {
		out = append(out, ui.VersionLine{Version: vN(to.Version), In: string(to.In), Aliases: []string{alias}})
	}
	slices.SortFunc(out, func(a, b ui.VersionLine) int { return cmp.Compare(a.Aliases[0], b.Aliases[0]) })
	return out
}

// below are the names that nest below one; what cannot be listed is left out.
func (s *uiStore) below(ctx context.Context, name string) []string {
	var out []string
	names, _ := s.k.src.Names(ctx, name)
	for _, n := range names {
		if manifest.CheckName(n) == nil {
			out = append(out, name+"/"+n)
		}
	}
	return out
}

func (s *uiStore) Version(ctx context.Context, ref manifest.Ref) (*ui.Version, error) {
	v, err := s.k.tree.Resolve(ctx, ref)
	if err != nil {
		return nil, err
	}
	m := v.Record.Manifest
	out := &ui.Version{
		Name: v.Name, Version: vN(v.N), In: string(v.Target().In), Job: s.k.tree.LoggedIn(ctx, v), Type: m.Type, Created: m.CreatedAt, Producer: m.Producer, Path: m.Path,
		Record: recordOf(v.Record), Inputs: m.Inputs, Used: m.UsedArtifacts, Fields: []ui.Field{}, Warnings: v.Warnings,
	}
	if shown, err := s.k.tree.Data(ctx, v); err == nil && shown.Base != m.Path {
		out.Data = shown.Base
	} else if err != nil && (m.Path != "" || !errors.Is(err, errors.ErrUnsupported)) { // else its files are W&B's own
		out.Missing = err.Error()
	}
	if out.In == "" {
		if l, err := s.k.src.Versions(ctx, v.Name); err == nil {
			line := newVersionLine(v.Name, v.N, l)
			out.Aliases, out.Retired = line.Aliases, line.Retired
		}
	}
	for _, f := range v.Record.Fields(vN(v.N)) {
		out.Fields = append(out.Fields, uiField(f))
	}
	return out, nil
}

// mostText is how much of one field a page shows.
const mostText = 64 << 10

func uiField(f manifest.Member) ui.Field {
	text := string(manifest.FieldText(f.Value))
	out := ui.Field{Key: f.Key, Text: text[:len(text)-1]} // without the newline
	switch f.Value.(type) {
	case manifest.Object, []any, []string:
		out.JSON = true
	}
	if len(out.Text) > mostText {
		end := mostText
		for !utf8.RuneStart(out.Text[end]) {
			end--
		}
		out.Cut = len(out.Text) - end
		out.Text = out.Text[:end]
	}
	return out
}

func (s *uiStore) Lineage(ctx context.Context, ref manifest.Ref, o resolver.LineageOptions) (*resolver.Lineage, error) {
	return s.k.tree.Lineage(ctx, ref, o)
}

// Status is the status of the mounts of this store, or of the store alone where there are
// none.
func (s *uiStore) Status(ctx context.Context) (any, error) {
	dirs := []string{s.at}
	if s.at == "" {
		dirs = mountsOf(s.k.cfg)
	}
	docs := []*statusDoc{}
	for _, dir := range dirs {
		if d := gatherStatus(dir); d != nil {
			docs = append(docs, d)
		}
	}
	if len(docs) > 0 {
		return docs, nil
	}
	d := s.k.status(ctx)
	d.State = "not mounted"
	if s.k.push != nil {
		d.Outbox, _ = s.k.push.List()
	}
	return append(docs, d), nil
}
