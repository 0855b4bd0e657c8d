package resolver

import (
	"io/fs"
	"strings"
	"testing"

	"artifactfs.dev/artifactfs/manifest"
)

func TestFields(t *testing.T) {
	s := newSite(t, nil)
	s.file("d/train/0", "1")
	s.log("team/a", `{"path": "DATA/d", "type": "SFTDataArtifact", "pack_size": 4096, "train": "DATA/d/train",
		"outside": "DATA/other", "nothing": null, "flag": true, "lr": 1e-05, "tags": ["x"], "o": {"k": "v"}, "metadata": {"deep": 7}}`)
	s.log("team/a", "d")

	const v = ".fields/team/a/v1/"
	for field, want := range map[string]string{
		"pack_size": "4096\n", "type": "SFTDataArtifact\n", "path": s.data + "/d\n", "version": "v1\n", "name": "team/a\n",
		"train": s.data + "/d/train\n", "nothing": "null\n", "flag": "true\n", "lr": "1e-05\n", "deep": "7\n", "metadata.deep": "7\n",
	} {
		if strings.HasPrefix(field, "metadata.") {
			continue
		}
		s.want(field, s.read(v+field), want)
	}
	s.want("train.link", s.readlink(v+"train.link"), "../../../../team/a/v1/train")
	s.want("path.link", s.readlink(v+"path.link"), "../../../../team/a/v1")
	s.want("through the link", s.read(v+"train.link/0"), "1")
	s.wantNone(v+"outside.link", fs.ErrNotExist, "not a path in it")
	s.wantNone(v+"pack_size.link", fs.ErrNotExist)
	s.wantNone(v+"unknown", fs.ErrNotExist, "no field unknown")
	s.wantNone(v+"metadata_dir", fs.ErrNotExist)

	flat := s.read(v + "manifest.json")
	o, err := manifest.ParseJSON([]byte(flat))
	ok(t, err)
	get := func(key string) any { v, _ := o.(manifest.Object).Get(key); return v }
	if get("pack_size") != manifest.Number("4096") || get("nothing") != "null" || get("o") != `{"k": "v"}` {
		t.Errorf("flattened: %s", flat)
	}
	s.wantLs(".fields", "team/")
	s.wantLs(".fields/team", "a/")
	s.wantLs(".fields/team/a", "latest/ v1/ v2/")
	s.want("latest", s.read(".fields/team/a/latest/version"), "v2\n")
	if got := s.ls(".fields/team/a/v1"); !strings.Contains(got, " path path.link@ ") || !strings.Contains(got, "train.link@") || strings.Contains(got, "outside.link") {
		t.Errorf("ls: %s", got)
	}
	for _, path := range []string{".fields/team/a/v9", ".fields/team/a/prod", ".fields/none", ".fields/team/a/v01"} {
		s.wantNone(path, fs.ErrNotExist)
	}
}

// Keys that no file can be named after are in manifest.json only.
func TestHostileFields(t *testing.T) {
	s := newSite(t, nil)
	s.file("d/x", "1")
	s.log("a", `{"path": "DATA/d", "a/b": 1, "..": 2, "": 3, "manifest.json": 4, "`+strings.Repeat("k", 256)+`": 5, "z.link": 6, "z": "DATA/d/x"}`)
	got := s.ls(".fields/a/v1")
	for _, bad := range []string{"a/b", "..", "kkk"} {
		if strings.Contains(got, bad) {
			t.Errorf("listed %q: %s", bad, got)
		}
	}
	s.want("a field that ends in .link", s.read(".fields/a/v1/z.link"), "6\n")
	for _, key := range []string{`"a/b": 1`, `"..": 2`} {
		if !strings.Contains(s.read(".fields/a/v1/manifest.json"), key) {
			t.Errorf("manifest.json has no %s", key)
		}
	}
}
