package resolver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"artifactfs.dev/artifactfs/internal/store"
	"artifactfs.dev/artifactfs/manifest"
)

// Union is a manifest store and W&B as one Source. One of them numbers: its versions
// are NAME/vN. The other's are reached by its view, and by latest and other aliases
// where the first one has no answer.
//
//   - W&B numbers: versions are W&B's. While W&B does not answer, or is off, the store
//     answers for those numbers that it knows to be versions of its own. Other numbers
//     are an error then, and never another version's data.
//   - The manifest numbers: versions are the store's, whatever W&B has.
//
// W&B's names have no slashes. Names with slashes are the store's under either.
type Union struct {
	manifest, wandb Source // one may be nil
	book            Book   // of the store; nil if it keeps none
	set             manifest.Numbering
	wait            func() time.Duration // how long W&B is waited for

	mu    sync.Mutex // guards what follows
	by    manifest.Numbering
	read  time.Time      // when the store had no record of it
	done  bool           // it is recorded, and cannot change
	asked map[string]int // by name, the latest number of the book's that W&B was asked after

	hidden map[string]*retired // by name
}

// Book is a manifest Source that records whose numbers the tree has, and which of
// its versions W&B has too.
type Book interface {
	// Numbering returns whose numbers; fs.ErrNotExist while that is not recorded.
	Numbering(ctx context.Context) (manifest.Numbering, error)
	// SetNumbering records it, unless it is, and returns what is recorded then.
	SetNumbering(ctx context.Context, n manifest.Numbering, log bool) (manifest.Numbering, error)
	// FromWandB returns what is known of W&B's version n; fs.ErrNotExist if nothing is.
	FromWandB(ctx context.Context, name string, n int) (*manifest.WandB, error)
	// WandBVersions returns those n, ascending.
	WandBVersions(ctx context.Context, name string) ([]int, error)
}

var (
	_ Source = (*Union)(nil)
	_ Book   = (*manifest.Dir)(nil)
)

// NewUnion returns a manifest store and W&B as one. Either may be nil. by is the
// setting that says whose numbers the tree has; "" leaves it to what the store has
// recorded, else to W&B where that is on.
func NewUnion(m, w Source, by manifest.Numbering) (*Union, error) {
	u := &Union{manifest: m, wandb: w, set: by, wait: func() time.Duration { return store.DefaultDeadline }}
	u.book, _ = m.(Book)
	if m == nil && by == manifest.ByManifest {
		return nil, fmt.Errorf("numbering = %q, and no manifest store is on: set artifacts.manifest.root too, or numbering = %q: %w", by, manifest.ByWandB, fs.ErrInvalid)
	}
	return u, nil
}

// String names the stores, for messages.
func (u *Union) String() string {
	var words string
	for _, s := range []Source{u.wandb, u.manifest} {
		if s == nil {
			continue
		}
		if words != "" {
			words += ", or in "
		}
		words += fmt.Sprint(s)
	}
	return words
}

// usual is who numbers unless something else is set or recorded.
func (u *Union) usual() manifest.Numbering {
	if u.wandb != nil {
		return manifest.ByWandB
	}
	return manifest.ByManifest
}

// Numbering returns whose numbers NAME/vN are. It fails while that cannot be read,
// and where the backends that are on would make of NAME/vN another version than it
// has been.
func (u *Union) Numbering(context.Context) (manifest.Numbering, error) {
	if u.set != "" || u.book == nil {
		return u.choose(u.set)
	}
	u.mu.Lock()
	by, known := u.by, u.done || u.by != "" && time.Since(u.read) < recheck
	u.mu.Unlock()
	if known {
		return u.choose(by)
	}
	// As this process: who asks may not be allowed to read it.
	by, err := u.book.Numbering(context.Background())
	recorded := err == nil
	if errors.Is(err, fs.ErrNotExist) {
		by, err = u.usual(), nil
	}
	if err != nil {
		u.mu.Lock()
		last := u.by
		u.mu.Unlock()
		if last != "" { // what this process has gone by, while the store says nothing
			return u.choose(last)
		}
		return "", unanswered(fmt.Errorf("%w (whose numbers NAME/vN are is recorded there; artifactfs.numbering says it too)", err))
	}
	u.note(by, recorded)
	return u.choose(by)
}

func (u *Union) note(by manifest.Numbering, recorded bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.done {
		u.by, u.read, u.done = by, time.Now(), recorded
	}
}

// choose refuses a record that the backends that are on would change.
func (u *Union) choose(by manifest.Numbering) (manifest.Numbering, error) {
	switch {
	case by == "":
		return u.usual(), nil
	case by == u.usual() || u.set != "":
		return by, nil
	}
	now := "W&B is on, and would number them instead"
	if by == manifest.ByWandB {
		now = "W&B is off, and the store would number them instead"
	}
	return "", &Renumbered{fmt.Sprintf("in %v NAME/vN are %s's numbers, and %s: set artifactfs.numbering = %q to keep what vN means, or %q to change it",
		u.manifest, by, now, by, u.usual())}
}

// Renumbered is that the backends which are on would give every NAME/vN of a store
// another meaning.
type Renumbered struct{ words string }

func (e *Renumbered) Error() string { return e.words }
func (e *Renumbered) Unwrap() error { return syscall.EIO }

// Settle records whose numbers the tree has, where nothing is recorded yet, at a mount
// or, with log, as a version is about to be logged. A store that takes no record is
// none the worse for it: the next mount or log that can does it.
func (u *Union) Settle(ctx context.Context, log bool) error {
	by, err := u.Numbering(ctx)
	u.mu.Lock()
	done := u.done
	u.mu.Unlock()
	if err != nil || done || u.book == nil {
		return err
	}
	got, err := u.book.SetNumbering(ctx, by, log)
	if err == nil && u.set == "" {
		u.note(got, got != by)
		_, err = u.choose(got)
		return err
	}
	return nil
}

// unanswered is that a backend gave no answer, which is never that there is nothing.
func unanswered(err error) error {
	kind := error(syscall.EIO)
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, syscall.ETIMEDOUT) {
		kind = os.ErrDeadlineExceeded
	}
	return &silent{err, kind}
}

type silent struct{ cause, kind error }

func (e *silent) Error() string { return e.cause.Error() }
func (e *silent) Unwrap() error { return e.kind }

func absent(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// Names returns the names of both. One that does not answer is left out: it is
// degraded, and its names are found again when it is asked for one of them.
func (u *Union) Names(ctx context.Context, prefix string) ([]string, error) {
	if u.manifest == nil {
		return u.namesOfWandB(ctx, prefix)
	}
	names, err := u.manifest.Names(ctx, prefix)
	if u.wandb == nil || prefix != "" && !absent(err) {
		return names, err
	}
	more, err2 := u.namesOfWandB(ctx, prefix)
	if err2 != nil && (err != nil || prefix != "") {
		return nil, err2
	}
	if err != nil && len(more) == 0 && prefix == "" {
		return nil, err
	}
	all := slices.Concat(names, more)
	slices.Sort(all)
	return slices.Compact(all), nil
}

// namesOfWandB are those of the configured project, which do not nest.
func (u *Union) namesOfWandB(ctx context.Context, prefix string) ([]string, error) {
	if prefix == "" {
		ctx, cancel := context.WithTimeout(ctx, u.wait())
		defer cancel()
		return u.wandb.Names(ctx, "")
	}
	_, err := u.ofWandB(ctx, prefix)
	return nil, err
}
