package resolver

import (
	"io/fs"
	"testing"

	"artifactfs.dev/artifactfs/manifest"
)

func TestResolve(t *testing.T) {
	s := newSite(t, nil)
	s.file("d/x", "1")
	s.log("nano3-sft-data", "d")
	s.log("nano3-sft-data", `{"path": "DATA/d", "aliases": ["prod"]}`)
	s.log("nano3-sft-data", "d")
	s.log("embed/model", "d")
	for in, want := range map[string]string{
		"nano3-sft-data": "nano3-sft-data:v3", "nano3-sft-data:latest": "nano3-sft-data:v3", "nano3-sft-data:v01": "nano3-sft-data:v1",
		"nano3-sft-data:1": "nano3-sft-data:v1", "nano3-sft-data:prod": "nano3-sft-data:v2", "nano3/sft/data:prod": "nano3-sft-data:v2",
		"art://embed/model:v1/x": "embed/model:v1",
	} {
		v, err := s.Resolve(ctx, ref(t, in))
		if err != nil || v.String() != want {
			t.Errorf("%s: %v %v, want %s", in, v, err, want)
		}
	}
	for in, words := range map[string][]string{
		"nano3-sft-dta":      {"did you mean nano3-sft-data?", s.root},
		"nano3-sft-data:v9":  {"3 versions from v1 to v3", "latest", "prod"},
		"nano3-sft-data:pro": {"prod"},
		"embed":              {"embed/model"},
		"embed/mode":         {"did you mean embed/model?"},
		"qqqqqqqqqqqqqqqq":   {"no artifact"},
	} {
		_, err := s.Resolve(ctx, ref(t, in))
		wantErr(t, in, err, fs.ErrNotExist, words...)
	}
	v, err := s.Resolve(ctx, ref(t, "nano3-sft-data"))
	ok(t, err)
	v, err = s.Data(ctx, v)
	ok(t, err)
	s.want("base", v.Base, s.data+"/d")
}

func TestAlias(t *testing.T) {
	s := newSite(t, nil)
	s.file("d/x", "1")
	s.log("a", "d")
	s.log("a", "d")
	ok(t, s.Alias(ctx, ref(t, "a:v1"), "prod"))
	s.want("prod", s.readlink("a/prod"), "v1")
	ok(t, s.Alias(ctx, ref(t, "a"), "prod"))
	s.want("prod, moved", s.readlink("a/prod"), "v2")
	wantErr(t, "alias of no version", s.Alias(ctx, ref(t, "a:v7"), "prod"), fs.ErrNotExist)
	for _, bad := range []string{"latest", "v3", "7", "", ".x", "x/y"} {
		wantErr(t, bad, s.Alias(ctx, ref(t, "a:v1"), bad), fs.ErrInvalid)
	}
	ok(t, s.RemoveAlias(ctx, "a", "prod"))
	s.wantNone("a/prod", fs.ErrNotExist)
	wantErr(t, "remove no alias", s.RemoveAlias(ctx, "a", "prod"), fs.ErrNotExist)
}

func TestDanglingLatestCarriesAWarning(t *testing.T) {
	s := newSite(t, nil)
	s.file("d/x", "1")
	s.record("a", 1, manifest.Manifest{Path: s.data + "/d"})
	write1(t, s.root+"/a/latest", "v9")
	v, err := s.Resolve(ctx, ref(t, "a"))
	ok(t, err)
	if v.N != 1 || len(v.Warnings) != 1 {
		t.Errorf("%v %q", v, v.Warnings)
	}
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"a", "", 1}, {"kitten", "sitting", 3}, {"données", "donnees", 1}, {"abc", "xyz", 3}, {"abcdefgh", "x", 5}} {
		if got := distance(c.a, c.b, 5); got != c.want {
			t.Errorf("distance %q %q: %d, want %d", c.a, c.b, got, c.want)
		}
		if got := distance(c.b, c.a, 5); got != c.want {
			t.Errorf("distance %q %q: %d, want %d", c.b, c.a, got, c.want)
		}
	}
}
