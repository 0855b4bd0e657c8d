package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"syscall"
	"time"

	"artifactfs.dev/artifactfs/manifest"
	"artifactfs.dev/artifactfs/resolver"
)

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

func vN(n int) string { return manifest.Version(n).String() }

// orNil leaves a version out of JSON where there is none.
func orNil(n int) *int {
	if n == manifest.NoVersion {
		return nil
	}
	return &n
}

func maybeVN(n *int) string {
	if n == nil {
		return ""
	}
	return vN(*n)
}
