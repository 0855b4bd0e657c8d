package resolver

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"
)

const oldIndex = `{
  "old": {
    "name": "old",
    "versions": [
      {"version": 1, "path": "DATA/d", "created_at": "2026-01-01T00:00:00+00:00", "metadata": {}},
      {"version": 2, "path": "DATA/e", "created_at": "2026-01-02T00:00:00+00:00", "metadata": {"k": 1}}
    ],
    "aliases": {"latest": 2, "prod": 1}
  }
}`

func (s *site) index(text string) string { return strings.ReplaceAll(text, "DATA", s.data) }

// Upstream's code for the older format reads and writes its index through
// .manifest, and what the index names can be found from then on.
func TestIndexFile(t *testing.T) {
	s := newSite(t, nil)
	s.file("d/x", "1")
	s.file("e/x", "2")
	s.log("a", "d")
	s.wantNone(".manifest/.art_index.json", fs.ErrNotExist)
	s.wantNone("old", fs.ErrNotExist)
	w, _ := s.writer()
	ok(t, w.put(".manifest", ".art_index.tmp", ".art_index.json", s.index(oldIndex)))
	s.wantLs(".manifest", ".art_index.json a/ old/")
	s.want("the index", s.read(".manifest/.art_index.json"), s.index(oldIndex))
	if e := s.walk1(".manifest/.art_index.json"); e.Attr.Size != int64(len(s.index(oldIndex))) || e.Valid != 0 {
		t.Errorf("it is known as %+v", e)
	}
	s.wantLs("old", "latest@ prod@ v1/ v2/")
	s.want("through the index", s.read("old/latest/x"), "2")

	moved := strings.Replace(s.index(oldIndex), `"prod": 1`, `"prod": 2`, 1)
	ok(t, w.put(".manifest", ".art_index.tmp", ".art_index.json", moved))
	s.want("an alias that was moved", s.readlink("old/prod"), "v2")
	onDisk, err := os.ReadFile(s.root + "/.art_index.json")
	ok(t, err)
	s.want("in the store", string(onDisk), moved)
	ok(t, os.Remove(s.root+"/.art_index.json"))
	s.wantNone(".manifest/.art_index.json", fs.ErrNotExist)
	s.wantLs(".manifest", "a/")
}

// What would stop upstream's readers for every name is not put in place.
func TestIndexFileRefused(t *testing.T) {
	s := newSite(t, nil)
	w, _ := s.writer()
	good := s.index(oldIndex)
	ok(t, w.put(".manifest", ".art_index.tmp", ".art_index.json", good))
	for _, text := range []string{
		"", "[]", `{"a": 1}`, `{"a": {"versions": []}}`, good[:len(good)-1], good + "x", "\xef\xbb\xbf" + good,
		`{"a": {"name": "a", "versions": [{"version": 1, "path": "/d"}]}}`,
		`{"a": {"name": "a", "versions": [{"version": 1, "created_at": ""}]}}`,
		`{"a": {"name": "a", "versions": [{"path": "/d", "created_at": ""}]}}`,
		`{"a": {"name": "a", "versions": {"version": 1}}}`,
	} {
		wantErr(t, "an index of "+clip(text), w.put(".manifest", ".art_index.tmp", ".art_index.json", text), fs.ErrInvalid, ".art_index.json")
	}
	s.want("the index", s.read(".manifest/.art_index.json"), good)

	d := s.dirAt(".manifest")
	for _, name := range []string{".art_index.json", ".art_index", "x.json"} {
		_, _, err := d.Create(w.ctx, name, false)
		wantErr(t, "a new "+name, err, syscall.EPERM, ".art_index.tmp")
	}
	_, _, err := d.Create(w.ctx, ".art_index.tmp", false)
	ok(t, err)
	wantErr(t, "to another name", d.Rename(w.ctx, ".art_index.tmp", d, "a"), syscall.EROFS)
	wantErr(t, "of the index", d.Rename(w.ctx, ".art_index.json", d, ".art_index.tmp"), syscall.EROFS)
	wantErr(t, "removal", d.Unlink(w.ctx, ".art_index.json"), syscall.EROFS)
	s.wantLs(".manifest", ".art_index.json .art_index.tmp old/")
	ok(t, d.Unlink(w.ctx, ".art_index.tmp"))
}

// A store that is gone has no index only for those who cannot tell.
func TestIndexFileUnreachable(t *testing.T) {
	s := newSite(t, nil)
	s.log("a", `{"path": "DATA"}`)
	ok(t, os.Rename(s.root, s.root+".away"))
	_, err := s.Walk(ctx, ".manifest/.art_index.json")
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the index of a store that is gone: %v", err)
	}
}
