package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"artifactfs.dev/artifactfs/cmd/artifactfs/ui"
)

func (a *app) uiCmd() *cobra.Command {
	var listen string
	var expose bool
	c := &cobra.Command{
		Use:   "ui",
		Short: "Serve a page to look at: artifacts, fields, lineage, status",
		Long: `Serve a page to look at in a browser: artifacts and their versions, fields, where data lies,
the lineage graph, and how stores and mounts are doing. It only reads, as you, and asks nothing
of other hosts. It is there until it is interrupted, with or without a mount.

Whoever has the address that it prints, which holds a token, can read what you can read. It
listens on this machine only. From another one, go through ssh:
ssh -L 8800:127.0.0.1:8800 NODE artifactfs ui --listen 127.0.0.1:8800`,
		Args: args(0, 0, "no argument"),
		RunE: func(c *cobra.Command, args []string) error {
			at, err := listenAddress(listen, expose)
			if err != nil {
				return err
			}
			plain, dotlist := splitArgs(args)
			cfg, err := a.configOf(plain, dotlist)
			if err != nil {
				return err
			}
			k, err := openCore(cfg, coreOptions{Log: a.errors(), Mounts: func() []string { return mountsOf(cfg) }})
			if err != nil {
				return err
			}
			return a.serveUI(c.Context(), &uiStore{k: k, at: a.at}, at)
		},
	}
	f := c.Flags()
	f.StringVar(&listen, "listen", "127.0.0.1:0", "`ADDRESS` to listen on; port 0 is any that is free")
	f.BoolVar(&expose, "expose", false, "let --listen be an address that other machines reach, without encryption")
	return c
}

// listenAddress refuses to be reached from elsewhere, unless that is asked for.
func listenAddress(listen string, expose bool) (string, error) {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return "", usagef("ui: --listen %s: %v; it is HOST:PORT, as in 127.0.0.1:8800", listen, err)
	}
	ip := net.ParseIP(host)
	if host == "localhost" { // whatever the resolver makes of it
		return net.JoinHostPort("127.0.0.1", port), nil
	}
	if !expose && (ip == nil || !ip.IsLoopback()) {
		return "", usagef("ui: --listen %s: other machines would reach it, and whoever sees the address with its token, which goes over the network as it is, reads all that you can read of the store. "+
			"If that is wanted, add --expose; else ssh -L %s:127.0.0.1:%s brings it to yours", listen, port, port)
	}
	return listen, nil
}

// serveUI serves the page until it is interrupted.
func (a *app) serveUI(ctx context.Context, s *uiStore, at string) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	l, err := net.Listen("tcp", at)
	if err != nil {
		return fmt.Errorf("ui: %w", err)
	}
	bound := l.Addr().(*net.TCPAddr)
	host, hosts := bound.IP.String(), []string{}
	if !bound.IP.IsLoopback() {
		asked, _, _ := net.SplitHostPort(at)
		name, _ := os.Hostname()
		short, _, _ := strings.Cut(name, ".")
		hosts = slices.DeleteFunc([]string{asked, name, short}, func(s string) bool { return s == "" })
		if bound.IP.IsUnspecified() && name != "" {
			host = name
		}
		fmt.Fprintf(a.err, "artifactfs: ui: other machines reach this page, and nothing is encrypted on the way\n")
	}
	page := ui.New(s, &ui.Options{Title: s.title(), Hosts: hosts, Bound: bound.IP, Log: a.errors()})
	url := fmt.Sprintf("http://%s/?token=%s", net.JoinHostPort(host, fmt.Sprint(bound.Port)), page.Token())
	if a.json {
		err = a.printJSON(map[string]any{"url": url, "pid": os.Getpid()})
	} else {
		_, err = fmt.Fprintln(a.out, url)
	}
	if err != nil {
		l.Close()
		return err
	}
	return serveUntil(ctx, page.HTTP(), l)
}

// serveUntil serves until ctx is done; what is being answered then has a second to end.
func serveUntil(ctx context.Context, srv *http.Server, l net.Listener) error {
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	select {
	case err := <-done:
		return fmt.Errorf("ui: %w", err)
	case <-ctx.Done():
	}
	end, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if srv.Shutdown(end) != nil {
		srv.Close()
	}
	if err := <-done; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("ui: %w", err)
	}
	return nil
}
