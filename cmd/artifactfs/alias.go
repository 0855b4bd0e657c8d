package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func (a *app) aliasCmd() *cobra.Command {
	var remove bool
	c := &cobra.Command{
		Use:               "alias NAME:VERSION ALIAS",
		Short:             "Give a version a further name, or move one to it",
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
			if remove {
				if err := k.tree.RemoveAlias(c.Context(), ref.Which(), alias); err != nil {
					return err
				}
				return a.said(map[string]any{"name": ref.Name, "removed": alias}, "%s:%s is gone\n", ref.Which(), alias)
			}
			v, err := k.tree.Resolve(c.Context(), ref)
			if err != nil {
				return err
			}
			if err := k.tree.Alias(c.Context(), v.Ref(), alias); err != nil {
				return err
			}
			return a.said(map[string]any{"name": v.Name, "alias": alias, "version": v.N}, "%s:%s is %s\n", v.Ref().Which(), alias, vN(v.N))
		},
	}
	c.Flags().BoolVar(&remove, "delete", false, "take the alias away")
	return c
}

// said prints a result as JSON or in words.
func (a *app) said(v any, format string, args ...any) error {
	if a.json {
		return a.printJSON(v)
	}
	fmt.Fprintf(a.out, "%s", fmt.Sprintf(format, args...))
	return nil
}
