package main

import (
	"bytes"
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/common/expfmt"

	"artifactfs.dev/artifactfs/manifest"
)

// gauges is what .artifactfs/metrics shows, in Prometheus's text format. What is
// counted is counted elsewhere, by atomics; it is gathered when somebody reads.
type gauges struct {
	d        *daemon
	registry *prometheus.Registry
	logTook  *prometheus.HistogramVec
}

func newMetrics(d *daemon) *gauges {
	m := &gauges{d: d, registry: prometheus.NewRegistry()}
	m.logTook = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "artifactfs_log_seconds", Help: "How long requests to .log took, by outcome.",
		Buckets: []float64{.001, .002, .005, .01, .02, .05, .1, .5, 1, 5, 30},
	}, []string{"outcome"})
	m.registry.MustRegister(m, m.logTook, collectors.NewProcessCollector(collectors.ProcessCollectorOpts{Namespace: "artifactfs"}))
	return m
}

func (m *gauges) logged(took time.Duration, err error) {
	outcome := "logged"
	if err != nil {
		outcome = "refused"
	}
	m.logTook.WithLabelValues(outcome).Observe(took.Seconds())
}

func (m *gauges) text(context.Context) []byte {
	families, err := m.registry.Gather()
	if err != nil {
		m.d.log.Error("metrics are not complete", "err", err)
	}
	var b bytes.Buffer
	e := expfmt.NewEncoder(&b, expfmt.NewFormat(expfmt.TypeTextPlain))
	for _, f := range families {
		_ = e.Encode(f) // a bytes.Buffer takes everything
	}
	return b.Bytes()
}

// Describe names nothing ahead: what there is depends on what was done.
func (m *gauges) Describe(chan<- *prometheus.Desc) {}

var _ prometheus.Collector = (*gauges)(nil)

// Collect asks those who count.
func (m *gauges) Collect(to chan<- prometheus.Metric) {
	counter, gauge := prometheus.CounterValue, prometheus.GaugeValue
	send := func(t prometheus.ValueType, name, help string, v float64, labels ...string) {
		var keys, values []string
		for i := 0; i+1 < len(labels); i += 2 {
			keys, values = append(keys, labels[i]), append(values, labels[i+1])
		}
		to <- prometheus.MustNewConstMetric(prometheus.NewDesc("artifactfs_"+name, help, keys, nil), t, v, values...)
	}
	send(gauge, "info", "The build that serves.", 1, "version", thisBuild().Version, "kernel", m.d.kernel().Release)
	send(gauge, "mounted_timestamp_seconds", "When the mount was asked for.", float64(m.d.s.Started.UnixNano())/1e9)
	send(counter, "restarts_total", "Times that the daemon was started again.", float64(m.d.s.Restarts))
	if srv := m.d.server.Load(); srv != nil {
		n := srv.Counts()
		for k, v := range n.Ops {
			send(counter, "fuse_requests_total", "Requests of the kernel, by kind and outcome.", float64(v), "op", k[0], "outcome", k[1])
		}
		for lane := range n.Opens {
			send(counter, "opens_total", "Files opened through FUSE, by lane.", float64(n.Opens[lane]), "lane", lane)
			send(gauge, "open_files", "Files open through FUSE, by lane.", float64(n.Open[lane]), "lane", lane)
			send(counter, "read_bytes_total", "Bytes that the daemon read for others, by lane.", float64(n.Bytes[lane]), "lane", lane)
		}
		send(gauge, "names", "Files and directories that the kernel knows.", float64(srv.Names()))
		versions := map[string]int{}
		for _, v := range srv.Status().Versions {
			versions[v.Lane]++
		}
		for lane, n := range versions {
			send(gauge, "versions", "Versions used since the mount, by lane.", float64(n), "lane", lane)
		}
	}
	c := m.d.core.Load()
	if c == nil {
		return
	}
	send(gauge, "versions_missing", "Versions whose data was not there when it was last needed.", float64(len(c.tree.Missing())))
	for dev, n := range c.data.InFlight() {
		send(gauge, "calls_in_flight", "Calls outstanding on a file system of data, by device.", float64(n), "device", dev)
	}
	for _, store := range c.storeStates() {
		up, since := 1.0, 0.0
		if !store.Since.IsZero() {
			up, since = 0, time.Since(store.Since).Seconds()
		}
		send(gauge, "store_up", "Whether the store answers.", up, "store", store.Store, "root", store.Root)
		send(gauge, "store_down_seconds", "How long it has not.", since, "store", store.Store, "root", store.Root)
	}
	if c.push == nil {
		return
	}
	waiting := map[manifest.PushState]int{manifest.PushQueued: 0, manifest.PushFailed: 0}
	if all, err := c.push.List(); err == nil { // status says why it cannot be read
		for _, p := range all {
			waiting[p.State]++
		}
		for state, n := range waiting {
			send(gauge, "outbox_versions", "Versions that are not in W&B yet, by state; failed ones are not tried again.", float64(n), "state", string(state))
		}
	}
}
