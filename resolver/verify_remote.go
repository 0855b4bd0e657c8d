package resolver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"
)

// verifyRemote compares data behind a URI with what a log listed there. It lists it
// anew: what is remembered of a store that does not answer says nothing of it now.
func (t *Tree) verifyRemote(ctx context.Context, r *Verified, v *Version) *Verified {
	now, err := t.list(ctx, v, verifyEntries)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return r.is(Gone, err.Error())
	case errors.Is(err, syscall.EOPNOTSUPP): // as a directory on the web
		return r.is(Unknown, err.Error())
	case err != nil:
		return r.is(Unreachable, err.Error())
	}
	r.Files, r.Bytes = now.files, now.bytes
	logged := listingOf(t.recall(ctx, v.Name, v.N))
	if logged == nil {
		return r.is(Unknown, "it is there; what it was when it was logged is not recorded (verify --record records what it is now)")
	}
	if what := logged.changedTo(now); len(what) > 0 {
		return r.is(Changed, what...)
	}
	return r.is(OK)
}

// changedTo says what differs between two listings, in words; nothing if nothing does.
func (l *listing) changedTo(now *listing) []string {
	if l.digest == now.digest {
		return nil
	}
	what := sizesChanged(l.files, now.files, l.bytes, now.bytes)
	if what == nil {
		what = append(what, "files of the same number and size were renamed or replaced")
	}
	if !now.newest.IsZero() {
		what = append(what, "the last write was at "+when(now.newest))
	}
	return what
}

// sizesChanged says in words what differs in the number and the size of files.
func sizesChanged(files, filesNow int, bytes, bytesNow int64) (what []string) {
	if files != filesNow {
		what = append(what, fmt.Sprintf("%d files, %d when it was logged", filesNow, files))
	}
	if bytes != bytesNow {
		what = append(what, fmt.Sprintf("%d bytes, %d when it was logged", bytesNow, bytes))
	}
	return what
}
