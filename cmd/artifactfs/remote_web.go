package main

import (
	"fmt"
	"net/url"
	"syscall"
	"time"

	"artifactfs.dev/artifactfs/cmd/artifactfs/config"
	"artifactfs.dev/artifactfs/internal/store"
	"artifactfs.dev/artifactfs/internal/store/web"
)

func newRemoteData(cfg *config.Config) *remoteData {
	r := &remoteData{}
	r.cfg.Store(cfg)
	r.web = web.NewClient(&web.Options{Allowed: r.allowedWeb, Deadline: cfg.Deadline, Lasts: remoteLasts(cfg)})
	return r
}

// remoteLasts is how long a listing of data is good for. It is looked at anew less often
// than those of versions, which are meant to change: a minute where nothing is configured.
func remoteLasts(cfg *config.Config) time.Duration { return 12 * cfg.TTL }

// parseWeb reads a URL that data may lie at.
func (r *remoteData) parseWeb(uri string) (*url.URL, error) {
	u, err := web.Parse(uri)
	if err == nil {
		_, err = r.allowedWeb(u)
	}
	return u, err
}

// allowedWeb is web.Options.Allowed: below data_roots if there are any, and without
// encryption only from there, or from this machine.
func (r *remoteData) allowedWeb(u *url.URL) (named bool, err error) {
	cfg := r.cfg.Load()
	for _, root := range cfg.DataURIs {
		if at, err := web.Parse(root); err == nil && web.Below(u, at) {
			return true, nil
		}
	}
	if len(cfg.Roots()) > 0 {
		return false, outsideRoots(web.Show(u), u.Scheme+"://"+u.Host)
	}
	if u.Scheme != "https" && !web.Loopback(u) {
		return false, fmt.Errorf("%s is not encrypted; artifactfs.data_roots can allow it: %w", web.Show(u), syscall.EPERM)
	}
	return false, nil
}

// file returns the file at a URL.
func (r *remoteData) file(uri string) (store.Files, error) {
	u, err := r.parseWeb(uri)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if f, ok := r.shown[u.String()]; ok {
		return f, nil
	}
	f, err := r.web.Files(u)
	if err != nil {
		return nil, err
	}
	r.show(u.String(), f)
	return f, nil
}
