package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"artifactfs.dev/artifactfs/manifest"
	"artifactfs.dev/artifactfs/resolver"
)

// verifyFlags are verify's own.
type verifyFlags struct {
	watch   bool
	record  bool
	digests bool
	every   time.Duration
}

func (a *app) verifyCmd() *cobra.Command {
	var f verifyFlags
	c := &cobra.Command{
		Use:   "verify [NAME[:VERSION]...]",
		Short: "Compare versions with what was recorded when they were logged",
		Long: `Compare every version, or those named, with what is recorded of it: that its record can be
read, that its data is where it was logged, is the same directory with the same files (by
name, size and time of change), and that the files its record names are there. Data behind a
URI is listed, and compared by name, size and what the store names its content by (an ETag, a
generation, a digest). Of what W&B has, also that each file is there and as long as W&B has
recorded; with --digests it is read, where W&B has a digest of its content (references that
were logged without checksums have none). Without --digests no data is read. It works on the
store; no mount is needed.

  ok           the data is what was logged
  unknown      it is there, and nothing was recorded to compare it with: versions that
               upstream's own code logged, and data too large to look at then;
               --record looks at them now
  missing      it is gone, or was moved
  changed      it is another directory, or other files are in it
  broken       the record cannot be read
  incomplete   a number that a log took without coming to an end; harmless
  unreachable  no answer, or no permission

It exits with 1 if anything is missing, changed, broken or unreachable.`,
		Args:              args(0, 1<<20, "references"),
		ValidArgsFunction: a.completeRef,
		RunE: func(c *cobra.Command, args []string) error {
			switch {
			case c.Flags().Changed("every") && !f.watch:
				return usagef("--every says how often --watch looks; without it verify looks once")
			case f.record && f.watch:
				return usagef("--record and --watch: record first, then watch")
			case f.watch && f.every < time.Second:
				return usagef("--every %v: a second at least", f.every)
			}
			k, plain, err := a.open(args)
			if err != nil {
				return err
			}
			if k.src == nil {
				return fmt.Errorf("tracking is fully disabled by %s: there is nothing to verify", k.cfg.Disabled)
			}
			if f.watch {
				return a.verifyWatch(c.Context(), k, plain, f)
			}
			return a.verifyOnce(c.Context(), k, plain, f)
		},
	}
	c.Flags().BoolVar(&f.watch, "watch", false, "go on, and print what changes; until SIGINT or SIGTERM")
	c.Flags().BoolVar(&f.record, "record", false, "record what unknown versions hold now, to be compared with from then on")
	c.Flags().BoolVar(&f.digests, "digests", false, "read the files of which digests are recorded, and compare them")
	c.Flags().DurationVar(&f.every, "every", 10*time.Minute, "how often to look, with --watch")
	return c
}

func (a *app) verifyOnce(ctx context.Context, k *core, refs []string, f verifyFlags) error {
	found, err := a.verify(ctx, k, refs, f)
	if err != nil {
		return err
	}
	wrong := false
	for _, v := range found {
		wrong = wrong || v.State.Wrong()
	}
	if a.json {
		err = a.printJSON(found)
	} else {
		grid(a.out, []string{"version", "state", "what"}, verifyRows(found))
	}
	if err == nil && wrong {
		return errSilent
	}
	return err
}

func verifyRows(found []*resolver.Verified) [][]string {
	var rows [][]string
	for _, v := range found {
		rows = append(rows, []string{v.Name + ":" + vN(v.Version), string(v.State), strings.Join(v.What, "; ")})
	}
	return rows
}

// verifyWatch prints what is wrong, and then what changes, one line each.
func (a *app) verifyWatch(ctx context.Context, k *core, refs []string, f verifyFlags) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	before := map[string]string{}
	tick := time.NewTicker(f.every)
	defer tick.Stop()
	for first := true; ; first = false {
		found, err := a.verify(ctx, k, refs, f)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil { // a store that is away comes back
			fmt.Fprintf(a.err, "artifactfs: %s\n", oneLine(err))
		}
		for _, v := range found {
			key, now := v.Name+":"+vN(v.Version), string(v.State)+strings.Join(v.What, "; ")
			if old, known := before[key]; known && old != now || !known && (v.State.Wrong() || !first) {
				if err := a.printChange(v); err != nil {
					return err
				}
			}
			before[key] = now
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			k.tree.Refresh()
		}
	}
}

func (a *app) printChange(v *resolver.Verified) error {
	now := time.Now()
	if a.json {
		return json.NewEncoder(a.out).Encode(struct {
			At time.Time `json:"at"`
			*resolver.Verified
		}{now, v})
	}
	_, err := fmt.Fprintf(a.out, "%s\t%s:v%d\t%s\t%s\n", now.Format(time.DateTime), clean(v.Name), v.Version, v.State, clean(strings.Join(v.What, "; ")))
	return err
}

// verify looks at all versions that refs name; none is all there are. With record
// it records the content of those that cannot be compared with anything.
func (a *app) verify(ctx context.Context, k *core, refs []string, f verifyFlags) ([]*resolver.Verified, error) {
	what := "versions verified"
	if f.digests {
		what = "MiB verified"
	}
	p := startProgress(a.err, what)
	defer p.end()
	var read atomic.Int64
	o := resolver.VerifyOptions{Digests: f.digests, Read: func(n int64) { p.n.Store(read.Add(n) >> 20) }}
	todo, err := k.versionsOf(ctx, refs)
	if err != nil {
		return nil, err
	}
	found := make([]*resolver.Verified, len(todo))
	var wg sync.WaitGroup
	slots := make(chan struct{}, 16) // file servers answer many at a time
	for i, v := range todo {
		slots <- struct{}{}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		wg.Go(func() {
			defer func() { <-slots }()
			found[i] = k.tree.Verify(ctx, v.name, v.n, o)
			if f.record && found[i].State == resolver.Unknown {
				if err := k.tree.RecordContent(ctx, v.name, v.n); err != nil {
					found[i].What = append(found[i].What, "not recorded: "+oneLine(err))
				} else {
					found[i] = k.tree.Verify(ctx, v.name, v.n, o)
				}
			}
			if !f.digests {
				p.add()
			}
		})
	}
	wg.Wait()
	return found, nil
}

// oneVersion names a version of the store.
type oneVersion struct {
	name string
	n    int
}

// versionsOf lists what refs name: NAME is all its versions, and those of the
// names that go on from it.
func (k *core) versionsOf(ctx context.Context, refs []string) ([]oneVersion, error) {
	if len(refs) == 0 {
		return k.versionsBelow(ctx, "")
	}
	var out []oneVersion
	for _, arg := range refs {
		ref, err := parseRefArg(arg)
		if err != nil {
			return nil, err
		}
		if ref.Sub != "" {
			return nil, usagef("%s: a version is verified as a whole, not a path in it", arg)
		}
		if strings.HasPrefix(arg, "/") || strings.Contains(strings.TrimPrefix(arg, "art://"), ":") {
			if n, ok := ref.Number(); ok { // its record may be broken
				l, err := k.tree.Listing(ctx, ref)
				if errors.Is(err, fs.ErrNotExist) {
					return nil, err
				}
				if err == nil && !slices.Contains(slices.Concat(l.Versions, l.Retired, l.Claimed), int(n)) {
					return nil, fmt.Errorf("%s has no v%d, and that number has not been taken: %w", ref.Which(), n, fs.ErrNotExist)
				}
				out = append(out, oneVersion{ref.Which(), int(n)})
				continue
			}
			v, err := k.tree.Resolve(ctx, ref)
			if err != nil {
				return nil, err
			}
			out = append(out, oneVersion{v.Ref().Which(), v.N})
			continue
		}
		if ref.In != "" {
			l, err := k.tree.Listing(ctx, ref)
			if err != nil {
				return nil, err
			}
			out = append(out, allOf(ref.Which(), l)...)
			continue
		}
		below, err := k.versionsBelow(ctx, ref.Name)
		if err == nil && len(below) == 0 {
			_, err = k.tree.Resolve(ctx, ref)
		}
		if err != nil {
			return nil, err
		}
		out = append(out, below...)
	}
	return out, nil
}

func (k *core) versionsBelow(ctx context.Context, name string) ([]oneVersion, error) {
	arts, err := k.artifacts(ctx, name, false, func(artifact) {})
	if err != nil {
		return nil, err
	}
	var out []oneVersion
	for _, art := range arts {
		l, err := k.src.Versions(ctx, art.Name)
		if err != nil {
			return nil, err
		}
		out = append(out, allOf(art.Name, l)...)
	}
	slices.SortStableFunc(out, func(x, y oneVersion) int { return cmp.Compare(x.name, y.name) })
	return out, nil
}

// allOf are all numbers that an artifact has given.
func allOf(name string, l *manifest.Listing) []oneVersion {
	all := slices.Concat(l.Versions, l.Retired, l.Claimed)
	slices.Sort(all)
	var out []oneVersion
	for _, n := range slices.Compact(all) {
		out = append(out, oneVersion{name, n})
	}
	return out
}
