package outbox

import (
	"path"
	"regexp"
	"strings"

	"artifactfs.dev/artifactfs/manifest"
	"artifactfs.dev/artifactfs/wandb"
)

// input is data that is no artifact, and that W&B gets one for: a name, a type and a
// reference, by which what was made from the same data finds each other.
type input struct {
	Name     string   `json:"name"`
	Type     string   `json:"type"`
	Entry    string   `json:"entry"`
	URI      string   `json:"uri"`
	Digest   string   `json:"digest"`
	Text     string   `json:"description"`
	Metadata string   `json:"metadata"`
	Progress progress `json:"progress"`
}

// inputsOf are those of a draft, as upstream's tracker registers them: datasets with
// what is known of each, the tokenizer, and any other URI as a dataset.
func inputsOf(d *manifest.Draft) []input {
	var out []input
	seen := make(map[string]bool)
	add := func(in input, uri string) {
		if uri != "" && !seen[uri] && !strings.HasPrefix(uri, "art://") && in.Name != "" {
			seen[uri] = true
			in.Progress = newProgress()
			out = append(out, in)
		}
	}
	v, _ := d.Metadata.Get("source_datasets")
	list, _ := v.([]any)
	for _, v := range list {
		switch v := v.(type) {
		case manifest.Object:
			uri, _ := v.Get("uri")
			text, _ := uri.(string)
			add(datasetInput(text, v), text)
		case string:
			add(datasetInput(v, nil), v)
		}
	}
	if v, _ := d.Metadata.Get("tokenizer_uri"); v != nil {
		if uri, ok := v.(string); ok {
			add(tokenizerInput(uri), uri)
		}
	}
	for _, uri := range d.Manifest.Inputs {
		if manifest.IsURI(uri) || path.IsAbs(uri) {
			add(datasetInput(uri, nil), uri)
		}
	}
	return out
}

// datasetInput is one dataset; info is what is known of it.
func datasetInput(uri string, info manifest.Object) input {
	meta := manifest.Object{{Key: "source_uri", Value: uri}, {Key: "raw", Value: true}}
	text := func(key string) string {
		v, _ := info.Get(key)
		s, _ := v.(string)
		return s
	}
	for _, key := range []string{"name", "weight", "split", "subset", "text_field", "num_rows", "size_bytes", "num_files"} {
		v, _ := info.Get(key)
		switch {
		case v == nil || v == "":
		case key == "weight" && (v == manifest.Number("1.0") || v == manifest.Number("1")):
		case key == "text_field" && v == "text":
		default:
			meta = append(meta, manifest.Member{Key: key, Value: finite(v)})
		}
	}
	ref, digest := inputRef(uri)
	return input{
		Name: uriName(uri, text("subset")), Type: "dataset", Entry: "data", URI: ref, Digest: digest,
		Text: "Source: " + ref, Metadata: string(manifest.AppendJSON(nil, meta, 0)),
	}
}

func tokenizerInput(uri string) input {
	meta := manifest.Object{{Key: "source_uri", Value: uri}, {Key: "type", Value: "tokenizer"}}
	ref, digest := inputRef(uri)
	return input{
		Name: tokenizerName(uri), Type: "tokenizer", Entry: "tokenizer", URI: ref, Digest: digest,
		Text: "Source: " + uri, Metadata: string(manifest.AppendJSON(nil, meta, 0)),
	}
}

// inputRef is a URI that W&B can show, and its digest: a dataset of the Hugging Face
// Hub is a page. Local data is not looked at.
func inputRef(uri string) (ref, digest string) {
	if rest, ok := strings.CutPrefix(uri, "hf://"); ok {
		uri = "https://huggingface.co/datasets/" + rest
	}
	local, ok := strings.CutPrefix(uri, "file://")
	if !ok && !path.IsAbs(uri) {
		return uri, uri
	}
	local = path.Clean(local)
	return wandb.FileURI(local), wandb.URIDigest(local)
}

var (
	notInName = regexp.MustCompile(`[^a-zA-Z0-9._-]`)
	dashes    = regexp.MustCompile(`-+`)
	hubModel  = regexp.MustCompile(`huggingface\.co/([^/]+/[^/]+)`)
)

// uriName makes a name of a URI: what cannot be in one is a dash.
func uriName(uri, subset string) string {
	name := uri
	if _, rest, ok := strings.Cut(uri, "://"); ok {
		name = rest
	}
	if subset != "" {
		name += "-" + subset
	}
	name = strings.Trim(dashes.ReplaceAllString(notInName.ReplaceAllString(name, "-"), "-"), "-")
	if name != "" && (name[0] == '.' || name[0] == '_') {
		name = "dataset-" + name
	}
	return cut(name, "dataset")
}

func tokenizerName(uri string) string {
	name := "tokenizer"
	if m := hubModel.FindStringSubmatch(uri); m != nil {
		name = m[1]
	} else if rest, ok := strings.CutPrefix(uri, "file://"); ok {
		name = path.Base(rest)
	}
	return cut(strings.Trim(dashes.ReplaceAllString(notInName.ReplaceAllString(name, "-"), "-"), "-"), "tokenizer")
}

func cut(name, none string) string {
	if name == "" {
		return none
	}
	return name[:min(len(name), maxName)]
}

func (in *input) entry() entry { return entry{Path: in.Entry, Ref: in.URI, Digest: in.Digest} }
