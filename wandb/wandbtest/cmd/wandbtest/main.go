// Command wandbtest serves the W&B that package wandbtest makes up, on loopback, so that
// clients in other processes can be pointed at it. It prints the environment to use.
//
//	wandbtest --addr 127.0.0.1:8080 --key "$KEY" &
//	export WANDB_BASE_URL=http://127.0.0.1:8080 WANDB_API_KEY="$KEY"
//	wandb artifact put --name team/nemotron/data ./data
//
// Faults are asked for by POST of JSON: {"op": "commitArtifact", "status": 409} to
// /_wandbtest/fail; see package wandbtest for what there is.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"artifactfs.dev/artifactfs/wandb/wandbtest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "wandbtest:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	opts := &wandbtest.Options{Admin: true}
	flags := flag.NewFlagSet("wandbtest", flag.ExitOnError)
	flags.StringVar(&opts.Addr, "addr", "127.0.0.1:0", "loopback `address` to listen on")
	flags.StringVar(&opts.Path, "path", "", "`path` that the base URL has, such as /wandb")
	flags.StringVar(&opts.Key, "key", "", "API `key` to accept (default: one is made)")
	flags.TextVar(&opts.Features, "features", wandbtest.Modern, "what `kind` of server: modern, xxh or old")
	flags.StringVar(&opts.State, "state", "", "`directory` that keeps all that clients do, for the next time (default: none does)")
	flags.DurationVar(&opts.URLLifetime, "url-lifetime", 0, "how long signed URLs hold (default 1h)")
	flags.Parse(args)
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	srv, err := wandbtest.Start(opts)
	if err != nil {
		return err
	}
	defer srv.Close()
	for _, line := range srv.Environ() {
		fmt.Fprintln(out, "export "+line)
	}
	<-ctx.Done()
	return nil
}
