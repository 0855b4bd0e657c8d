package resolver

import (
	"context"
	"fmt"
	"syscall"
	"testing"

	"artifactfs.dev/artifactfs/internal/store"
)

// One user leaves others room in .manifest, for names as for files.
func TestOneUserLeavesRoom(t *testing.T) {
	s := newSite(t, nil)
	s.log("a", `{"path": "DATA"}`)
	greedy := store.WithCaller(ctx, store.Caller{UID: 12001, PID: 1})
	other := store.WithCaller(ctx, store.Caller{UID: 12002, PID: 1})
	for _, c := range []struct {
		what string
		make func(ctx context.Context, i int) error
	}{
		{"names", func(ctx context.Context, i int) error {
			_, err := s.dirAt(".manifest").Mkdir(ctx, fmt.Sprintf("n%d", i))
			return err
		}},
		{"files", func(ctx context.Context, i int) error {
			_, _, err := s.dirAt(".manifest/a").Create(ctx, fmt.Sprintf(".latest_tmp_%d", i), false)
			return err
		}},
	} {
		var err error
		made := 0
		for ; err == nil && made < 2*maxDrafts; made++ {
			err = c.make(greedy, made)
		}
		wantErr(t, c.what+" of one user", err, syscall.ENOSPC)
		if err := c.make(other, 2*maxDrafts); err != nil {
			t.Errorf("%s: another user after %d: %v", c.what, made, err)
		}
	}
	fill := func(ctx context.Context, i int) error {
		_, h, err := s.dirAt(".manifest/a").Create(ctx, fmt.Sprintf(".latest_tmp_%d", i), false)
		ok(t, err)
		_, err = h.Write(ctx, []byte("x"), maxTemp-1)
		return err
	}
	s.drafts.temps, s.drafts.size = nil, 0
	for i := range maxTemps / maxTemp / 2 {
		ok(t, fill(greedy, i))
	}
	wantErr(t, "bytes of one user", fill(greedy, 99), syscall.ENOSPC)
	ok(t, fill(other, 99))
}
