package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"artifactfs.dev/artifactfs/manifest"
	"artifactfs.dev/artifactfs/resolver"
)

func (a *app) resolveCmd() *cobra.Command {
	var name string
	c := &cobra.Command{
		Use:               "resolve NAME[:VERSION][/PATH]",
		Short:             "Say what a reference means: its version, its data, its fields",
		Args:              args(1, 1, "one reference"),
		ValidArgsFunction: a.completeRef,
		RunE: func(c *cobra.Command, args []string) error {
			k, plain, err := a.open(args)
			if err != nil {
				return err
			}
			ref, err := parseRefArg(plain[0])
			if err != nil {
				return err
			}
			v, err := k.tree.Resolve(c.Context(), ref)
			if err != nil {
				return err
			}
			if err := checkInside(c.Context(), k, v, ref.Sub); err != nil {
				return err
			}
			for _, w := range v.Warnings {
				fmt.Fprintf(a.err, "artifactfs: %s\n", clean(w))
			}
			if name != "" {
				return a.printField(v, name)
			}
			return a.printVersion(c.Context(), k, v, ref)
		},
	}
	c.Flags().StringVar(&name, "field", "", "print one field only, as ${art:NAME,FIELD} would give it")
	return c
}

// checkInside fails if the version is there and holds no such path.
func checkInside(ctx context.Context, k *core, v *resolver.Version, path string) error {
	if path == "" {
		return nil
	}
	if _, err := k.tree.Data(ctx, v); err != nil && v.Record.Manifest.Path != "" {
		return nil // the data is not here: printVersion says why
	}
	_, err := k.tree.Inside(ctx, v, path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return err
	}
	return nil
}

// parseRefArg also takes a path inside a mount.
func parseRefArg(arg string) (manifest.Ref, error) {
	below, ok := inMount(arg)
	if !ok {
		return manifest.ParseRef(arg)
	}
	parts := strings.Split(below, "/")
	for i := 1; i < len(parts); i++ {
		// The name ends before the first component that reads as a version.
		if _, ok := manifest.ParseVersion(parts[i]); ok || parts[i] == manifest.Latest {
			name, version := strings.Join(parts[:i], "/"), parts[i]
			if in, _ := manifest.CutView(name); in != "" && i+1 < len(parts) && parts[i+1] == "data" {
				i++ // where a view has the data
			}
			return manifest.ParseRef(name + ":" + path.Join(append([]string{version}, parts[i+1:]...)...))
		}
	}
	return manifest.ParseRef(below)
}

func (a *app) printField(v *resolver.Version, name string) error {
	value, err := v.Record.Field(name, vN(v.N))
	if err != nil {
		return fmt.Errorf("%w; it has %s", err, strings.Join(fieldNames(v), ", "))
	}
	if a.json {
		_, err = fmt.Fprintf(a.out, "%s\n", manifest.AppendJSON(nil, value, 2))
		return err
	}
	_, err = a.out.Write(manifest.FieldText(value))
	return err
}

func fieldNames(v *resolver.Version) []string {
	var out []string
	for _, m := range v.Record.Fields(vN(v.N)) {
		out = append(out, m.Key)
	}
	return out
}

// printVersion prints the version, where its data lies, and its fields.
func (a *app) printVersion(ctx context.Context, k *core, v *resolver.Version, ref manifest.Ref) error {
	m := v.Record.Manifest
	path := m.Path
	if ref.Sub != "" {
		path = strings.TrimSuffix(path, "/") + "/" + ref.Sub
	}
	out := manifest.Object{
		{Key: "name", Value: v.Name},
		{Key: "version", Value: v.N},
		{Key: "path", Value: path},
		{Key: "type", Value: m.Type},
		{Key: "created_at", Value: m.CreatedAt},
		{Key: "producer", Value: m.Producer},
		{Key: "manifest", Value: recordOf(v.Record)},
	}
	if in := v.Ref().In; in != "" {
		out = append(out, manifest.Member{Key: "numbering", Value: string(in)})
	}
	if job := k.tree.LoggedIn(ctx, v); job != "" {
		out = append(out, manifest.Member{Key: "job", Value: job})
	}
	if shown, err := k.tree.Data(ctx, v); err == nil {
		if base := filepath.Join(shown.Base, ref.Sub); base != path {
			out = append(out, manifest.Member{Key: "data", Value: base})
		}
	} else if m.Path != "" || !errors.Is(err, errors.ErrUnsupported) { // without a path its files are W&B's own, and are read from there
		out = append(out, manifest.Member{Key: "missing", Value: err.Error()})
		if !a.json {
			fmt.Fprintf(a.err, "artifactfs: %s\n", oneLine(err))
		}
	}
	used, err := k.tree.MadeFrom(ctx, v)
	if err != nil {
		return err
	}
	for _, l := range []struct {
		key  string
		list []string
	}{{"inputs", m.Inputs}, {"used_artifacts", used}} {
		if len(l.list) > 0 || a.json {
			out = append(out, manifest.Member{Key: l.key, Value: append([]string{}, l.list...)})
		}
	}
	fields := manifest.Object{}
	for _, f := range v.Record.Fields(vN(v.N)) {
		if _, said := out.Get(f.Key); !said {
			fields = append(fields, f)
		}
	}
	if a.json {
		out = append(out, manifest.Member{Key: "fields", Value: fields})
		_, err := fmt.Fprintf(a.out, "%s\n", manifest.AppendJSON(nil, out, 2))
		return err
	}
	head, rest := section{}, section{Title: "fields"}
	for _, f := range out {
		head.Fields = append(head.Fields, field{f.Key, fieldLine(f.Key, f.Value)})
	}
	for _, f := range fields {
		rest.Fields = append(rest.Fields, field{f.Key, fieldLine(f.Key, f.Value)})
	}
	panel(a.out, v.String(), []section{head, rest})
	return nil
}

// fieldLine is a value on one line.
func fieldLine(key string, v any) string {
	switch v := v.(type) {
	case string:
		return v
	case int:
		if key == "version" {
			return vN(v)
		}
	case []string:
		return strings.Join(v, ", ")
	}
	return string(manifest.AppendJSON(nil, v, 0))
}

// recordOf says where a record lies: its manifest.json, or its page if it is W&B's,
// which has no such file.
func recordOf(r *manifest.Record) string {
	if strings.HasPrefix(r.Dir, "http://") || strings.HasPrefix(r.Dir, "https://") {
		return r.Dir
	}
	return strings.TrimRight(r.Dir, "/") + "/manifest.json"
}
