package main

import (
	"github.com/spf13/cobra"
)

func (a *app) retireCmd() *cobra.Command {
	var why string
	var undo bool
	c := &cobra.Command{
		Use:   "retire NAME:vN --why REASON | --undo",
		Short: "Hide a version that was logged by mistake",
		Long: `Hide a version that was logged by mistake from listings, and move latest back to
the highest version that is left. Whoever names the version still gets it. W&B itself,
and its own clients, go on showing it.`,
		Args:              args(1, 1, "one reference by number"),
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
			if _, ok := ref.Number(); !ok || ref.Sub != "" {
				return usagef("retire expects a version by number, as NAME:v3: %s may be another one by the time it is carried out", ref)
			}
			if why == "" && !undo {
				return usagef("retire needs --why: whoever still uses %s has to know", ref)
			}
			v, err := k.tree.Retire(c.Context(), ref, why, undo)
			if err != nil {
				return err
			}
			words := "is retired"
			if undo {
				words = "is back"
			}
			return a.said(map[string]any{"name": v.Name, "version": v.N, "retired": !undo, "why": why}, "%s %s\n", v, words)
		},
	}
	c.Flags().StringVar(&why, "why", "", "the reason, for those who still use it")
	c.Flags().BoolVar(&undo, "undo", false, "show it again")
	return c
}
