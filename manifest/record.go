package manifest

import (
	"fmt"
	"io/fs"
	"strings"
)

// Record is one version as its store has it.
type Record struct {
	Manifest *Manifest
	Raw      []byte // manifest.json as it was read
	Meta     Object // metadata.json; nil if there is none, or none that can be read
	RawMeta  []byte // metadata.json as it was read; nil if there is none
	Dir      string // where the two lie: a path or a URI
	Legacy   bool   // read from an .art_index.json, not from a manifest
}

// NewRecord reads the two files of a version. Where the store has them, name and
// version, beats what the record says. A metadata.json that is absent (nil) or
// not an object leaves Meta nil: the version can be read without it.
func NewRecord(name string, version int, raw, rawMeta []byte, dir string) (*Record, error) {
	m, err := ParseManifest(raw)
	if err != nil {
		return nil, err
	}
	m.Name, m.Version = name, version
	r := &Record{Manifest: m, Raw: raw, RawMeta: rawMeta, Dir: dir}
	if rawMeta != nil {
		v, _ := ParseJSON(rawMeta)
		r.Meta, _ = v.(Object)
	}
	return r, nil
}

// Iteration returns the iteration of a model checkpoint. Records of another type
// than upstream's "model" have none, whatever their metadata says.
func (r *Record) Iteration() (int, bool) {
	if r.Manifest.Type != "model" {
		return 0, false
	}
	n, ok := r.iteration().(Number)
	if !ok {
		return 0, false
	}
	if i, ok := n.Int(); ok && i >= 0 {
		return i, true
	}
	return 0, false
}

// iteration is the field of that name. Upstream looks into manifest.json only;
// a checkpoint whose number stands in metadata.json alone has it here too.
func (r *Record) iteration() any {
	if v, _ := r.Manifest.Metadata.Get("iteration"); v != nil {
		return v
	}
	v, _ := r.Meta.Get("iteration")
	return v
}

// info is what upstream knows of an artifact without metadata.json.
func (r *Record) info(version string) Object {
	var typ any
	if r.Manifest.Type != "" {
		typ = r.Manifest.Type
	}
	return Object{
		{"path", r.Manifest.Path},
		{"version", version},
		{"name", r.Manifest.Name},
		{"type", typ},
		{"iteration", r.iteration()},
	}
}

// Field returns what ${art:NAME,field} gives: path, version (vN), name, type and
// iteration from the record, else a key of metadata.json, else one of its
// metadata. A key that is there and null is an answer. metadata.X is X of
// metadata.json alone. Without any, the error satisfies fs.ErrNotExist.
func (r *Record) Field(field, version string) (any, error) {
	if sub, ok := strings.CutPrefix(field, "metadata."); ok {
		if v, ok := r.Meta.Get(sub); ok {
			return v, nil
		}
		return nil, r.noField(field)
	}
	nested, _ := r.Meta.object("metadata")
	for _, o := range []Object{r.info(version), r.Meta, nested} {
		if v, ok := o.Get(field); ok {
			return v, nil
		}
	}
	return nil, r.noField(field)
}

func (r *Record) noField(field string) error {
	return fmt.Errorf("%s has no field %s: %w", r.Manifest.Name, field, fs.ErrNotExist)
}

// Fields returns every field that Field answers, in that order, but for those
// spelled metadata.X.
func (r *Record) Fields(version string) Object {
	nested, _ := r.Meta.object("metadata")
	out := r.info(version)
	seen := make(map[string]bool, len(r.Meta)+len(nested))
	for _, m := range out {
		seen[m.Key] = true
	}
	for _, o := range []Object{r.Meta, nested} {
		for _, m := range o {
			if !seen[m.Key] && !strings.HasPrefix(m.Key, "metadata.") {
				seen[m.Key] = true
				out = append(out, m)
			}
		}
	}
	return out
}
