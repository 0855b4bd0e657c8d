package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/common/expfmt"
	"golang.org/x/net/netutil"
)

// metricsPort serves what .artifactfs/metrics shows on a port, to a Prometheus that
// reads no files. The mount does not depend on it: a port that is taken is tried for
// again until it is free, as when the daemon that this one has replaced is still there.
type metricsPort struct {
	text    func(context.Context) []byte
	current func() bool // whether the mount point is still this daemon's
	log     *slog.Logger

	stop func() // ends keep; nil before it has begun

	mu     sync.Mutex // guards what follows
	addr   string     // that is asked for; "": none
	server *http.Server
	done   chan struct{} // closed when server has ended
	err    error         // why there is none
}

// Many may scrape; who opens connections by the thousand must not take the files of
// those who read.
const maxScrapers = 16

// portPause is how often is looked whether the port is free, or another's to have.
const portPause = 500 * time.Millisecond

func newMetricsPort(text func(context.Context) []byte, current func() bool, log *slog.Logger) *metricsPort {
	return &metricsPort{text: text, current: current, log: log}
}

// set has the metrics served at addr, if it can be had, and nowhere else.
func (p *metricsPort) set(addr string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if addr == p.addr {
		return
	}
	p.shut()
	p.addr, p.err = addr, nil
	p.open()
}

// keep starts looking after the port. A daemon that was replaced lives as long as
// something is open in it, and gives the port away before.
func (p *metricsPort) keep() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	p.stop = func() {
		cancel()
		<-done
	}
	go func() {
		defer close(done)
		tick := time.NewTicker(portPause)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				p.look()
			}
		}
	}()
}

func (p *metricsPort) look() {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.addr == "":
	case !p.current():
		p.shut()
	case p.server == nil:
		p.open()
	}
}

func (p *metricsPort) close() {
	if p.stop != nil {
		p.stop()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shut()
	p.addr = ""
}

// open is called with mu held, and does not wait: it binds, and no more.
func (p *metricsPort) open() {
	if p.addr == "" {
		return
	}
	l, err := net.Listen("tcp", p.addr)
	if err != nil {
		if p.err == nil || p.err.Error() != err.Error() {
			p.log.Warn("metrics are not served; trying again", "addr", p.addr, "err", err)
		}
		p.err = err
		return
	}
	p.err = nil
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", string(expfmt.NewFormat(expfmt.TypeTextPlain)))
		_, _ = w.Write(p.text(r.Context())) // who has gone has gone
	})
	server, done := &http.Server{
		Handler: mux, ReadHeaderTimeout: 5 * time.Second, WriteTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(p.log.Handler(), slog.LevelDebug),
	}, make(chan struct{})
	p.server, p.done = server, done
	p.log.Info("metrics are served", "url", p.url())
	go func() {
		defer close(done)
		_ = server.Serve(netutil.LimitListener(l, maxScrapers))
	}()
}

// shut is called with mu held.
func (p *metricsPort) shut() {
	if p.server == nil {
		return
	}
	_ = p.server.Close()
	<-p.done
	p.server, p.done = nil, nil
}

func (p *metricsPort) url() string { return "http://" + p.addr + "/metrics" }

// status is nil where no port was asked for.
func (p *metricsPort) status() *metricsStatus {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.addr == "" {
		return nil
	}
	s := &metricsStatus{URL: p.url()}
	if p.err != nil {
		s.Error = fmt.Sprintf("%v; it is tried again twice a second; artifactfs.metrics and a reload name another", p.err)
	}
	return s
}
