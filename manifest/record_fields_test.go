package manifest

import (
	"regexp"
	"testing"

	"artifactfs.dev/artifactfs/manifest/manifesttest"
	"github.com/google/go-cmp/cmp"
)

var manifestRule = regexp.MustCompile(`^(\$\{oc\.decode:)?\$\{manifest:[^,]*,\s*([\w.]+)\}+$`)

// Upstream's ${manifest:DIR,key} applies str to what it finds. The cases record
// what str and oc.decode made of each kind of value; a flattened manifest.json
// holds those that come back and the two that do not in another way.
func TestFlattenedCases(t *testing.T) {
	seen := 0
	for _, c := range manifesttest.Cases(t, "manifest") {
		t.Run(c.Test(), func(t *testing.T) {
			m := manifestRule.FindStringSubmatch(c.Text("get"))
			text, ok := c.Files["/data/case/work/d/manifest.json"].(string)
			if m == nil || !ok {
				t.Skip("about OmegaConf or where the file lies")
			}
			v, err := ParseJSON([]byte(text))
			o, ok := v.(Object)
			if err != nil || !ok {
				t.Skip("no object")
			}
			value, ok := o.Get(m[2])
			if !ok {
				t.Skip("no such key")
			}
			seen++
			if m[2] == "path" {
				o.Set("path", "/data/x")
			}
			r := &Record{Manifest: &Manifest{Name: "n", Path: "/data/x"}, Meta: o}
			flat := parse(t, r.FlattenedManifest("v1"))
			got, _ := flat.Get(m[2])
			want := value
			switch v := value.(type) {
			case nil:
				want = "null" // 86: str gives None, which decodes to a string
			case Object:
				want = string(AppendJSON(nil, v, 0)) // 86: str gives what does not decode
			default:
				if decoded := m[1] != ""; decoded {
					// Left as it is, since upstream was seen to decode it to itself.
					if diff := cmp.Diff(value, pythonValue(t, c.RawResult)); diff != "" {
						t.Errorf("upstream decodes it otherwise: %s", diff)
					}
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
	if seen < 15 {
		t.Errorf("only %d cases were looked at", seen)
	}
}

func TestFlattenedManifest(t *testing.T) {
	r, err := NewRecord("n", 3, []byte(`{"path":"/data/d","type":"SFTDataArtifact"}`), []byte(`{
		"path":"rel","pack_size":4096,"lr":1e-05,"none":null,"on":true,"loss":NaN,"list":[1,"é"],"mixed":[1,null,"é\u0007\ud800"],
		"ds":[{"uri":"hf://é"}],"sub":{"k":"é"},"metadata":{"pack_size":1,"hash":"9f86"}}`), "")
	if err != nil {
		t.Fatal(err)
	}
	want := Object{
		{"path", "/data/d"}, {"version", "v3"}, {"name", "n"}, {"type", "SFTDataArtifact"}, {"iteration", "null"},
		{"pack_size", Number("4096")}, {"lr", Number("1e-05")}, {"none", "null"}, {"on", true}, {"loss", Number("NaN")},
		{"list", []any{Number("1"), "é"}}, {"mixed", `[1, null, "é\u0007\ud800"]`}, {"ds", `[{"uri": "hf://é"}]`},
		{"sub", `{"k": "é"}`}, {"metadata", `{"pack_size": 1, "hash": "9f86"}`}, {"hash", "9f86"},
	}
	if diff := cmp.Diff(want, parse(t, r.FlattenedManifest("v3"))); diff != "" {
		t.Error(diff)
	}
}

func TestFieldText(t *testing.T) {
	for _, tt := range []struct {
		v    any
		want string
	}{
		{nil, "null\n"}, {true, "true\n"}, {Number("1e-05"), "1e-05\n"}, {Number("NaN"), "NaN\n"}, {"", "\n"}, {"a b\n", "a b\n\n"},
		{"données", "données\n"}, {Object{}, "{}\n"}, {Object{{"k", Number("1")}}, "{\n  \"k\": 1\n}\n"}, {[]any{"a"}, "[\n  \"a\"\n]\n"},
	} {
		if got := string(FieldText(tt.v)); got != tt.want {
			t.Errorf("FieldText(%#v) is %q, want %q", tt.v, got, tt.want)
		}
	}
}
