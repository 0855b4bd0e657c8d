package manifest

import (
	"errors"
	"io/fs"
	"strings"
	"testing"
	"time"

	"artifactfs.dev/artifactfs/manifest/manifesttest"
	"github.com/google/go-cmp/cmp"
)

var testTime = time.Date(2026, 8, 21, 9, 1, 30, 375000000, time.UTC)

// What upstream's log_model_checkpoint, log_artifact and save wrote, byte for
// byte; who numbers and where latest goes belongs to the store.
func TestDraftCases(t *testing.T) {
	refused := map[string]string{
		"log/path-empty":             "the path is empty",
		"log/path-relative-verbatim": "neither absolute nor a URI",
		"log/relative-path":          "neither absolute nor a URI",
	}
	for _, c := range manifesttest.Cases(t, "log", "log_artifact", "save") {
		result, _ := c.Result.(map[string]any)
		tree, _ := result["tree"].(map[string]any)
		var manifests []string
		for path, text := range tree {
			if s, ok := text.(string); ok && strings.HasSuffix(path, "/manifest.json") && strings.HasPrefix(s, "{") && c.Files["/data/case/root/"+path] == nil {
				manifests = append(manifests, strings.TrimSuffix(path, "/manifest.json"))
			}
		}
		// None: the case is about the place of a version, not what it holds.
		for _, dir := range manifests {
			t.Run(c.Test()+" "+dir, func(t *testing.T) {
				raw, meta := tree[dir+"/manifest.json"].(string), tree[dir+"/metadata.json"].(string)
				text, resolved := caseRequest(t, c, meta)
				r, err := ParseRequest(text)
				if want, ok := refused[c.Name]; ok {
					if err == nil || !strings.Contains(err.Error(), want) {
						t.Errorf("got %v, want %q", err, want)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				name, v, _ := cutLast(dir, "/")
				version, _ := ParseVersion(v)
				d, err := r.Draft(name, caseTime(t, meta), caseProducer(c), resolved)
				if err != nil {
					t.Fatal(err)
				}
				if c.Name == "log/uri-path" {
					// (F) A URI stays one.
					raw = strings.Replace(raw, "/data/case/work/s3:/b/k", "s3://b/k", 1)
					meta = strings.Replace(meta, "s3:/b/k", "s3://b/k", 1)
				}
				if diff := cmp.Diff(raw, string(d.ManifestBytes(int(version)))); diff != "" {
					t.Errorf("manifest.json: %s", diff)
				}
				if diff := cmp.Diff(meta, string(d.MetadataBytes())); diff != "" {
					t.Errorf("metadata.json: %s", diff)
				}
			})
		}
	}
}

// caseRequest writes the request that asks for what a case logged, and where the
// data is once links are followed.
func caseRequest(t *testing.T, c manifesttest.Case, meta string) (text []byte, resolved string) {
	t.Helper()
	in := Object{}
	v, err := ParseJSON(c.RawInput)
	if err != nil {
		t.Fatal(err)
	}
	input := v.(Object)
	path, given := input.Get("path")
	switch c.Op {
	case "log":
		if !given {
			path = "/data/lustre/ck"
		}
		iteration := any(Number("1"))
		if list, ok := input.Get("iterations"); ok {
			iteration = list.([]any)[0]
		}
		in = Object{{"path", path}, {"iteration", iteration}}
	case "log_artifact":
		// Logged without save(): the dump says producer null.
		in = Object{{"path", path}, {"producer", nil}}
		resolved = map[string]string{
			"/data/case/work/link/x": "/data/case/work/real/x",
			"/data/case/work/a/../b": "/data/case/work/b",
		}[input.text("path")]
	case "save":
		in = Object{{"path", "/data/case/out"}}
		if name, ok := input.Get("name"); ok {
			in.Set("name", name)
		}
		// Saved again, the object knows where it was logged before.
		in.Set("tracking", first(parse(t, []byte(meta)).Get("tracking")))
	}
	for from, to := range map[string]string{"metadata": "metadata", "used": "used_artifacts"} {
		if v, ok := input.Get(from); ok {
			in.Set(to, v)
		}
	}
	return AppendJSON(nil, in, 0), resolved
}

func first(v any, _ bool) any { return v }

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

func caseProducer(c manifesttest.Case) string {
	if id, ok := c.Env["NEMO_EXPERIMENT_ID"]; ok {
		return id
	}
	return "local"
}

func caseTime(t *testing.T, meta string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, parse(t, []byte(meta)).text("created_at"))
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func draft(t *testing.T, text string) *Draft {
	t.Helper()
	r, err := ParseRequest([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	d, err := r.Draft("n", testTime, "local", "")
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// A path alone is logged as upstream saves a plain Artifact.
func TestDraftOfPath(t *testing.T) {
	d := draft(t, "/lustre/out//splits/\n")
	want := `{
  "path": "/lustre/out/splits",
  "type": "Artifact",
  "metadata": {},
  "created_at": "2026-08-21T09:01:30.375000+00:00",
  "producer": "local",
  "tracking": null,
  "name": null
}`
	if diff := cmp.Diff(want, string(d.MetadataBytes())); diff != "" {
		t.Error(diff)
	}
}

// Typed fields go to the top level as they are, to metadata unless null, and
// datasets to manifest.json as Python's repr of them.
func TestDraftOfFields(t *testing.T) {
	d := draft(t, `{"path":"/a","type":"SFTDataArtifact","metadata":{"hash":"9f86","pack_size":1,"none":null},
		"pack_size":4096,"training_path":null,"source_datasets":[
			{"uri":"hf://a","name":"it's \"a\"\n","weight":0.5,"split":null,"subset":"é\u0001","text_field":"x'","num_rows":3,"size_bytes":null,"num_files":null},
			{"uri":"hf://b"},"hf://c",{"uri":"hf://d","extra":1}],
		"tokenizer_uri":"https://t","source_uri":""}`)
	if diff := cmp.Diff([]string{"hf://a", "hf://b", "hf://c", "hf://d", "https://t"}, d.Manifest.Inputs); diff != "" {
		t.Errorf("inputs: %s", diff)
	}
	m := d.Manifest.Metadata
	for key, want := range map[string]any{
		"hash": "9f86", "pack_size": Number("4096"), "none": nil, "tokenizer_uri": "https://t",
		"source_datasets": []any{
			`InputDatasetInfo(uri='hf://a', name='it\'s "a"\n', weight=0.5, split=None, subset='é\x01', text_field="x'", num_rows=3, size_bytes=None, num_files=None)`,
			`InputDatasetInfo(uri='hf://b', name=None, weight=1.0, split=None, subset=None, text_field='text', num_rows=None, size_bytes=None, num_files=None)`,
			"hf://c",
			Object{{"uri", "hf://d"}, {"extra", Number("1")}},
		},
	} {
		got, ok := m.Get(key)
		if diff := cmp.Diff(want, got); diff != "" || !ok {
			t.Errorf("metadata.%s: %s", key, diff)
		}
	}
	if _, ok := m.Get("training_path"); ok {
		t.Error("a null field is in metadata")
	}
	if v, ok := d.Metadata.Get("training_path"); v != nil || !ok {
		t.Error("a null field is not in metadata.json")
	}
	sub, _ := d.Metadata.object("metadata")
	if v, _ := sub.Get("source_datasets"); cmp.Equal(v, first(m.Get("source_datasets"))) {
		t.Error("metadata.json has the reprs too")
	}
}

// An iteration makes a checkpoint, whatever else is said of it.
func TestDraftOfCheckpoint(t *testing.T) {
	d := draft(t, `{"path":"/ck/","iteration":20,"metadata":{"loss":0.5,"iteration":7},"name":"a/b","step":null,"absolute_path":"/x"}`)
	want := `{
  "path": "/ck/",
  "type": "model",
  "created_at": "2026-08-21T09:01:30.375000+00:00",
  "iteration": 20,
  "absolute_path": "/ck/",
  "metadata": {
    "iteration": 20,
    "absolute_path": "/ck/",
    "loss": 0.5
  },
  "name": "a/b",
  "step": null
}`
	if diff := cmp.Diff(want, string(d.MetadataBytes())); diff != "" {
		t.Error(diff)
	}
	r, err := NewRecord("n", 1, d.ManifestBytes(1), d.MetadataBytes(), "")
	if err != nil {
		t.Fatal(err)
	}
	if i, ok := r.Iteration(); i != 20 || !ok {
		t.Errorf("iteration is %d, %v", i, ok)
	}
}

func TestDraftRefusesNames(t *testing.T) {
	for _, name := range []string{"", "../x", "n/v1", ".log"} {
		if _, err := (&Request{Path: "/a"}).Draft(name, testTime, "", ""); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("a draft named %q: %v, want fs.ErrInvalid", name, err)
		}
	}
}

func TestISOTime(t *testing.T) {
	zone := time.FixedZone("", -7*3600)
	for _, tt := range []struct {
		t    time.Time
		want string
	}{
		{time.Date(2026, 8, 21, 9, 0, 0, 0, time.UTC), "2026-08-21T09:00:00+00:00"}, // 84
		{time.Date(2026, 8, 21, 9, 0, 0, 999, time.UTC), "2026-08-21T09:00:00+00:00"},
		{time.Date(2026, 8, 21, 9, 0, 0, 1000, time.UTC), "2026-08-21T09:00:00.000001+00:00"},
		{time.Date(2026, 8, 21, 9, 0, 0, 125000000, zone), "2026-08-21T16:00:00.125000+00:00"},
	} {
		if got := isoTime(tt.t); got != tt.want {
			t.Errorf("got %s, want %s", got, tt.want)
		}
	}
}

// The answers are Python's: str(pathlib.PurePosixPath(path)).
func TestCleanPath(t *testing.T) {
	for path, want := range map[string]string{
		"/": "/", "/a/": "/a", "/a//b": "/a/b", "/a/./b/.": "/a/b", "/a/../b": "/a/../b", "//a": "//a", "///a": "/a", "//": "//",
		"/a b ": "/a b ", "s3://b//k/": "s3://b//k/", "/.": "/", "/..": "/..",
	} {
		if got := cleanPath(path); got != want {
			t.Errorf("cleanPath(%q) is %q, want %q", path, got, want)
		}
	}
}
