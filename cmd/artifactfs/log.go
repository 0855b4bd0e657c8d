package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"artifactfs.dev/artifactfs/manifest"
	"artifactfs.dev/artifactfs/resolver"
)

// logFlags are the parts of a log request that have a flag.
type logFlags struct {
	typ       string
	set       []string
	used      []string
	inputs    []string
	aliases   []string
	iteration int
	requestID string
	jsonFile  string
	noCheck   bool
	noWait    bool
}

func (a *app) logCmd() *cobra.Command {
	var l logFlags
	c := &cobra.Command{
		Use:   "log NAME [PATH]",
		Short: "Log the data at PATH as a new version of NAME",
		Example: `  artifactfs log nano3-sft-data /lustre/out/splits --type SFTDataArtifact --set pack_size=4096
  artifactfs log nano3-sft-data --json-file metadata.json`,
		Args:              args(1, 2, "a name and a path"),
		ValidArgsFunction: a.completeRef,
		RunE: func(c *cobra.Command, args []string) error {
			plain, _ := splitArgs(args)
			o, err := l.object(a.in, plain, c.Flags().Changed("iteration"))
			if err != nil {
				return err
			}
			k, plain, err := a.open(args)
			if err != nil {
				return err
			}
			d, err := doorTo(c.Context(), k, a.at)
			if err != nil {
				return fmt.Errorf("log of %s: %w", plain[0], err)
			}
			if l.used, err = k.numbered(c.Context(), l.used, d); err != nil {
				return err
			}
			if len(l.used) > 0 {
				o.Set("used_artifacts", l.used)
			}
			return a.log(c, k, d, plain[0], manifest.AppendJSON(nil, o, 0), resolver.LogOptions{NoCheck: l.noCheck}, l.noWait)
		},
	}
	f := c.Flags()
	f.StringVar(&l.typ, "type", "", "the artifact's type, such as SFTDataArtifact")
	f.StringArrayVar(&l.set, "set", nil, "a field, `KEY=VALUE`; the value is JSON if it can be, else text")
	f.StringArrayVar(&l.used, "used", nil, "an artifact that this one was made from, `REF`; latest is recorded as the version that it is now")
	f.StringArrayVar(&l.inputs, "input", nil, "data that this one was made from, `URI`")
	f.StringArrayVar(&l.aliases, "alias", nil, "a further name for the version")
	f.IntVar(&l.iteration, "iteration", 0, "this is a model checkpoint of that iteration")
	f.StringVar(&l.requestID, "request-id", "", "a second request with this `ID` gives the first one's version")
	f.StringVar(&l.jsonFile, "json-file", "", "a JSON object to start from, as .log takes it; - is standard input")
	f.BoolVar(&l.noCheck, "no-check", false, "do not look whether PATH is there and readable")
	f.BoolVar(&l.noWait, "no-wait", false, "do not wait for W&B: what is logged there too is on its way")
	return c
}

// numbered replaces latest and aliases by the versions that they name now: what a
// version was made from does not change afterwards.
func (k *core) numbered(ctx context.Context, refs []string, d *door) ([]string, error) {
	var out []string
	for _, arg := range refs {
		ref, err := parseRefArg(arg)
		if err != nil {
			return nil, usagef("--used: %v", err)
		}
		if _, ok := ref.Number(); !ok {
			if d != nil {
				ref.Version, err = d.version(ref)
			} else {
				var v *resolver.Version
				if v, err = k.tree.Resolve(ctx, ref); err == nil {
					ref = v.Ref()
				}
			}
			if err != nil {
				return nil, fmt.Errorf("--used %s: %w", arg, err)
			}
		}
		out = append(out, ref.String())
	}
	return out, nil
}

// object makes of the flags the JSON that .log takes, so that both doors mean the
// same by every key; what the version was made from as it was written.
func (l *logFlags) object(in io.Reader, args []string, hasIteration bool) (manifest.Object, error) {
	var o manifest.Object
	if l.jsonFile != "" {
		var err error
		if o, err = readObject(in, l.jsonFile); err != nil {
			return nil, err
		}
	}
	if len(args) == 2 {
		path, err := absolute(args[1])
		if err != nil {
			return nil, err
		}
		o.Set("path", path)
	} else if _, ok := o.Get("path"); !ok {
		return nil, usagef("log expects a name and a path, or a path in --json-file")
	}
	if hasIteration && l.typ != "" && l.typ != "model" {
		return nil, usagef("--iteration makes this a checkpoint, of type model, and --type says %s; a field of that type is --set iteration=%d", l.typ, l.iteration)
	}
	if l.typ != "" {
		o.Set("type", l.typ)
	}
	for key, list := range map[string][]string{"used_artifacts": l.used, "inputs": l.inputs, "aliases": l.aliases} {
		if len(list) > 0 {
			o.Set(key, list)
		}
	}
	if hasIteration {
		o.Set("iteration", l.iteration)
	}
	if l.requestID != "" {
		o.Set("request_id", l.requestID)
	}
	given := map[string]bool{
		"path": len(args) == 2, "type": l.typ != "", "iteration": hasIteration, "request_id": l.requestID != "",
		"used_artifacts": len(l.used) > 0, "inputs": len(l.inputs) > 0, "aliases": len(l.aliases) > 0,
	}
	for _, kv := range l.set {
		key, text, ok := strings.Cut(kv, "=")
		if !ok || key == "" {
			return nil, usagef("--set %q: write KEY=VALUE", kv)
		}
		if given[key] {
			return nil, usagef("--set %s: %s is given already, by its own argument or flag", kv, key)
		}
		o.Set(key, setValue(text))
	}
	return o, nil
}

// setValue is JSON where that is what it reads as, else text: 4096 is a number
// and /lustre/a needs no quotes.
func setValue(text string) any {
	v, err := manifest.ParseJSON([]byte(text))
	if n, ok := v.(manifest.Number); err != nil || ok && !n.Finite() {
		return text
	}
	return v
}

func readObject(in io.Reader, file string) (manifest.Object, error) {
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, manifest.MaxRequest+1))
	if err != nil {
		return nil, err
	}
	if len(b) > manifest.MaxRequest {
		return nil, fmt.Errorf("%s: longer than a request may be (%d bytes)", file, manifest.MaxRequest)
	}
	v, err := manifest.ParseJSON(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	o, ok := v.(manifest.Object)
	if !ok {
		return nil, fmt.Errorf("%s: not a JSON object", file)
	}
	return o, nil
}

// absolute makes a path absolute and leaves a URI as it is, and what is empty.
func absolute(path string) (string, error) {
	if manifest.IsURI(path) || path == "" { // "$OUT", unset, is not this directory
		return path, nil
	}
	return filepath.Abs(path)
}

// log publishes, by the door where there is one, and prints the result.
func (a *app) log(c *cobra.Command, k *core, d *door, name string, text []byte, o resolver.LogOptions, noWait bool) error {
	r, err := manifest.FinishRequest(text)
	if err != nil {
		return err
	}
	var res *resolver.Result
	if d != nil {
		res, err = d.log(c.Context(), name, text, o, !noWait)
	} else {
		res, err = k.log(c.Context(), name, r, o)
	}
	if err != nil {
		return err
	}
	if !noWait {
		res.WandB = a.settle(c.Context(), k, d, res.WandB)
	}
	if res.Warning != "" {
		fmt.Fprintf(a.err, "artifactfs: %s\n", clean(res.Warning))
	}
	var failed error
	if res.Version == 0 && res.WandB != nil && res.WandB.State == manifest.PushFailed {
		failed = errSilent // it is nowhere
	}
	if a.json {
		return errors.Join(a.printJSON(res), failed)
	}
	if res.New {
		near := ""
		if res.Near != "" {
			near = "; the nearest existing one is " + clean(res.Near)
		}
		fmt.Fprintf(a.err, "artifactfs: %s is a new artifact%s\n", clean(res.Name), near)
	}
	if !onTerminal(a.out) {
		fmt.Fprintln(a.out, strings.Join(logWords(c.Context(), k, res), "\t"))
	}
	a.completed(c.Context(), k, r, res)
	return failed
}

// log logs in this process, if paths mean here what they mean to the store's readers.
func (k *core) log(ctx context.Context, name string, r *manifest.Request, o resolver.LogOptions) (*resolver.Result, error) {
	path := strings.TrimPrefix(r.Path, "file://")
	if k.store != nil && filepath.IsAbs(path) {
		if err := sameAtHome(ctx, k, path); err != nil {
			return nil, fmt.Errorf("log of %s: %w", name, err)
		}
	}
	res, err := k.tree.Log(ctx, name, r, o)
	if err == nil {
		k.refreshMounts(name)
	}
	return res, err
}

// refreshMounts has the mounts of this store on this node look at it anew, where they
// would do so by themselves only when what they have read is old: a bucket's listings,
// and what this job sees as latest. They are not waited for.
func (k *core) refreshMounts(name string) {
	if k.at != nil || ownID() != "" {
		k.tellMounts(name)
	}
}

// tellMounts does so whatever they would do by themselves.
func (k *core) tellMounts(name string) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for _, dir := range mountsOf(k.cfg) {
			_ = os.WriteFile(filepath.Join(dir, ".artifactfs", "refresh"), []byte(name+"\n"), 0)
		}
	}()
	select {
	case <-done:
	case <-time.After(50 * time.Millisecond):
	}
}
