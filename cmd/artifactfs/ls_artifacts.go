package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"

	"github.com/jedib0t/go-pretty/v6/list"

	"artifactfs.dev/artifactfs/manifest"
)

// artifact is one line of ls.
type artifact struct {
	Name     string            `json:"name"`
	Latest   *int              `json:"latest,omitempty"`
	Versions []int             `json:"versions"`
	Aliases  map[string]int    `json:"aliases,omitempty"`
	Foreign  map[string]string `json:"foreign,omitempty"` // aliases of versions that only the other backend numbers
	Retired  []int             `json:"retired,omitempty"`
	Warning  string            `json:"warning,omitempty"`
	Type     string            `json:"type,omitempty"`
	Path     string            `json:"path,omitempty"`
	Created  string            `json:"created_at,omitempty"`
	silent   bool              // a backend did not answer, which is all that Warning says
}

// artifacts lists every artifact below prefix, however deep names nest: at once where
// the store can, else one by one. That costs a directory read each, which on network
// storage is worth doing in parallel. found is called with each, one at a time and
// perhaps before its record was read; with some of them twice.
func (k *core) artifacts(ctx context.Context, prefix string, records bool, found func(artifact)) ([]artifact, error) {
	if out, err := k.survey(ctx, prefix, records, found); !errors.Is(err, errors.ErrUnsupported) {
		return out, err
	}
	var (
		mu    sync.Mutex // guards out, first
		out   []artifact
		first error
		wg    sync.WaitGroup
		slots = make(chan struct{}, 16)
	)
	var visit func(name string)
	visit = func(name string) {
		defer wg.Done()
		slots <- struct{}{}
		art, below, err := k.look(ctx, name, records)
		<-slots
		mu.Lock()
		if art != nil {
			out = append(out, *art)
			found(*art)
		}
		if err != nil && first == nil {
			first = err
		}
		mu.Unlock()
		for _, n := range below {
			wg.Add(1)
			go visit(strings.TrimPrefix(name+"/"+n, "/"))
		}
	}
	wg.Add(1)
	go visit(prefix)
	wg.Wait()
	sortArtifacts(out)
	return out, first
}

func sortArtifacts(all []artifact) {
	slices.SortFunc(all, func(a, b artifact) int { return cmp.Compare(a.Name, b.Name) })
}

// look reads one name: the artifact, if it is one, and the names below it.
func (k *core) look(ctx context.Context, name string, records bool) (*artifact, []string, error) {
	var art *artifact
	if name != "" {
		l, err := k.src.Versions(ctx, name)
		switch {
		case err == nil && len(l.Versions)+len(l.Retired)+len(l.Foreign) > 0:
			l = k.tree.Frozen(ctx, name, l)
			art = newArtifact(name, l)
			if n, ok := l.Alias(manifest.Latest); ok && records {
				k.addRecord(ctx, art, n)
			}
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return nil, nil, err
		}
	}
	below, err := k.src.Names(ctx, name)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	below = slices.DeleteFunc(below, func(n string) bool { return manifest.CheckName(n) != nil })
	return art, below, err
}

func newArtifact(name string, l *manifest.Listing) *artifact {
	art := &artifact{Name: name, Latest: orNil(l.Latest), Versions: l.Versions, Aliases: l.Aliases, Foreign: foreignAliases(l), Retired: l.Retired, Warning: l.Warning, silent: l.Silent != nil}
	if art.Versions == nil {
		art.Versions = []int{}
	}
	return art
}

// foreignAliases spells what foreign aliases name: manifest:v3.
func foreignAliases(l *manifest.Listing) map[string]string {
	out := map[string]string{}
	for alias, to := range l.Foreign {
		out[alias] = to.String()
	}
	return out
}

func (art *artifact) latest() string {
	if art.Latest == nil {
		return art.Foreign[manifest.Latest]
	}
	return vN(*art.Latest)
}

func (a *app) lsArtifacts(arts []artifact, long bool) error {
	if a.json {
		if arts == nil {
			arts = []artifact{}
		}
		return a.printJSON(arts)
	}
	for _, art := range arts {
		if art.Warning != "" {
			fmt.Fprintf(a.err, "artifactfs: %s: %s\n", clean(art.Name), clean(art.Warning))
		}
	}
	switch {
	case long:
		var rows [][]string
		for _, art := range arts {
			rows = append(rows, []string{art.Name, art.latest(), fmt.Sprint(len(art.Versions)), art.Type, art.Created, art.Path})
		}
		grid(a.out, []string{"name", "latest", "versions", "type", "created", "path"}, rows)
	case onTerminal(a.out):
		a.lsTree(arts)
	default:
		for _, art := range arts {
			fmt.Fprintln(a.out, clean(art.Name))
		}
	}
	return nil
}

// lsTree draws names as they nest, with latest beside them.
func (a *app) lsTree(arts []artifact) {
	l := list.NewWriter()
	l.SetStyle(list.StyleConnectedLight)
	var open []string // the components that are indented
	for _, art := range arts {
		parts := strings.Split(art.Name, "/")
		dirs := parts[:len(parts)-1]
		same := 0
		for same < len(open) && same < len(dirs) && open[same] == dirs[same] {
			same++
		}
		for range open[same:] {
			l.UnIndent()
		}
		for _, d := range dirs[same:] {
			l.AppendItem(clean(d))
			l.Indent()
		}
		open = dirs
		text := clean(parts[len(parts)-1])
		if v := art.latest(); v != "" {
			text += "  " + v
		}
		l.AppendItem(text)
	}
	if len(arts) > 0 {
		fmt.Fprintln(a.out, l.Render())
	}
}
