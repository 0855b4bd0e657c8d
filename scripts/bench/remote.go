//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
)

// A volume is how much lies in the bucket, in bytes and objects.
type volume struct {
	runs              int
	big, four, random int64
	mediums, smalls   int
	randoms           int // reads
}

var (
	fullVolume  = volume{runs: 5, big: 512 << 20, four: 128 << 20, random: 256 << 20, mediums: 32, smalls: 5000, randoms: 64}
	quickVolume = volume{runs: 3, big: 128 << 20, four: 32 << 20, random: 64 << 20, mediums: 8, smalls: 1000, randoms: 24}
)

// alone leaves out the peers, and takes one turn: what is enough to see what a change does.
var alone bool

// remote reads data in a bucket through a mount, beside others that show buckets as files, and beside plain GETs: on loopback, and on a slow link. All
// take turns; in a turn each has a new mount and an empty cache.
func remote(s *site, t *table) error {
	n := fullVolume
	if s.runs == quick.runs {
		n = quickVolume
	}
	if alone {
		n.runs = 1
	}
	var here []client
	for i, c := range clients {
		if alone && i > 0 {
			break
		}
		if _, err := exec.LookPath(c.tool); err != nil {
			fmt.Printf("NOTE: no %s here: run `scripts/deps.sh bench`\n", c.tool)
			continue
		}
		here = append(here, c)
	}
	_, err := exec.LookPath("bin/fake-gcs-server")
	r := &remoteBench{volume: n, raw: s.raw, clients: here, gcs: err == nil}
	if r.servers, err = startServers(s.raw, r.gcs); err != nil {
		return err
	}
	defer r.end()
	os.Setenv("AWS_ACCESS_KEY_ID", accessKey)
	os.Setenv("AWS_SECRET_ACCESS_KEY", secretKey)
	os.Setenv("AWS_CONFIG_FILE", "/dev/null")
	os.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
	if err := r.fill(); err != nil {
		return fmt.Errorf("the bucket: %w", err)
	}
	links, err := r.links()
	if err != nil {
		return err
	}
	for _, l := range links {
		if err := r.compare(l, t); err != nil {
			return fmt.Errorf("%s: %w", l.name, err)
		}
	}
	return nil
}

type remoteBench struct {
	volume
	*servers
	raw     string
	clients []client
	gcs     bool
}

func (r *remoteBench) fill() error {
	for _, o := range []struct {
		dir   string
		count int
		size  int64
	}{{"first", firsts, firstSize}, {"big", 1, r.big}, {"four", readers, r.four}, {"medium", r.mediums, medium}, {"small", r.smalls, 4096}, {"random", 1, r.random}} {
		if err := r.put(o.dir, o.count, o.size); err != nil {
			return err
		}
	}
	return nil
}

func (r *remoteBench) links() ([]link, error) {
	s3, err := newSlowLink(r.s3)
	if err != nil {
		return nil, err
	}
	slow := link{name: "slow", s3: s3.addr, sent: s3.sent.Load}
	if r.servers.gcs != "" {
		next := freeAddr()
		gcs, err := newSlowLink(next)
		if err != nil {
			return nil, err
		}
		if err := r.startGCS(r.raw, next, gcs.addr); err != nil {
			return nil, err
		}
		slow.gcs = gcs.addr
		slow.sent = func() int64 { return s3.sent.Load() + gcs.sent.Load() }
	}
	return []link{{name: "plain", s3: r.s3, gcs: r.servers.gcs}, slow}, nil
}

// compare measures all on one link, and adds their rows.
func (r *remoteBench) compare(l link, t *table) error {
	names := []string{"limit"}
	for _, c := range r.clients {
		names = append(names, c.name)
	}
	all := make(map[string][]shots)
	for run := range r.runs {
		for i := range names {
			i = (i + run) % len(names)
			s, err := r.turn(l, i)
			if err != nil && (i == 0 || r.clients[i-1].start == nil) {
				return fmt.Errorf("%s: %w", names[i], err)
			} else if err != nil { // a peer that fails has no row
				fmt.Printf("NOTE: %s, %s: %v\n", l.name, names[i], err)
			}
			all[names[i]] = append(all[names[i]], s)
		}
	}
	text, _ := json.MarshalIndent(all, "", "  ")
	t.write("remote-"+l.name+".json", append(text, '\n'))
	r.rows(l, all, t)
	return nil
}

// turn is one client's turn, or the limit's.
func (r *remoteBench) turn(l link, i int) (shots, error) {
	home, err := os.MkdirTemp("", "artifactfs-bench-remote")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(home)
	if err := os.Chmod(home, 0o755); err != nil {
		return nil, err
	}
	if i == 0 {
		return (&gets{servers: r.servers, link: l, home: home}).take(r.volume)
	}
	c := r.clients[i-1]
	m, err := c.mount(l, home, r.raw)
	defer m.end()
	if err != nil {
		return nil, err
	}
	return m.take(r.volume)
}
