package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"artifactfs.dev/artifactfs/manifest"
	"artifactfs.dev/artifactfs/resolver"
)

func (a *app) aliasCmd() *cobra.Command {
	var remove, noWait bool
	c := &cobra.Command{
		Use:   "alias NAME:VERSION ALIAS",
		Short: "Give a version a further name, or move one to it",
		Long: `Give a version a further name, or move one to it. With W&B on, W&B's alias follows: at
once if it answers, else by the outbox, as a log does.`,
		Args:              args(2, 2, "a reference and an alias"),
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
			alias := plain[1]
			d, _ := doorTo(c.Context(), k, a.at) // no path is to be told: without it the store is changed from here
			var res *resolver.AliasResult
			switch {
			case d != nil:
				res, err = d.alias(c.Context(), ref, alias, remove, !noWait)
			case remove:
				res, err = k.tree.RemoveAliasEverywhere(c.Context(), ref.Which(), alias)
			default:
				res, err = k.tree.AliasEverywhere(c.Context(), ref, alias)
			}
			if err != nil {
				return err
			}
			if !noWait {
				res.WandB = a.settle(c.Context(), k, d, res.WandB)
			}
			if d == nil {
				k.tellMounts(ref.Name)
			}
			return a.aliased(res)
		},
	}
	c.Flags().BoolVar(&remove, "delete", false, "take the alias away")
	c.Flags().BoolVar(&noWait, "no-wait", false, "do not wait for W&B: an alias there is on its way")
	return c
}

// aliased prints what became of an alias.
func (a *app) aliased(res *resolver.AliasResult) error {
	if res.Warning != "" {
		fmt.Fprintf(a.err, "artifactfs: %s\n", clean(res.Warning))
	}
	words := []string{fmt.Sprintf("%s:%s is gone", res.Name, res.Removed)}
	if res.Version != nil {
		words[0] = fmt.Sprintf("%s:%s is %s", res.Name, res.Alias, vN(*res.Version))
	}
	if res.WandB != nil {
		words = append(words, aliasWords(res.WandB))
	}
	err := a.said(res, "%s\n", strings.Join(cleanAll(words), "\t"))
	if err == nil && !res.Stored && res.WandB != nil && res.WandB.State == manifest.PushFailed {
		err = errSilent // it is nowhere
	}
	return err
}

// aliasWords are what has become of an alias in W&B.
func aliasWords(p *manifest.Push) string {
	switch {
	case p.State != manifest.PushDone:
		return string(p.State)
	case p.Removed:
		return p.Name + ":" + p.Alias + " is gone"
	}
	return p.Name + ":" + p.Alias + " is " + p.Version
}

// said prints a result as JSON or in words.
func (a *app) said(v any, format string, args ...any) error {
	if a.json {
		return a.printJSON(v)
	}
	fmt.Fprintf(a.out, "%s", fmt.Sprintf(format, args...))
	return nil
}
