package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/rogpeppe/go-internal/testscript"
)

// scrape waits until what is served at a URL has a line like that: scrape URL '^artifactfs_restarts_total 1$'.
// With ! it waits until nothing is served there.
func scrape(ts *testscript.TestScript, neg bool, args []string) {
	var last string
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		body, err := fetchMetrics(args[0])
		if last = fmt.Sprint(string(body), err); neg {
			if err != nil {
				return
			}
		} else if err == nil && regexp.MustCompile("(?m)"+args[1]).Match(body) {
			return
		}
	}
	ts.Fatalf("scrape %q: %s", args, last)
}

func fetchMetrics(url string) ([]byte, error) {
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	r, err := client.Get(url)
	if err != nil {
		return nil, err
	}
	defer r.Body.Close()
	if r.StatusCode != http.StatusOK || !strings.HasPrefix(r.Header.Get("Content-Type"), "text/plain; version=0.0.4") {
		return nil, fmt.Errorf("%s %s", r.Status, r.Header.Get("Content-Type"))
	}
	return io.ReadAll(r.Body)
}

// sameMetrics parses what a file and a URL show as Prometheus does: same metrics, same kinds, same labels,
// and no counter of the file, which is read second, is behind.
func sameMetrics(ts *testscript.TestScript, neg bool, args []string) {
	_, err := os.ReadFile(args[0]) // its own requests are counted from now on
	ts.Check(err)
	served, err := fetchMetrics(args[1])
	ts.Check(err)
	shown, err := os.ReadFile(args[0])
	ts.Check(err)
	a, b := parseMetrics(ts, served), parseMetrics(ts, shown)
	for name, f := range a {
		g := b[name]
		if g == nil || g.GetType() != f.GetType() || g.GetHelp() != f.GetHelp() || f.GetHelp() == "" {
			ts.Fatalf("%s is served as %v and shown as %v", name, f, g)
		}
		for _, m := range f.Metric {
			i := slices.IndexFunc(g.Metric, func(n *dto.Metric) bool { return fmt.Sprint(n.Label) == fmt.Sprint(m.Label) })
			if i < 0 || m.Counter != nil && m.Counter.GetValue() > g.Metric[i].Counter.GetValue() {
				ts.Fatalf("%s %v is served and not shown in %v", name, m, g.Metric)
			}
		}
	}
	if len(a) != len(b) || len(a) < 15 {
		ts.Fatalf("%d metrics are served, and %d shown", len(a), len(b))
	}
}

func parseMetrics(ts *testscript.TestScript, text []byte) map[string]*dto.MetricFamily {
	p := expfmt.NewTextParser(model.UTF8Validation)
	f, err := p.TextToMetricFamilies(bytes.NewReader(text))
	ts.Check(err)
	return f
}

// listen keeps a port from others until the script calls it again: listen ADDR, listen.
func listen() func(ts *testscript.TestScript, neg bool, args []string) {
	var l net.Listener
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if len(args) == 0 {
			ts.Check(l.Close())
			return
		}
		var err error
		l, err = net.Listen("tcp", args[0])
		ts.Check(err)
	}
}

// ownLoopback is an address of this machine that no other test of it uses, whatever the port.
func ownLoopback() string {
	pid := os.Getpid()
	return "127." + strconv.Itoa(64+pid>>16&63) + "." + strconv.Itoa(pid>>8&255) + "." + strconv.Itoa(pid&255)
}
