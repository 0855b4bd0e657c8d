// Package sourcetest is what every backend must pass: what resolver.Source and
// its second interfaces promise, as tests. A backend joins by a function that
// makes an empty store:
//
//	func TestSource(t *testing.T) {
//		sourcetest.Run(t, func(t *testing.T) *sourcetest.Backend { … })
//	}
//
// What a backend cannot do (no second interface, a nil function) is skipped.
package sourcetest

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"testing"
	"time"

	"artifactfs.dev/artifactfs/manifest"
	"artifactfs.dev/artifactfs/resolver"
)

// Backend is a store, empty at first.
type Backend struct {
	// Open returns a Source over the store. Two are as independent of each other
	// as two nodes are: they share the store and nothing else.
	Open func(t testing.TB) resolver.Source

	// TTL is how long a Source may go on answering what it read before.
	TTL time.Duration

	// Flat is set for a store whose names have no slashes.
	Flat bool

	// Lacks names the tests of what the store has no notion of, and why.
	Lacks map[string]string

	// Write puts a file at a path below the root, behind the back of every
	// Source, as another writer would. May be nil.
	Write func(t testing.TB, path, content string)

	// Link puts a symbolic link there. May be nil.
	Link func(t testing.TB, path, target string)

	// Break makes the store unreachable until mend is called. May be nil.
	Break func(t testing.TB) (mend func())
}

// Run runs the suite. make is called for each test.
func Run(t *testing.T, open func(t *testing.T) *Backend) {
	for _, c := range []struct {
		name string
		test func(*testing.T, *Backend)
	}{
		{"Names", testNames},
		{"Unknown", testUnknown},
		{"RoundTrip", testRoundTrip},
		{"Numbering", testNumbering},
		{"RequestID", testRequestID},
		{"PublishRace", testPublishRace},
		{"ClaimRace", testClaimRace},
		{"Claimer", testClaimer},
		{"Indexer", testIndexer},
		{"LatestForward", testLatestForward},
		{"VersionZero", testVersionZero},
		{"Alias", testAlias},
		{"Retire", testRetire},
		{"Immutable", testImmutable},
		{"OtherNode", testOtherNode},
		{"Incomplete", testIncomplete},
		{"Hostile", testHostile},
		{"Links", testLinks},
		{"Unreachable", testUnreachable},
		{"ConcurrentUse", testConcurrentUse},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := open(t)
			if why := b.Lacks[c.name]; why != "" {
				t.Skip(why)
			}
			c.test(t, b)
		})
	}
}

// as returns s as one of the second interfaces, or skips the test.
func as[T any](t *testing.T, s resolver.Source) T {
	t.Helper()
	v, ok := s.(T)
	if !ok {
		t.Skipf("%T is no %T", s, &v)
	}
	return v
}

// needs skips the test unless the backend has what it takes.
func needs(t *testing.T, there bool, what string) {
	t.Helper()
	if !there {
		t.Skip("the backend has no " + what)
	}
}

// draft is a version of name whose data lies at path.
func draft(name, path string) *manifest.Draft {
	return &manifest.Draft{
		Manifest: manifest.Manifest{
			Name: name, Type: "Artifact", Path: path, CreatedAt: "2026-08-21T09:00:00.125000+00:00", Producer: "local",
			Metadata: manifest.Object{}, Inputs: []string{}, UsedArtifacts: []string{},
		},
		Metadata: manifest.Object{{Key: "path", Value: path}, {Key: "pack_size", Value: manifest.Number("4096")}},
	}
}

// publish logs a version that must get the number want.
func publish(t *testing.T, s resolver.Source, name, path string, want int) {
	t.Helper()
	got, err := as[resolver.Publisher](t, s).Publish(context.Background(), name, draft(name, path))
	if err != nil || got != want {
		t.Fatalf("Publish(%s) = v%d, %v; want v%d", name, got, err, want)
	}
}

func versions(t *testing.T, s resolver.Source, name string) *manifest.Listing {
	t.Helper()
	l, err := s.Versions(context.Background(), name)
	if err != nil {
		t.Fatalf("Versions(%s): %v", name, err)
	}
	return l
}

// wantVersions checks what a listing shows.
func wantVersions(t *testing.T, s resolver.Source, name string, latest int, want ...int) *manifest.Listing {
	t.Helper()
	l := versions(t, s, name)
	if !slices.Equal(l.Versions, want) || l.Latest != latest {
		t.Fatalf("Versions(%s) = %v, latest v%d; want %v, v%d (%s)", name, l.Versions, l.Latest, want, latest, l.Warning)
	}
	return l
}

func wantError(t *testing.T, err, want error, what string) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: %v; want %v", what, err, want)
	}
}

func wantNames(t *testing.T, s resolver.Source, prefix string, want ...string) {
	t.Helper()
	got, err := s.Names(context.Background(), prefix)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("Names(%q) = %q, %v; want %q", prefix, got, err, want)
	}
}

// slack is what a busy machine may add to a TTL.
const slack = 30 * time.Second

// within calls check until it is true or the store's TTL has passed.
func (b *Backend) within(t *testing.T, what string, check func() bool) {
	t.Helper()
	for end := time.Now().Add(b.TTL + slack); !check(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within %v and %v", what, b.TTL, slack)
		}
	}
}

func isNotExist(err error) bool { return errors.Is(err, fs.ErrNotExist) }
