package sourcetest

import (
	"io/fs"
	"slices"
	"strings"
	"testing"

	"artifactfs.dev/artifactfs/resolver"
)

// The index of the older format is one file: what it names exists as soon as it
// is written, and stays as it was when what is to replace it is none.
func testIndexer(t *testing.T, b *Backend) {
	s := b.Open(t)
	x := as[resolver.Indexer](t, s)
	_, err := x.IndexSize(ctx)
	wantError(t, err, fs.ErrNotExist, "IndexSize without an index")
	_, err = x.Index(ctx)
	wantError(t, err, fs.ErrNotExist, "Index without an index")
	const text = `{"old": {"name": "old", "versions": [{"version": 1, "path": "/d", "created_at": ""}], "aliases": {}}}`
	check(t, x.SetIndex(ctx, []byte(text)))
	wantError(t, x.SetIndex(ctx, []byte(text[1:])), fs.ErrInvalid, "SetIndex to what is none")
	wantError(t, x.SetIndex(ctx, []byte("{}")), fs.ErrExist, "SetIndex without a version that there is")
	wantError(t, x.SetIndex(ctx, []byte(strings.Replace(text, "/d", "/other", 1))), fs.ErrExist, "SetIndex with other data for a version")
	if got, err := x.Index(ctx); err != nil || string(got) != text {
		t.Errorf("Index = %s, %v", got, err)
	}
	if n, err := x.IndexSize(ctx); err != nil || n != int64(len(text)) {
		t.Errorf("IndexSize = %d, %v; want %d", n, err, len(text))
	}
	if names, err := s.Names(ctx, ""); err != nil || !slices.Equal(names, []string{"old"}) {
		t.Errorf("Names = %q, %v", names, err)
	}
	wantVersions(t, s, "old", 1, 1)
}
