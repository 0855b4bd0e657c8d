package main

import "github.com/spf13/cobra"

func (a *app) completionCmd() *cobra.Command {
	return &cobra.Command{
		Use:       "completion bash|zsh|fish",
		Short:     "Print a shell's completion script",
		Long:      "Print a shell's completion script. For bash:\n\n  artifactfs completion bash > /etc/bash_completion.d/artifactfs",
		ValidArgs: []string{"bash", "zsh", "fish"},
		Args:      args(1, 1, "bash, zsh or fish"),
		RunE: func(c *cobra.Command, args []string) error {
			switch args[0] {
			case "bash":
				return c.Root().GenBashCompletionV2(a.out, true)
			case "zsh":
				return c.Root().GenZshCompletion(a.out)
			case "fish":
				return c.Root().GenFishCompletion(a.out, true)
			}
			return usagef("there is no completion for %q; bash, zsh and fish have one", args[0])
		},
	}
}
