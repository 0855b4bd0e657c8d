package outbox

import (
	"fmt"
	"path"
	"regexp"
	"strings"

	"artifactfs.dev/artifactfs/manifest"
)

// spec is what an artifact is made from, before anybody has looked at the data.
type spec struct {
	Type      string      `json:"type"`
	Path      string      `json:"path"` // of the data; a file's parent is what is logged
	Iteration *int        `json:"iteration,omitempty"`
	Created   string      `json:"created_at"`
	Fields    string      `json:"fields"`        // a JSON object: what W&B gets as metadata
	Metadata  []byte      `json:"metadata_json"` // metadata.json, as the manifest store has it
	Files     []namedFile `json:"files,omitempty"`
}

// namedFile is a local file that is stored, if it is there and small.
type namedFile struct {
	Name string `json:"name"`
	Path string `json:"path"`
	// IfFile: only where the data's path is this very file.
	IfFile bool `json:"if_file,omitempty"`
}

// specOf is what upstream's tracker logs for a draft. Its rule for each type is
// written in methods of the type, which a dump does not carry: the table below is
// that of the types it ships.
func specOf(d *manifest.Draft) *spec {
	s := &spec{Type: d.Manifest.Type, Path: d.Manifest.Path, Created: d.Manifest.CreatedAt, Metadata: d.MetadataBytes()}
	fields := d.Manifest.Metadata
	if m, ok := d.Metadata.Get("metadata"); ok { // datasets as objects, not as their Python reprs
		if o, ok := m.(manifest.Object); ok {
			fields = o
		}
	}
	s.Fields = string(manifest.AppendJSON(nil, fields, 0))
	s.Iteration = iterationOf(d)
	s.Files = storedFiles(s.Type, s.Path, fields)
	return s
}

// iterationOf returns that of a checkpoint, nil for anything else.
func iterationOf(d *manifest.Draft) *int {
	if d.Manifest.Type != "model" {
		return nil
	}
	v, _ := d.Metadata.Get("iteration")
	switch n := v.(type) {
	case int:
		return &n
	case manifest.Number:
		if i, ok := n.Int(); ok {
			return &i
		}
	}
	return nil
}

// storedFiles are the small files that upstream uploads beside metadata.json, so
// that they can be looked at in W&B.
func storedFiles(typ, data string, fields manifest.Object) []namedFile {
	if manifest.IsURI(data) {
		return nil
	}
	blend := func() []namedFile {
		v, _ := fields.Get("blend_path")
		if p, ok := v.(string); ok && path.IsAbs(p) {
			return []namedFile{{Name: "blend.json", Path: p}}
		}
		return nil
	}
	switch typ {
	case "DataBlendsArtifact":
		return []namedFile{{Name: "blend.json", Path: data, IfFile: true}}
	case "SplitJsonlDataArtifact":
		return []namedFile{{Name: "manifest.json", Path: data, IfFile: true}}
	case "Omni3RLDataArtifact":
		return []namedFile{{Name: path.Base(data), Path: data, IfFile: true}}
	case "SFTDataArtifact":
		return blend()
	case "PretrainBlendsArtifact":
		return append(blend(), namedFile{Name: "blend.json", Path: data + "/blend.json"})
	case "EnergonWebDatasetArtifact":
		var out []namedFile
		for _, name := range []string{"dataset.yaml", "split.yaml", ".info.yaml", "index.uuid"} {
			out = append(out, namedFile{Name: name, Path: data + "/.nv-meta/" + name})
		}
		return out
	}
	return nil
}

var (
	iterName = regexp.MustCompile(`^iter_[0-9]+$`)
	stepName = regexp.MustCompile(`^step_[0-9]+$`)
)

// iterationDirs are the places where a checkpoint's own iteration may lie, the
// likeliest first; the last one is its path itself.
func (s *spec) iterationDirs() []string {
	if iterName.MatchString(path.Base(s.Path)) {
		return []string{s.Path}
	}
	return []string{strings.TrimRight(s.Path, "/") + "/" + iterationName(*s.Iteration), s.Path}
}

func iterationName(n int) string { return fmt.Sprintf("iter_%07d", n) }

// aliases are those that a version gets besides latest, which is not settled yet.
func (s *spec) aliases(asked []string, experiment string) []string {
	out := append([]string{}, asked...)
	if s.Iteration != nil {
		if base := path.Base(s.Path); stepName.MatchString(base) {
			out = append(out, base)
		} else {
			out = append(out, iterationName(*s.Iteration))
		}
	}
	if experiment != "" && checkAlias(experiment) == nil {
		out = append(out, experiment)
	}
	return unique(out)
}

// unique drops latest and what is there twice.
func unique(in []string) []string {
	var out []string
	seen := map[string]bool{manifest.Latest: true}
	for _, s := range in {
		if !seen[s] {
			out, seen[s] = append(out, s), true
		}
	}
	return out
}
