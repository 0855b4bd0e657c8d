package resolver

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"artifactfs.dev/artifactfs/manifest"
)

// retired are those of W&B's versions of a name that the store has retired.
type retired struct {
	own []int       // what the store had retired, by its numbers
	of  int         // how many versions W&B had
	out []int       // by W&B's, ascending
	is  map[int]int // the store's number of W&B's, of those that were looked at
	at  time.Time
}

// bookAgain is after how long a retired version that W&B was not known to have is looked for
// again, if W&B has no new one.
const bookAgain = time.Minute

// holds reports whether the same question would have the same answer: of a version that
// both are known to have that never changes.
func (r *retired) holds(own []int, of int) bool {
	return slices.Equal(r.own, own) && (len(r.out) == len(own) || r.of == of && time.Since(r.at) < bookAgain)
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

// retiredAtWandB asks as this process, since the answer is kept for all.
func (u *Union) retiredAtWandB(name string, versions, own []int) []int {
	u.mu.Lock()
	last := u.hidden[name]
	u.mu.Unlock()
	if last == nil {
		last = &retired{}
	} else if last.holds(own, len(versions)) {
		return last.out
	}
	ctx := context.Background()
	both, err := u.book.WandBVersions(ctx, name)
	if err != nil { // the store does not say now
		return last.out
	}
	both = slices.DeleteFunc(slices.Clone(both), func(n int) bool { return !slices.Contains(versions, n) })
	r := &retired{own: own, of: len(versions), is: make(map[int]int), at: time.Now()}
	maps.Copy(r.is, last.is)
	for _, k := range own {
		n, err := u.atWandB(ctx, name, k, both, r.is)
		if err != nil {
			return last.out
		}
		if n != manifest.NoVersion {
			r.out = append(r.out, n)
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

// atWandB returns what W&B calls the store's version k, of the numbers both that the book has;
// NoVersion if it is none. Each number costs a request in a bucket: those come first that are
// likely, and what is read is kept in is.
func (u *Union) atWandB(ctx context.Context, name string, k int, both []int, is map[int]int) (int, error) {
	away := func(n int) int { return max(n-(k-1), k-1-n) } // W&B counts from 0, a store from 1
	for _, n := range slices.SortedFunc(slices.Values(both), func(a, b int) int { return cmp.Compare(away(a), away(b)) }) {
		if _, seen := is[n]; !seen {
			v, err := u.known(ctx, name, n)
			if err != nil && !absent(err) {
				return 0, err
			} else if err != nil {
				v = manifest.NoVersion // of another project
			}
			is[n] = v
		}
		if is[n] == k {
			return n, nil
		}
	}
	return manifest.NoVersion, nil
}
