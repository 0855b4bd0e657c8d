package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"artifactfs.dev/artifactfs/cmd/artifactfs/rewrite"
	"artifactfs.dev/artifactfs/manifest"
	"artifactfs.dev/artifactfs/resolver"
)

// defaultMount is where configs look for artifacts if nothing says where they are.
const defaultMount = "/mnt/artifacts"

func (a *app) rewriteCmd() *cobra.Command {
	var pin, check bool
	var at string
	c := &cobra.Command{
		Use:   "rewrite CONFIG.yaml",
		Short: "Print a YAML config with ${art:KEY,path} replaced by mounted paths",
		Long: `Print a YAML config with each ${art:KEY,path} replaced by the path where a mount shows that
version, and every other ${art:KEY,FIELD} by its value. KEY is an entry of the config's run:
that holds a reference. Everything else, comments and order too, stays as it is. CONFIG.yaml
may be -, which is standard input.

Paths lead through the reference as it is written, so that NAME:latest is what is latest for the
job that reads it; --pin names the version that it is now. Fields are always those of now.

A mount is looked for that shows the configured store; without one, paths begin with ` + defaultMount + `.
If anything cannot be resolved, nothing is printed but what, and the exit code is 1; with --check
nothing is printed otherwise either.`,
		Args: args(1, 1, "a YAML file"),
		RunE: func(c *cobra.Command, args []string) error {
			if at != "" && !filepath.IsAbs(at) {
				return usagef("rewrite: --at %s is no absolute path: a job may start anywhere", at)
			}
			k, plain, err := a.open(args)
			if err != nil {
				return err
			}
			src, err := a.readInput(plain[0])
			if err != nil {
				return err
			}
			cfg, err := rewrite.Parse(src)
			if err != nil {
				return fmt.Errorf("%s: %w", plain[0], err)
			}
			if at == "" {
				at = a.mountOf(k)
			}
			m := &meanings{ctx: c.Context(), k: k, runs: cfg.Runs(), at: strings.TrimRight(at, "/"), pinned: pin, known: map[string]*meaning{}}
			out, problems := cfg.Rewrite(m.value, m.refs(check))
			for _, key := range m.keys() {
				for _, w := range m.known[key].warnings() {
					fmt.Fprintf(a.err, "artifactfs: %s\n", clean(w))
				}
			}
			return a.printRewritten(plain[0], out, problems, check)
		},
	}
	c.Flags().BoolVar(&pin, "pin", false, "name versions by number, in paths and in run:")
	c.Flags().BoolVar(&check, "check", false, "print nothing; exit 1 and say what cannot be resolved, if anything")
	c.Flags().StringVar(&at, "at", "", "the mount's `DIR` on the nodes of the job")
	_ = c.MarkFlagDirname("at")
	return c
}

// readInput reads a file, or what is piped in for -.
func (a *app) readInput(name string) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(a.in)
	}
	return os.ReadFile(name)
}

// mountOf is the mount that is meant by --mount, else one here of the same store.
func (a *app) mountOf(k *core) string {
	if a.at != "" {
		return a.at
	}
	if dirs := mountsOf(k.cfg); len(dirs) > 0 {
		return dirs[0]
	}
	return defaultMount
}

func (a *app) printRewritten(name string, out []byte, problems []rewrite.Problem, check bool) error {
	if a.json {
		list := make([]manifest.Object, len(problems))
		for i, p := range problems {
			list[i] = manifest.Object{{Key: "line", Value: p.Line}, {Key: "text", Value: p.Text}, {Key: "error", Value: p.Err.Error()}}
		}
		doc := manifest.Object{{Key: "problems", Value: anys(list)}}
		if !check {
			doc = append(doc, manifest.Member{Key: "config", Value: orNull(out, problems)})
		}
		if _, err := fmt.Fprintf(a.out, "%s\n", manifest.AppendJSON(nil, doc, 2)); err != nil {
			return err
		}
	} else {
		for _, p := range problems {
			fmt.Fprintf(a.err, "artifactfs: %s:%s\n", clean(name), strings.TrimPrefix(oneLine(p), "line "))
		}
	}
	if len(problems) > 0 {
		return errSilent
	}
	if check || a.json {
		return nil
	}
	_, err := a.out.Write(out)
	return ignorePipe(err)
}

func anys(list []manifest.Object) []any {
	out := make([]any, len(list))
	for i, o := range list {
		out[i] = o
	}
	return out
}

func orNull(out []byte, problems []rewrite.Problem) any {
	if len(problems) > 0 {
		return nil
	}
	return string(out)
}

// meanings is what the references of one config mean. Each is resolved once, so that
// every use of it speaks of one version.
type meanings struct {
	ctx    context.Context
	k      *core
	runs   []rewrite.Run
	at     string
	pinned bool
	known  map[string]*meaning
}

type meaning struct {
	ref manifest.Ref
	v   *resolver.Version
	err error
}

func (m *meaning) warnings() []string {
	if m.v == nil {
		return nil
	}
	return m.v.Warnings
}

// keys are those that were used, in the order of run:.
func (m *meanings) keys() []string {
	var out []string
	for _, r := range m.runs {
		if m.known[r.Key] != nil {
			out = append(out, r.Key)
		}
	}
	return out
}

// resolve finds out what a key of run: means.
func (m *meanings) resolve(key string) *meaning {
	if known := m.known[key]; known != nil {
		return known
	}
	var out meaning
	var names []string
	found := false
	for _, r := range m.runs {
		if r.Detected {
			names = append(names, r.Key)
		}
		if r.Key == key {
			found = true
			if out.ref, out.err = manifest.ParseRef(r.Ref); out.err == nil {
				out.v, out.err = m.k.tree.Resolve(m.ctx, out.ref)
			}
		}
	}
	switch {
	case !found && len(names) == 0:
		return &meaning{err: fmt.Errorf("run: holds no reference, such as %s: NAME:latest: %w", key, fs.ErrNotExist)}
	case !found:
		return &meaning{err: fmt.Errorf("run: has no reference %q; it has %s: %w", key, strings.Join(names, ", "), fs.ErrNotExist)}
	}
	m.known[key] = &out
	return &out
}

// value is what a use becomes.
func (m *meanings) value(u rewrite.Use) (any, error) {
	r := m.resolve(u.Key)
	if r.err != nil {
		return nil, r.err
	}
	if u.Field == "path" {
		return m.path(r)
	}
	v, err := r.v.Record.Field(u.Field, vN(r.v.N))
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w; it has %s", err, strings.Join(fieldNames(r.v), ", "))
	}
	return v, err
}

// path is where a mount shows what a reference names.
func (m *meanings) path(r *meaning) (string, error) {
	alias := ""
	if _, number := r.ref.Number(); !number && !m.pinned {
		alias = r.ref.Version
	}
	path, err := m.k.tree.Shown(m.ctx, r.v, r.ref.In, alias)
	if err != nil {
		return "", err
	}
	if r.ref.Sub != "" {
		path += "/" + r.ref.Sub
	}
	return m.at + "/" + path, nil
}

// refs is what becomes of run:'s references. Upstream resolves each when the job begins,
// so that with --check one that nothing uses has to be there too.
func (m *meanings) refs(check bool) func(rewrite.Run) (string, error) {
	if !m.pinned && !check {
		return nil
	}
	return func(run rewrite.Run) (string, error) {
		if !run.Detected && m.known[run.Key] == nil {
			return run.Ref, nil
		}
		r := m.resolve(run.Key)
		switch {
		case r.err == nil && m.pinned:
			return r.v.String(), nil
		case r.err != nil && (check || !errors.Is(r.err, fs.ErrNotExist) && !errors.Is(r.err, fs.ErrInvalid)):
			return "", r.err
		}
		return run.Ref, nil
	}
}
