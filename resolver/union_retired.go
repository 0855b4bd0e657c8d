package resolver

import (
	"context"
	"slices"
	"time"

	"artifactfs.dev/artifactfs/manifest"
)

// retired are those of W&B's versions of a name that the store has retired.
type retired struct {
	own []int // what the store had retired, by its numbers
	of  int   // how many versions W&B had
	out []int // by W&B's, ascending
	at  time.Time
}

// holds reports whether the same question would have the same answer: of a version that
// both are known to have that never changes.
func (r *retired) holds(own []int, of int) bool {
	return slices.Equal(r.own, own) && (len(r.out) == len(own) || r.of == of && time.Since(r.at) < recheck)
}

// hideRetired takes out of a listing by W&B's numbers what the store has retired, and
// moves latest back if it named such a one. W&B itself has no word for it.
func (u *Union) hideRetired(name string, l *manifest.Listing, own []int) *manifest.Listing {
	if len(own) == 0 || len(l.Versions) == 0 || u.book == nil {
		return l
	}
	hide := u.retiredAtWandB(name, l.Versions, own)
	if len(hide) == 0 {
		return l
	}
	is := func(n int) bool { return slices.Contains(hide, n) }
	out := *l
	out.Retired = hide
	out.Versions = slices.DeleteFunc(slices.Clone(l.Versions), is)
	if is(l.Latest) {
		out.Latest = manifest.NoVersion
		if n := len(out.Versions); n > 0 {
			out.Latest = out.Versions[n-1]
		}
	}
	return &out
}

// retiredAtWandB looks from the newest on, and asks as this process, since the answer is
// kept for all.
func (u *Union) retiredAtWandB(name string, versions, own []int) []int {
	u.mu.Lock()
	last := u.hidden[name]
	u.mu.Unlock()
	if last != nil && last.holds(own, len(versions)) {
		return last.out
	}
	r := &retired{own: own, of: len(versions), at: time.Now()}
	for _, n := range slices.Backward(versions) {
		k, err := u.known(context.Background(), name, n)
		switch {
		case err == nil && slices.Contains(own, k):
			r.out = append(r.out, n)
		case err != nil && !absent(err) && last != nil: // the store does not say now
			return last.out
		case err != nil && !absent(err):
			return nil
		}
		if len(r.out) == len(own) {
			break
		}
	}
	slices.Sort(r.out)
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.hidden == nil {
		u.hidden = make(map[string]*retired)
	}
	u.hidden[name] = r
	return r.out
}
