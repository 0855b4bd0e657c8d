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
	"syscall"
	"time"

	"github.com/jedib0t/go-pretty/v6/list"
	"github.com/spf13/cobra"

	"artifactfs.dev/artifactfs/manifest"
	"artifactfs.dev/artifactfs/resolver"
)

func (a *app) lsCmd() *cobra.Command {
	var long bool
	c := &cobra.Command{
		Use:               "ls [NAME | NAME:VERSION[/PATH] | DIR]",
		Short:             "List artifacts, an artifact's versions, or what is in a version",
		Args:              args(0, 1, "at most one reference"),
		ValidArgsFunction: a.completeRef,
		RunE: func(c *cobra.Command, args []string) error {
			k, plain, err := a.open(args)
			if err != nil {
				return err
			}
			path := ""
			if len(plain) == 1 {
				if path, err = treePath(plain[0]); err != nil {
					return err
				}
			}
			return a.ls(c.Context(), k, path, long)
		},
	}
	c.Flags().BoolVarP(&long, "long", "l", false, "with types, times and paths")
	return c
}

// treePath is where an argument of ls or cat lies in the tree: a path in a mount,
// or a reference, whose version follows a colon; without one it is a path as well.
func treePath(arg string) (string, error) {
	if path, ok := inMount(arg); ok {
		return path, nil
	}
	if !strings.Contains(arg, ":") {
		return strings.Trim(arg, "/"), nil
	}
	r, err := manifest.ParseRef(arg)
	if err != nil {
		return "", err
	}
	return strings.TrimSuffix(r.Name+"/"+r.Version+"/"+r.Sub, "/"), nil
}

// ls finds out what path is: the root, an artifact or a prefix of some, or data.
func (a *app) ls(ctx context.Context, k *core, path string, long bool) error {
	if k.cfg.Disabled != "" {
		return fmt.Errorf("tracking is fully disabled by %s: there is nothing to list", k.cfg.Disabled)
	}
	if path != "" && manifest.CheckName(path) != nil { // a view, a version, what is in one
		return a.lsEntries(ctx, k, path, long)
	}
	if path != "" {
		l, err := k.dir.Versions(ctx, path)
		if err == nil && len(l.Claimed)+len(l.Versions) > 0 {
			return a.lsVersions(ctx, k, path, l, long)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	p := startProgress(a.err, "artifacts")
	arts, err := k.artifacts(ctx, path, long || a.json, p.add)
	p.end()
	if err != nil {
		return err
	}
	if path != "" && len(arts) == 0 {
		return a.lsEntries(ctx, k, path, long)
	}
	return a.lsArtifacts(arts, long)
}

// artifact is one line of ls.
type artifact struct {
	Name     string         `json:"name"`
	Latest   int            `json:"latest,omitempty"`
	Versions []int          `json:"versions"`
	Aliases  map[string]int `json:"aliases,omitempty"`
	Retired  []int          `json:"retired,omitempty"`
	Warning  string         `json:"warning,omitempty"`
	Type     string         `json:"type,omitempty"`
	Path     string         `json:"path,omitempty"`
	Created  string         `json:"created_at,omitempty"`
}

// artifacts lists every artifact below prefix, however deep names nest. A listing
// costs a directory read each, which on network storage is worth doing in parallel.
func (k *core) artifacts(ctx context.Context, prefix string, records bool, found func()) ([]artifact, error) {
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
			found()
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
	slices.SortFunc(out, func(a, b artifact) int { return cmp.Compare(a.Name, b.Name) })
	return out, first
}

// look reads one name: the artifact, if it is one, and the names below it.
func (k *core) look(ctx context.Context, name string, records bool) (*artifact, []string, error) {
	var art *artifact
	if name != "" {
		l, err := k.dir.Versions(ctx, name)
		switch {
		case err == nil && (len(l.Versions) > 0 || len(l.Retired) > 0):
			art = newArtifact(name, l)
			if records && l.Latest != 0 {
				if r, err := k.dir.Manifest(ctx, name, l.Latest); err == nil {
					art.Type, art.Path, art.Created = r.Manifest.Type, r.Manifest.Path, r.Manifest.CreatedAt
				}
			}
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return nil, nil, err
		}
	}
	below, err := k.dir.Names(ctx, name)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	below = slices.DeleteFunc(below, func(n string) bool { return manifest.CheckName(n) != nil })
	return art, below, err
}

func newArtifact(name string, l *manifest.Listing) *artifact {
	art := &artifact{Name: name, Latest: l.Latest, Versions: l.Versions, Aliases: l.Aliases, Retired: l.Retired, Warning: l.Warning}
	if art.Versions == nil {
		art.Versions = []int{}
	}
	return art
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
			rows = append(rows, []string{art.Name, vN(art.Latest), fmt.Sprint(len(art.Versions)), art.Type, art.Created, art.Path})
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
		if art.Latest != 0 {
			text += "  " + vN(art.Latest)
		}
		l.AppendItem(text)
	}
	if len(arts) > 0 {
		fmt.Fprintln(a.out, l.Render())
	}
}

// version is one line of ls NAME.
type versionLine struct {
	Name     string   `json:"name"`
	Version  int      `json:"version"`
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
		v := versionLine{Name: name, Version: n, Retired: slices.Contains(l.Retired, n)}
		if v.Retired && !long && !a.json {
			continue
		}
		if n == l.Latest {
			v.Aliases = append(v.Aliases, manifest.Latest)
		}
		for alias, at := range l.Aliases {
			if at == n {
				v.Aliases = append(v.Aliases, alias)
			}
		}
		slices.Sort(v.Aliases)
		if r, err := k.dir.Manifest(ctx, name, n); long || a.json {
			if err != nil {
				fmt.Fprintf(a.err, "artifactfs: %s:v%d: %v\n", clean(name), n, err)
			} else {
				v.Type, v.Created, v.Producer, v.Path = r.Manifest.Type, r.Manifest.CreatedAt, r.Manifest.Producer, r.Manifest.Path
			}
		}
		lines = append(lines, v)
	}
	slices.SortFunc(lines, func(a, b versionLine) int { return cmp.Compare(a.Version, b.Version) })
	below, err := k.dir.Names(ctx, name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if a.json {
		return a.printJSON(lines)
	}
	if l.Warning != "" {
		fmt.Fprintf(a.err, "artifactfs: %s: %s\n", clean(name), clean(l.Warning))
	}
	var rows [][]string
	for _, v := range lines {
		notes := strings.Join(v.Aliases, ",")
		if v.Retired {
			notes = strings.TrimPrefix(notes+",retired", ",")
		}
		row := []string{vN(v.Version), notes}
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
	header := []string{"version", "aliases"}
	if long {
		header = append(header, "type", "created", "producer", "path")
	}
	grid(a.out, header, rows)
	return nil
}

// fileLine is one line of ls NAME:VERSION.
type fileLine struct {
	Name  string    `json:"name"`
	Type  string    `json:"type"`
	Size  int64     `json:"size"`
	Mtime time.Time `json:"mtime,omitzero"`
}

// lsEntries lists a directory of the tree, as the mount would show it.
func (a *app) lsEntries(ctx context.Context, k *core, path string, long bool) error {
	e, err := k.walk(ctx, path)
	if err != nil {
		return err
	}
	lines := []fileLine{}
	d, ok := e.Node.(resolver.Dir)
	if !ok {
		lines = append(lines, newFileLine(path, e))
	} else {
		entries, err := d.ReadDir(ctx)
		if err != nil {
			return err
		}
		for _, de := range entries {
			line := fileLine{Name: de.Name, Type: typeName(de.Mode)}
			if long || a.json {
				if e, err := d.Lookup(ctx, de.Name); err == nil {
					line = newFileLine(de.Name, e)
				}
			}
			lines = append(lines, line)
		}
	}
	slices.SortFunc(lines, func(a, b fileLine) int { return cmp.Compare(a.Name, b.Name) })
	if a.json {
		return a.printJSON(lines)
	}
	var rows [][]string
	for _, l := range lines {
		name := l.Name
		if l.Type == "dir" {
			name += "/"
		}
		if long {
			rows = append(rows, []string{fmt.Sprint(l.Size), l.Mtime.Local().Format(time.DateTime), name})
		} else {
			fmt.Fprintln(a.out, clean(name))
		}
	}
	if long {
		grid(a.out, []string{"size", "modified", "name"}, rows)
	}
	return nil
}

func newFileLine(name string, e resolver.Entry) fileLine {
	return fileLine{Name: name, Type: typeName(e.Attr.Mode), Size: e.Attr.Size, Mtime: e.Attr.Mtime}
}

func typeName(mode uint32) string {
	switch mode & syscall.S_IFMT {
	case syscall.S_IFDIR:
		return "dir"
	case syscall.S_IFLNK:
		return "link"
	case syscall.S_IFREG:
		return "file"
	}
	return "other"
}

// walk is tree.Walk with a link at the end followed: ls NAME/latest means v2.
func (k *core) walk(ctx context.Context, path string) (resolver.Entry, error) {
	e, err := k.tree.Walk(ctx, path)
	if err != nil {
		return e, err
	}
	if _, ok := e.Node.(resolver.Link); ok {
		return k.tree.Walk(ctx, path+"/.")
	}
	return e, nil
}

func vN(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("v%d", n)
}
