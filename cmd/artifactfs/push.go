package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"artifactfs.dev/artifactfs/manifest"
	"artifactfs.dev/artifactfs/resolver"
)

func (a *app) pushCmd() *cobra.Command {
	giveUp := false
	c := &cobra.Command{
		Use:   "push [NAME:vN...]",
		Short: "Log versions of the manifest store to W&B too, now",
		Long: `Log versions of the manifest store to W&B too, by the numbers that they have there:
those that were written through .manifest, or before W&B was on. Without arguments,
try all that waits in the outbox, what W&B has refused before included. What cannot be
pushed now stays in the outbox, and whoever mounts the store goes on trying. --give-up
takes versions out of the outbox: they stay in the manifest store alone.`,
		Args:              args(0, 1000, "references by number"),
		ValidArgsFunction: a.completeRef,
		RunE: func(c *cobra.Command, args []string) error {
			k, plain, err := a.openPush(args)
			if err != nil {
				return err
			}
			defer k.push.Close()
			if giveUp {
				return a.giveUp(c.Context(), k, plain)
			}
			if len(plain) == 0 {
				all, err := k.push.List()
				if err != nil {
					return err
				}
				return a.pushAll(c.Context(), k, all)
			}
			var all []*manifest.Push
			for _, arg := range plain {
				p, err := k.pushByHand(c.Context(), arg)
				if err != nil {
					return err
				}
				all = append(all, p)
			}
			return a.pushAll(c.Context(), k, all)
		},
	}
	c.Flags().BoolVar(&giveUp, "give-up", false, "take versions out of the outbox instead")
	return c
}

// giveUp takes pushes out of the outbox: all that have these names, as status shows
// them. It looks for each before it gives up any.
func (a *app) giveUp(ctx context.Context, k *core, names []string) error {
	if len(names) == 0 {
		return usagef("push --give-up expects the versions to give up, as status shows them")
	}
	all, err := k.push.List()
	if err != nil {
		return err
	}
	var found []*manifest.Push
	for _, name := range names {
		before := len(found)
		for _, p := range all {
			if pushed(p) == name {
				found = append(found, p)
			}
		}
		if len(found) == before {
			return fmt.Errorf("push --give-up: %s is not in the outbox; artifactfs status shows what is", name)
		}
	}
	for _, p := range found {
		kept, err := k.push.GiveUp(ctx, p.ID)
		if err != nil {
			return fmt.Errorf("push --give-up %s: %w", pushed(p), err)
		}
		if !a.json {
			fmt.Fprintf(a.out, "%s\tgiven up\t%s\n", clean(pushed(p)), kept)
		}
	}
	if a.json {
		return a.printJSON(found)
	}
	return nil
}

// pushed is what a push is called: the version of the manifest store, or the
// artifact where only W&B is to have it.
// An alias is called after the artifact, as it is named.
func pushed(p *manifest.Push) string {
	if p.Alias != "" {
		name := p.Name[strings.LastIndexByte(p.Name, '/')+1:]
		return name + ":" + p.Alias
	}
	return cmp.Or(p.Manifest, p.Name)
}

// openPush opens the core for push, which needs W&B to be on.
func (a *app) openPush(args []string) (*core, []string, error) {
	k, plain, err := a.open(args)
	if err == nil && k.push == nil {
		err = errors.New("push: W&B is off; set artifacts.wandb=true")
	}
	return k, plain, err
}

// pushByHand puts a version of the manifest store into the outbox, unless W&B has it.
func (k *core) pushByHand(ctx context.Context, arg string) (*manifest.Push, error) {
	ref, err := parseRefArg(arg)
	if err != nil {
		return nil, err
	}
	if ref.In == manifest.ByWandB {
		return nil, usagef("push %s: that is a version of W&B's own", ref)
	}
	n, ok := ref.Number()
	if !ok || ref.Sub != "" {
		return nil, usagef("push expects versions by number, as NAME:v3: %s may be another one by the time it is carried out", ref)
	}
	if k.store == nil {
		return nil, errors.New("push: there is no manifest store; set artifacts.manifest.root")
	}
	r, err := k.store.Manifest(ctx, ref.Name, int(n))
	if err != nil {
		return nil, err
	}
	if p, err := inWandB(ctx, k.store, ref.Name, int(n)); p != nil || err != nil {
		return p, err
	}
	d := r.Draft()
	if keeper, ok := k.store.(resolver.UseKeeper); ok { // of what upstream's own writer has logged
		kept, err := keeper.KeptUsed(ctx, ref.Name, int(n))
		if err != nil {
			return nil, err
		}
		d.Manifest.UsedArtifacts = slices.Concat(d.Manifest.UsedArtifacts, kept)
	}
	return k.push.Push(ctx, ref.Name, int(n), d)
}

// pushAll tries each push once, and says what became of it. What has no id is done.
func (a *app) pushAll(ctx context.Context, k *core, all []*manifest.Push) error {
	out := []*manifest.Push{}
	failed := false
	for _, p := range all {
		if p.ID != "" {
			bar := startProgress(a.err, "pushing to W&B")
			bar.n.Store(int64(len(out) + 1))
			now, err := k.push.Try(ctx, p.ID)
			bar.end()
			if errors.Is(err, fs.ErrNotExist) {
				continue // somebody else pushed it, long ago
			}
			if err != nil {
				return err
			}
			p = now
		}
		failed = failed || p.State != manifest.PushDone
		out = append(out, p)
		if !a.json {
			fmt.Fprintln(a.out, pushWords(p))
		}
	}
	if a.json {
		if err := a.printJSON(out); err != nil {
			return err
		}
	}
	if failed {
		return errSilent
	}
	return nil
}

// pushWords is a push on one line.
func pushWords(p *manifest.Push) string {
	what := pushed(p)
	words := []string{what, string(p.State)}
	switch {
	case p.State == manifest.PushDone && p.Alias != "":
		words = []string{what, aliasWords(p)}
	case p.State == manifest.PushDone:
		words = []string{what, p.Name + ":" + p.Version, p.URL}
	case p.Error != "":
		words = append(words, p.Error)
	}
	for i := range words {
		words[i] = clean(words[i])
	}
	return strings.Join(words, "\t")
}

// outboxSection is what waits in the outbox, and why. Of many the first ones are told.
func outboxSection(all []*manifest.Push) section {
	const most = 20
	s := section{Title: "on the way to W&B"}
	for i, p := range all {
		if i == most {
			s.Fields = append(s.Fields, field{"and", fmt.Sprintf("%d more", len(all)-most)})
			break
		}
		what := pushed(p)
		words := string(p.State)
		if p.Error != "" {
			words += fmt.Sprintf(" after %d tries", p.Tries)
			if !p.Next.IsZero() {
				words += ", again at " + p.Next.Local().Format(time.DateTime)
			}
			words += ": " + p.Error
		}
		if p.State == manifest.PushFailed {
			words += "; again: artifactfs push; not at all: artifactfs push --give-up " + what
		}
		s.Fields = append(s.Fields, field{what, words})
	}
	return s
}
