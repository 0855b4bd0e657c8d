//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"artifactfs.dev/artifactfs/internal/store/bucket"
)

// buckets counts what a mount asks of each kind of object store for an operation, and takes the time of a log. Times are of servers on this machine:
// beside them stands what the same writes take by hand. The requests are what a real store would be asked, where each is a round trip.
func buckets(s *site, t *table) error {
	for _, kind := range []string{"s3", "gs", "azblob", "hf"} {
		if err := bucketOf(kind, s, t); err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
	}
	return nil
}

const bucketNames = 20 // artifacts that are there before

func bucketOf(kind string, s *site, t *table) (err error) {
	h := &harness{}
	defer h.end()
	defer h.recover(&err)
	store := h.store(kind)
	m, err := mountBucket(h.TempDir(), store.uri, kind)
	if err != nil {
		return err
	}
	defer m.umount()
	for i := range bucketNames {
		if err := m.log(fmt.Sprintf("old-%02d", i)); err != nil {
			return err
		}
	}
	m.umount()
	if m, err = m.count(store, t); err != nil {
		return err
	}
	return m.latency(store, max(s.logs/5, 5), t)
}

// A bucketLane is a mount of a store in a bucket.
type bucketLane struct {
	lane
	data string
	kind string
}

func mountBucket(base, uri, kind string) (bucketLane, error) {
	m := bucketLane{lane: lane{name: kind, base: base, mnt: base + "/mnt"}, data: base + "/data", kind: kind}
	config := fmt.Sprintf("[artifacts]\nwandb = false\n[artifacts.manifest]\nroot = %q\n[artifactfs]\ndata_roots = [%q]\nttl = \"10m\"\n", uri, m.data)
	err := errors.Join(os.MkdirAll(m.mnt, 0o755), os.MkdirAll(m.data, 0o755), os.WriteFile(base+"/env.toml", []byte(config), 0o644))
	if err != nil {
		return m, err
	}
	_, err = m.artifactfs("mount", m.mnt)
	return m, err
}

func (m bucketLane) log(name string) error { return logOnce(m.mnt+"/.log/"+name, m.data) }

// count does each operation once with nothing known, and counts. ls is of the mount; what is said to be warm was asked before within the TTL.
func (m bucketLane) count(store counted, t *table) (bucketLane, error) {
	read := func(path string) func() error {
		return func() error { _, err := os.ReadFile(m.mnt + "/" + path); return err }
	}
	list := func(path string) func() error {
		return func() error { _, err := os.ReadDir(filepath.Join(m.mnt, path)); return err }
	}
	link := func(path string) func() error {
		return func() error { _, err := os.Readlink(m.mnt + "/" + path); return err }
	}
	lines := ""
	for _, op := range []struct {
		name string
		do   func() error
	}{
		{"mount", func() error { _, err := m.artifactfs("mount", m.mnt); return err }},
		{"cold ls", list("")},
		{"warm ls", list("")},
		{"ls -l of each name, warm", m.statAll},
		{"readlink latest, cold", link("old-03/latest")},
		{"readlink latest, warm", link("old-03/latest")},
		{"versions of another, cold", list("old-04")},
		{"cat .fields, cold", read(".fields/old-05/latest/path")},
		{"cat .fields, warm", read(".fields/old-05/latest/path")},
		{"log", func() error { return m.log("old-06") }},
		{"log of a new name", func() error { return m.log("new") }},
		{"ls after a log", list("")},
		{"alias, by the command", func() error { _, err := m.artifactfs("alias", "old-07:v1", "prod"); return err }},
		{"ls, by the command", func() error { _, err := m.artifactfs("ls"); return err }},
	} {
		store.asked()
		if err := op.do(); err != nil {
			return m, fmt.Errorf("%s: %w", op.name, err)
		}
		asked := store.asked()
		lines += fmt.Sprintf("%-28s %d\n", op.name, asked)
		t.add("requests: "+op.name, m.kind, "", 0, float64(asked), limit{})
	}
	t.write("buckets-"+m.kind+".txt", []byte(lines))
	return m, nil
}

// statAll is ls -l of the mount.
func (m bucketLane) statAll() error {
	for i := range bucketNames {
		if _, err := os.Lstat(fmt.Sprintf("%s/old-%02d", m.mnt, i)); err != nil {
			return err
		}
	}
	return nil
}

// latency logs through the mount and by hand, in turns, each to a name of its own.
func (m bucketLane) latency(store counted, n int, t *table) error {
	u, err := bucket.Parse(store.uri)
	if err != nil {
		return err
	}
	u.Prefix = "by-hand/" + u.Prefix
	b, err := bucket.Open(context.Background(), u)
	if err != nil {
		return err
	}
	defer b.Close()
	var through, byHand []float64
	for k := range n {
		start := time.Now()
		if err := m.log("timed"); err != nil {
			return err
		}
		through = append(through, time.Since(start).Seconds())
		start = time.Now()
		if err := commitObjects(b, k+1); err != nil {
			return fmt.Errorf("by hand: %w", err)
		}
		byHand = append(byHand, time.Since(start).Seconds())
	}
	t.write("log-"+m.kind+".txt", fmt.Appendf(nil, "through %v\nby hand %v\n", through, byHand))
	t.add("log: p50", m.kind, "s", median(byHand), median(through), limit{})
	t.add("log: p90", m.kind, "s", percentile(byHand, 90), percentile(through, 90), limit{})
	return nil
}

// commitObjects writes what a version is, without looking whether its number is free: on the Hub one commit, else four objects.
func commitObjects(b *bucket.Bucket, v int) error {
	ctx, text := context.Background(), []byte(`{"name": "m", "version": 1, "type": "Artifact", "path": "/data", "metadata": {}}`)
	dir := fmt.Sprintf("m/v%d", v)
	if b.Commits() {
		view, err := b.View(ctx)
		if err != nil {
			return err
		}
		latest := []byte(strings.TrimPrefix(dir, "m/"))
		return view.Commit(ctx, dir, map[string][]byte{".artifactfs/log/" + dir + ".json": text, dir + "/metadata.json": text, dir + "/manifest.json": text, "m/latest": latest})
	}
	for _, key := range []string{".artifactfs/log/" + dir + ".json", dir + "/metadata.json", dir + "/manifest.json"} {
		if err := b.Create(ctx, key, text); err != nil {
			return err
		}
	}
	return b.Write(ctx, "m/latest", []byte(strings.TrimPrefix(dir, "m/")))
}
