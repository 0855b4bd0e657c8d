package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"syscall"

	"github.com/spf13/cobra"

	"artifactfs.dev/artifactfs/internal/store"
	"artifactfs.dev/artifactfs/resolver"
)

func (a *app) catCmd() *cobra.Command {
	return &cobra.Command{
		Use:               "cat NAME:VERSION/PATH...",
		Short:             "Print files of a version",
		Args:              args(1, 1<<20, "files, as NAME:VERSION/PATH"),
		ValidArgsFunction: a.completeRef,
		RunE: func(c *cobra.Command, args []string) error {
			k, plain, err := a.open(args)
			if err != nil {
				return err
			}
			for _, arg := range plain {
				path, err := treePath(arg)
				if err == nil {
					err = a.cat(c.Context(), k, path)
				}
				if err != nil {
					return fmt.Errorf("cat %s: %w", arg, err)
				}
			}
			return nil
		},
	}
}

func (a *app) cat(ctx context.Context, k *core, path string) error {
	if k.cfg.Disabled != "" {
		return fmt.Errorf("tracking is fully disabled by %s", k.cfg.Disabled)
	}
	e, err := k.walk(ctx, path)
	if err != nil {
		return err
	}
	switch n := e.Node.(type) {
	case resolver.Data:
		f, _, err := k.tree.Local().OpenWith(ctx, n.Real(), func(int, store.Attr) error { return nil })
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = io.Copy(a.out, f)
		return ignorePipe(err)
	case resolver.Text:
		b, err := n.Read(ctx)
		if err == nil {
			_, err = a.out.Write(b)
		}
		return ignorePipe(err)
	case resolver.Dir:
		return fmt.Errorf("it is a directory; artifactfs ls shows what is in it: %w", syscall.EISDIR)
	}
	return fmt.Errorf("it is not a file: %w", syscall.EINVAL)
}

// ignorePipe takes a reader that has seen enough, as head has, for no error.
func ignorePipe(err error) error {
	if pe, ok := err.(*os.PathError); ok && pe.Err == syscall.EPIPE {
		return nil
	}
	return err
}
