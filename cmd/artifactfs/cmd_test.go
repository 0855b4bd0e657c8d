package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"artifactfs.dev/artifactfs/manifest"
)

func TestSetValue(t *testing.T) {
	for in, want := range map[string]any{
		"4096": manifest.Number("4096"), "1e-05": manifest.Number("1e-05"), "true": true, "null": nil, `"x"`: "x", "x": "x", "": "",
		"/lustre/a": "/lustre/a", "[1]": []any{manifest.Number("1")}, "NaN": "NaN", "Infinity": "Infinity", "1 2": "1 2", "v3": "v3",
	} {
		if diff := cmp.Diff(want, setValue(in)); diff != "" {
			t.Errorf("setValue(%q) (-want +got):\n%s", in, diff)
		}
	}
}

// TestRequest: a flag means what the key of that name means in .log.
func TestRequest(t *testing.T) {
	l := logFlags{
		typ: "SFTDataArtifact", set: []string{"pack_size=4096", "note=a=b"}, used: []string{"d:v1"}, inputs: []string{"hf://o/d"},
		aliases: []string{"good"}, requestID: "r", jsonFile: "-",
	}
	o, err := l.object(strings.NewReader(`{"path": "/a", "pack_size": 1, "type": "x"}`), []string{"n", "/b"}, false)
	if err != nil {
		t.Fatal(err)
	}
	got, err := manifest.FinishRequest(manifest.AppendJSON(nil, o, 0))
	if err != nil {
		t.Fatal(err)
	}
	if got.Path != "/b" || got.Type != "SFTDataArtifact" || got.RequestID != "r" || got.Aliases[0] != "good" || got.Used[0] != "d:v1" || got.Inputs[0] != "hf://o/d" {
		t.Errorf("request %+v", got)
	}
	want := manifest.Object{{Key: "pack_size", Value: manifest.Number("4096")}, {Key: "note", Value: "a=b"}}
	if diff := cmp.Diff(want, got.Fields); diff != "" {
		t.Errorf("fields (-want +got):\n%s", diff)
	}
	for _, bad := range []logFlags{{set: []string{"x"}}, {set: []string{"=x"}}, {}} {
		args := []string{"n", "/b"}
		if len(bad.set) == 0 {
			args = args[:1] // no path at all
		}
		if _, err := bad.object(nil, args, false); err == nil || exitOf(err) != 2 {
			t.Errorf("%+v: error %v, want one of usage", bad, err)
		}
	}
}

func exitOf(err error) int {
	var u *usageError
	if errors.As(err, &u) {
		return 2
	}
	return 1
}

func TestTreePath(t *testing.T) {
	for in, want := range map[string]string{
		"n": "n", "n:v3": "n/v3", "n:3": "n/v3", "n:v05/a/b": "n/v5/a/b", "embed/data:prod": "embed/data/prod", "art://n:v1/f": "n/v1/f",
		"n/v3/a": "n/v3/a", "": "", ".manifest/n:3/a": ".manifest/n/v3/data/a",
	} {
		got, err := treePath(in)
		if err != nil || got != want {
			t.Errorf("treePath(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
	for _, in := range []string{"../m:v1", "n:v1/../v2", "/abs:v1", "n:"} {
		if got, err := treePath(in); err == nil {
			t.Errorf("treePath(%q) = %q, want an error", in, got)
		}
	}
}

// TestOneLine: an error with anybody's names in it is one line and moves nothing.
func TestOneLine(t *testing.T) {
	got := oneLine(errors.New("name \"a\nb\x1b[2J\u202e\x7f\": \xff"))
	if strings.ContainsAny(got, "\n\x1b\x7f\u202e") {
		t.Errorf("oneLine = %q", got)
	}
}

func TestPanelOffTerminal(t *testing.T) {
	var b bytes.Buffer
	panel(&b, "/mnt", []section{{"artifacts", []field{{"manifest", "/a\tb"}}}, {"", []field{{"lane", "copy"}}}})
	if got, want := b.String(), "artifacts.manifest\t/a?b\nlane\tcopy\n"; got != want {
		t.Errorf("panel = %q, want %q", got, want)
	}
}

func TestBox(t *testing.T) {
	var b bytes.Buffer
	box(&b, "Logged (données)", []string{"art://données:v1", "Path:     /lustre/données/with/a/long/path"})
	want := `
╭── Logged (données) ────────────────────────╮
│ art://données:v1                           │
│ Path:     /lustre/données/with/a/long/path │
╰────────────────────────────────────────────╯
`
	if diff := cmp.Diff(want, "\n"+b.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestThousands(t *testing.T) {
	for in, want := range map[float64]string{101: "101", 4096: "4,096", 1e6: "1,000,000", 123456789.6: "123,456,790"} {
		if got := thousands(in); got != want {
			t.Errorf("thousands(%v) = %q, want %q", in, got, want)
		}
	}
}

func TestDidSplit(t *testing.T) {
	plain, dotlist := splitArgs([]string{"n:v1", "artifacts.wandb=false", "/data/a=b", "x=y", "artifactfs.data=copy", "wandb.project=p", "artifacts={}"})
	if diff := cmp.Diff([]string{"n:v1", "/data/a=b", "x=y"}, plain); diff != "" {
		t.Error(diff)
	}
	if len(dotlist) != 4 {
		t.Errorf("dotlist %q", dotlist)
	}
}
