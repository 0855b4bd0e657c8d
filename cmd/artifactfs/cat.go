package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"syscall"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"artifactfs.dev/artifactfs/internal/store"
	"artifactfs.dev/artifactfs/resolver"
)

func (a *app) catCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "cat NAME:VERSION/PATH...",
		Short: "Print files of a version",
		Long: `Print files of a version, one after the other. With --json, a list of them: name, bytes,
and text, or base64 where it is no text; a file may then have at most 16 MiB.`,
		Args:              args(1, 1<<20, "files, as NAME:VERSION/PATH"),
		ValidArgsFunction: a.completeRef,
		RunE: func(c *cobra.Command, args []string) error {
			k, plain, err := a.open(args)
			if err != nil {
				return err
			}
			files := []catFile{}
			for _, arg := range plain {
				w, text := a.out, &limited{max: maxCatJSON}
				if a.json {
					w = text
				}
				path, err := k.pathOf(c.Context(), arg)
				if err == nil {
					err = cat(c.Context(), k, path, w)
				}
				if err != nil {
					return fmt.Errorf("cat %s: %w", arg, err)
				}
				files = append(files, text.file(arg))
			}
			if a.json {
				return a.printJSON(files)
			}
			return nil
		},
	}
}

func cat(ctx context.Context, k *core, path string, w io.Writer) error {
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
		_, err = io.Copy(w, f)
		return ignorePipe(err)
	case resolver.Stored:
		body, err := n.Object().ReadRange(ctx, 0, e.Attr.Size)
		if err != nil {
			return err
		}
		defer body.Close()
		_, err = io.Copy(w, body)
		return ignorePipe(err)
	case resolver.Text:
		b, err := n.Read(ctx)
		if err == nil {
			_, err = w.Write(b)
		}
		return ignorePipe(err)
	case resolver.Dir:
		return fmt.Errorf("it is a directory; artifactfs ls shows what is in it: %w", syscall.EISDIR)
	}
	return fmt.Errorf("it is not a file: %w", syscall.EINVAL)
}

// catFile is one file of cat --json.
type catFile struct {
	Name   string  `json:"name"`
	Bytes  int     `json:"bytes"`
	Text   *string `json:"text,omitempty"`
	Base64 []byte  `json:"base64,omitempty"`
}

const maxCatJSON = 16 << 20

// limited keeps what is written to it, up to a limit.
type limited struct {
	kept []byte
	max  int
}

func (l *limited) Write(p []byte) (int, error) {
	if len(l.kept)+len(p) > l.max {
		return 0, fmt.Errorf("it is longer than %d bytes: leave out --json: %w", l.max, syscall.EFBIG)
	}
	l.kept = append(l.kept, p...)
	return len(p), nil
}

func (l *limited) file(name string) catFile {
	f := catFile{Name: name, Bytes: len(l.kept)}
	if utf8.Valid(l.kept) {
		text := string(l.kept)
		f.Text = &text
	} else {
		f.Base64 = l.kept
	}
	return f
}

// ignorePipe takes a reader that has seen enough, as head has, for no error.
func ignorePipe(err error) error {
	if pe, ok := err.(*os.PathError); ok && pe.Err == syscall.EPIPE {
		return nil
	}
	return err
}
