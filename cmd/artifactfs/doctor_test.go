//go:build linux

package main

import (
	"testing"
	"time"

	"github.com/moby/sys/mountinfo"
)

// TestClock: a file server whose clock is off is told of, one that counts in
// whole seconds is not.
func TestClock(t *testing.T) {
	now := time.Date(2026, 8, 21, 12, 0, 0, 900e6, time.UTC)
	for _, c := range []struct {
		there time.Time
		want  level
		found string
	}{
		{now, fine, "as the store's file server has it"},
		{now.Truncate(time.Second), fine, "as the store's file server has it"},
		{now.Add(-3 * time.Minute), warn, "the store's file server is -3m0s off"},
		{now.Add(time.Hour), warn, "the store's file server is 1h0m0s off"},
	} {
		d := &doctor{}
		d.clock(c.there, now, now)
		if got := d.found[0]; got.Level != c.want || got.Found != c.found {
			t.Errorf("%v: %+v, want %s, %s", c.there, got, c.want, c.found)
		}
	}
}

func TestMountOf(t *testing.T) {
	infos := []*mountinfo.Info{
		{Mountpoint: "/", Optional: "shared:1"}, {Mountpoint: "/mnt", Optional: "master:1"},
		{Mountpoint: "/mnt/artifacts", Optional: "shared:2"}, {Mountpoint: "/mntx"},
	}
	for dir, want := range map[string]string{"/mnt/artifacts": "/mnt", "/mnt": "/", "/mntx/a": "/mntx", "/srv/a": "/"} {
		if got := mountOf(infos, dir); got == nil || got.Mountpoint != want {
			t.Errorf("%s lies on %+v, want %s", dir, got, want)
		}
	}
}
