package manifest

import (
	"encoding/json"
	"errors"
	"io/fs"
	"math"
	"strings"
	"testing"

	"artifactfs.dev/artifactfs/manifest/manifesttest"
)

// refFixes are the references that we read otherwise than one of upstream's four
// parsers, on purpose: "" is refused. Beside the (F) of upstream's conformance
// list these follow from having one parser.
var refFixes = map[string]string{
	// 71: the version that W&B's names carry already counts once.
	"n:v3:v3":     "n:v3",
	"e/p/n:v3:v3": "e/p/n:v3",
	// 73: digits are ASCII. What is not a number is an alias that nobody has.
	"n:٣": "n:٣", "n:v٣": "n:v٣", "n:²": "n:²", "n:v²": "n:v²", "n:v１０": "n:v１０",
	// Numbers are not Python's: none of these is one.
	"n:-1": "n:-1", "n:v-1": "n:v-1", "n:+3": "n:+3", "n:1_0": "n:1_0", "n: 3": "n: 3",
	// A number that does not fit stays as it is, and is no number.
	"n:v99999999999999999999": "n:v99999999999999999999",
	// 74: nothing leaves the store or the version.
	"../n:v1": "", "/etc:v1": "", "n:/etc": "", "n:v1/../v2": "", "n:v1/../../x": "", "n:v1//a": "", "n:v1\x00": "",
	"/data/lustre/d": "",
	// 94: an empty name is none; and a colon wants a version.
	"": "", ":": "", ":v3": "", "n:": "", "C:/n:v1": "", "s3://b/k:v1/x": "", "ART://n:v1": "",
	// 10: an alias may start with v; upstream's art:// knows no aliases.
	"n:validated": "n:validated", "n:v": "n:v", "n:prod": "n:prod", "n:prod/a": "n:prod/a", "n:LATEST": "n:LATEST", "n:V3": "n:V3",
	// 7: a path may follow the version, in every door.
	"n:v3/a/b": "n:v3/a/b",
	// The slash at the end of a name or a path says nothing.
	"n/:v1": "n:v1",
	// 14, upstream's art:// falls back to what W&B calls n.
	"art://n:v1": "n:v1",
}

func TestParseRefCases(t *testing.T) {
	for _, c := range manifesttest.Cases(t, "parse_tracker", "parse_resolver", "parse_art") {
		t.Run(c.Test(), func(t *testing.T) {
			ref := c.Text("ref")
			got, err := ParseRef(ref)
			if err != nil {
				if !errors.Is(err, fs.ErrInvalid) {
					t.Errorf("%v is not fs.ErrInvalid", err)
				}
				got = Ref{}
			}
			want, fixed := refFixes[strings.TrimPrefix(ref, "art://")]
			if ref == "art://n:v1" {
				want, fixed = refFixes[ref]
			}
			if len(ref) > maxComponent {
				want, fixed = "", true // no store has such a name
			}
			if c.Fix != "" && !fixed {
				t.Fatalf("the fix %q is not in the table", c.Fix)
			}
			if !fixed {
				want = upstreamRef(t, c)
			}
			if s := refString(got); s != want {
				t.Errorf("ParseRef(%.80q) is %q (%v), want %q", ref, s, err, want)
			}
		})
	}
}

func refString(r Ref) string {
	if r.Name == "" {
		return ""
	}
	return r.String()
}

// upstreamRef is upstream's answer in our spelling, in which v05 and 5 are v5.
func upstreamRef(t *testing.T, c manifesttest.Case) string {
	t.Helper()
	if c.Error != "" {
		t.Fatalf("upstream says %s and the table does not", c.Error)
	}
	var got struct {
		Name    string
		Version any
		File    string
	}
	d := json.NewDecoder(strings.NewReader(string(c.RawResult)))
	d.UseNumber()
	if err := d.Decode(&got); err != nil {
		t.Fatal(err)
	}
	r := Ref{Name: got.Name, Version: Latest, Sub: got.File}
	switch v := got.Version.(type) {
	case json.Number:
		r.Version = "v" + v.String()
	case string:
		r.Version = v
		if n, ok := ParseVersion(v); ok {
			r.Version = n.String() // 3: v05 is 5 for the resolver too
		}
	}
	return r.String()
}

func TestRef(t *testing.T) {
	for _, tt := range []struct {
		ref    string
		want   Ref
		dashed string // "" if the name has no slashes
		wandb  string
	}{
		{"n", Ref{"n", "latest", "", ""}, "", ""},
		{"art://n:v05/a/b/", Ref{"n", "v5", "a/b", ""}, "", ""},
		{"e/p/n:v3:v3", Ref{"e/p/n", "v3", "", ""}, "e-p-n", "e p n"},
		{"n:v3:3", Ref{"n", "v3", "", ""}, "", ""},
		{"n:prod:prod/x", Ref{"n", "prod", "x", ""}, "", ""},
		{"n:v3:v4", Ref{"n:v3", "v4", "", ""}, "", ""},
		{"super3/rl/rlvr1/data:latest", Ref{"super3/rl/rlvr1/data", "latest", "", ""}, "super3-rl-rlvr1-data", ""},
		{"embed/model", Ref{"embed/model", "latest", "", ""}, "embed-model", ""},
		{"My Model v1.5:2", Ref{"My Model v1.5", "v2", "", ""}, "", ""},
		{"données:v1", Ref{"données", "v1", "", ""}, "", ""},
		{".manifest/n:v03/a", Ref{"n", "v3", "a", ByManifest}, "", ""},
		{"art://.wandb/e/p/n", Ref{"e/p/n", "latest", "", ByWandB}, "e-p-n", "e p n"},
	} {
		got, err := ParseRef(tt.ref)
		if err != nil || got != tt.want {
			t.Errorf("ParseRef(%q) is %#v, %v, want %#v", tt.ref, got, err, tt.want)
		}
		if again, err := ParseRef(got.String()); err != nil || again != got {
			t.Errorf("%s is read as %#v, %v, want %#v", got, again, err, got)
		}
		dashed, changed := got.Dashed()
		if changed != (tt.dashed != "") || changed && dashed.Name != tt.dashed {
			t.Errorf("%q dashed is %q, %v, want %q", tt.ref, dashed.Name, changed, tt.dashed)
		}
		e, p, n, ok := got.WandB()
		if ok != (tt.wandb != "") || ok && e+" "+p+" "+n != tt.wandb {
			t.Errorf("%q for W&B is %q %q %q, %v, want %q", tt.ref, e, p, n, ok, tt.wandb)
		}
	}
}

func TestParseRefRefuses(t *testing.T) {
	for _, ref := range []string{
		".", "..", ".log", ".wandb", ".manifest/", ".manifest/.wandb/n:v1", ".fields/n:v1", "a/.manifest/n", "a/.b:v1", "a//b", "n/v1", "n/latest", "v1", "v1:v2", "n:..", "n:.prod", "n:v1/.", "n:v1/a//b",
		"n\x00:v1", strings.Repeat("n", 256), strings.Repeat("n/", 600) + "n", "n:v1/a\x00", "art://", "art:///", "/",
	} {
		if r, err := ParseRef(ref); err == nil || !errors.Is(err, kindOf(ref)) {
			t.Errorf("ParseRef(%.40q) is %#v, %v, want %v", ref, r, err, kindOf(ref))
		}
	}
	if _, err := ParseRef("n/v1"); !strings.Contains(err.Error(), "NAME:v3") {
		t.Errorf("%v does not say how to write a version", err)
	}
}

func TestParseVersion(t *testing.T) {
	for s, want := range map[string]int{"3": 3, "v3": 3, "v05": 5, "0": 0, "v00": 0, "2147483647": math.MaxInt32} {
		if v, ok := ParseVersion(s); !ok || int(v) != want {
			t.Errorf("ParseVersion(%q) is %d, %v, want %d", s, v, ok, want)
		}
	}
	for _, s := range []string{
		"", "v", "V3", "-1", "+1", " 1", "1 ", "1_0", "1.0", "0x3", "vv1", "v²", "٣", "v１０",
		"9223372036854775808", "18446744073709551617", "v99999999999999999999", strings.Repeat("1", 5000),
	} {
		if v, ok := ParseVersion(s); ok {
			t.Errorf("ParseVersion(%.30q) is %d, want none", s, v)
		}
	}
}

func FuzzParseRef(f *testing.F) {
	for _, c := range manifesttest.Cases(f, "parse_tracker", "parse_art") {
		f.Add(c.Text("ref"))
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseRef(s)
		if err != nil {
			if !errors.Is(err, fs.ErrInvalid) || r != (Ref{}) {
				t.Fatalf("got %#v, %v", r, err)
			}
			return
		}
		if again, err := ParseRef(r.String()); err != nil || again != r {
			t.Fatalf("%q reads as %#v, and that as %#v, %v", s, r, again, err)
		}
		if err := CheckName(r.Name); err != nil {
			t.Fatalf("%q has a name that is none: %v", s, err)
		}
		for _, c := range strings.Split(r.Sub, "/") {
			if c == ".." || c == "." || strings.Contains(c, "\x00") {
				t.Fatalf("%q leaves its version by %q", s, r.Sub)
			}
		}
		if r.Sub != "" && strings.HasPrefix(r.Sub, "/") || strings.Contains(r.Version, "/") || strings.HasPrefix(r.Version, ".") {
			t.Fatalf("%q leaves the store: %#v", s, r)
		}
	})
}
