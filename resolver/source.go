package resolver

import (
	"context"

	"artifactfs.dev/artifactfs/internal/store"
	"artifactfs.dev/artifactfs/manifest"
)

// Source is a backend: it names artifacts, lists their versions and reads their
// records. Implementations are safe for concurrent use, act as the caller in ctx,
// and never report fs.ErrNotExist for what they merely could not reach.
type Source interface {
	// Names returns the path components directly below prefix that lead to
	// artifacts, sorted; "" is the root.
	Names(ctx context.Context, prefix string) ([]string, error)

	// Versions lists one artifact; fs.ErrNotExist if there is none of that name.
	// Latest is read anew each time where that costs no request over a network.
	Versions(ctx context.Context, name string) (*manifest.Listing, error)

	// Manifest returns the record of one version, complete or retired;
	// fs.ErrNotExist if there is none.
	Manifest(ctx context.Context, name string, version int) (*manifest.Record, error)
}

// Publisher is a Source that logs new versions.
type Publisher interface {
	// Publish gives the draft the next free number, 1 or more, and returns it once
	// the version is durable. No number is ever given twice. An error with a number
	// is of what was to follow: the version is logged.
	Publish(ctx context.Context, name string, d *manifest.Draft) (int, error)
}

// Filer is a Source that keeps files of its own for versions, beside records that
// say where data lies.
type Filer interface {
	// Files returns the files of one version in the store's own layout, those that it
	// only refers to among them; fs.ErrNotExist if there is no such version, and
	// errors.ErrUnsupported if none are kept of it. It is asked for them often.
	Files(ctx context.Context, name string, version int) (store.Files, error)
}

// Remote is data that records refer to by URI.
type Remote interface {
	// Has reports whether URIs of this kind are read.
	Has(uri string) bool
	// Allowed returns why a version's data may not lie there, if it may not: EPERM.
	Allowed(uri string) error
	// Files returns what lies there; of an object, what lies beside it. It asks nothing.
	Files(ctx context.Context, uri string) (store.Files, error)
}

// Forgetter is a Remote that remembers what it has listed, for who must know what there
// is now.
type Forgetter interface {
	// Forget has the next Files of a URI list anew.
	Forget(uri string)
}

// Describer is a Source that knows more of a version than its record holds.
type Describer interface {
	// Describe returns all that it knows, by names of its own; fs.ErrNotExist if there
	// is no such version.
	Describe(ctx context.Context, name string, version int) (manifest.Object, error)
}

// Pusher logs versions to W&B in the background, however often that has to be tried.
type Pusher interface {
	// Push takes a draft. When it returns without an error the draft is on disk, and is
	// logged once, whatever becomes of this process. version is its number in the
	// manifest store, manifest.NoVersion where it was not logged there.
	Push(ctx context.Context, name string, version int, d *manifest.Draft) (*manifest.Push, error)

	// Pushed returns what has become of a push; fs.ErrNotExist if there was none of this
	// id, or it was long ago.
	Pushed(ctx context.Context, id string) (*manifest.Push, error)
}

// Intender is a Pusher that makes up for a process that ends between the log to the
// manifest store and the push.
type Intender interface {
	// Intend notes what is about to be logged to the manifest store and then pushed. drop
	// is called once it was pushed, or will not be. Without it the pusher asks the store
	// which number it got, if any, and pushes it then.
	Intend(ctx context.Context, name string, d *manifest.Draft) (drop func(), err error)
}

// Claimer is a Source that upstream's own writer can log to, file by file.
type Claimer interface {
	// Claim takes exactly this number; fs.ErrExist if it is taken.
	Claim(ctx context.Context, name string, version int) error
	// Put writes manifest.json or metadata.json of a claimed version, whole or not at all.
	Put(ctx context.Context, name string, version int, file string, data []byte) error
	// Advance moves latest forward to version; a lower number changes nothing.
	Advance(ctx context.Context, name string, version int) error
}

// Indexer is a Source that keeps upstream's older format beside its own: one file,
// .art_index.json, for the whole store.
type Indexer interface {
	// IndexSize returns its size; fs.ErrNotExist if there is none.
	IndexSize(ctx context.Context) (int64, error)
	// Index returns what it holds.
	Index(ctx context.Context) ([]byte, error)
	// SetIndex replaces it, whole or not at all; fs.ErrInvalid for what is no index,
	// fs.ErrExist for one that loses or changes versions of the one there.
	SetIndex(ctx context.Context, b []byte) error
}

// Aliaser is a Source whose versions can be given further names.
type Aliaser interface {
	SetAlias(ctx context.Context, name, alias string, version int) error
	RemoveAlias(ctx context.Context, name, alias string) error
}

// Retirer is a Source that can hide a version that was logged by mistake.
type Retirer interface {
	Retire(ctx context.Context, name string, version int, why string, undo bool) error
	// Retirement returns why a version is retired; fs.ErrNotExist if it is not.
	Retirement(ctx context.Context, name string, version int) (manifest.Retirement, error)
}

// Pinner keeps what jobs see as latest and other aliases, for all nodes, as the
// caller. An error that is neither fs.ErrNotExist nor that nobody answered means
// that this is no place for the snapshot's pins.
type Pinner interface {
	// Pinned returns a pin; fs.ErrNotExist if there is none.
	Pinned(ctx context.Context, id, name, alias string) (*manifest.Pin, error)
	// Pin pins to unless there is a pin, and returns the one there is then.
	Pin(ctx context.Context, id, name, alias string, to manifest.Target) (*manifest.Pin, error)
	// Move pins to in place of what was pinned, with forward only of a lower one.
	Move(ctx context.Context, id, name, alias string, to manifest.Target, forward bool) error
}

// SnapshotLister is a Pinner that knows what it has, as far as the caller may.
type SnapshotLister interface {
	Snapshots(ctx context.Context) ([]string, error)
	// Pins returns the pins of one snapshot; fs.ErrNotExist if it has none.
	Pins(ctx context.Context, id string) ([]*manifest.Pin, error)
}

// Scoped is a Source whose answers may depend on who asks, as a directory's do.
type Scoped interface {
	// Public reports whether every user gets the same answers about name, so
	// that the kernel may keep them for all; "" is the root.
	Public(ctx context.Context, name string) bool

	// PublicVersion reports the same of one version's record.
	PublicVersion(ctx context.Context, name string, version int) bool

	// OpenToAll is PublicVersion asked anew, and says why not. An error that wraps
	// a system's is no answer. Checks of one round share what they find.
	OpenToAll(ctx context.Context, name string, version int, round *store.Round) error
}

// Trimmer is a Source that can do with less memory.
type Trimmer interface {
	// Trim gives back the memory of what can be had again, the last known answers
	// about what was asked for last excepted.
	Trim()
}

// Namer is a Source that knows of some names without asking anybody.
type Namer interface {
	// Named reports whether a listing of late, a minute ago at most, has name; false is no
	// answer.
	Named(name string) bool
}

// Surveyor is a Source that can list all artifacts for much less than one by one.
type Surveyor interface {
	// Survey calls fn with every artifact at prefix and below, "" being all, in no order
	// and one at a time, with a Listing whose Claimed may be missing. errors.ErrUnsupported:
	// they have to be listed one by one, even if fn was called with some.
	Survey(ctx context.Context, prefix string, fn func(name string, l *manifest.Listing)) error
}

// Refresher is a Source that caches.
type Refresher interface {
	// Refresh forgets what is cached about name; "" is everything.
	Refresh(name string)
}
